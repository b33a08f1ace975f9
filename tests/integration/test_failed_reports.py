"""``--fastenv-report`` of a run that fails, or is interrupted, through both doors."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from typing import Any

import pytest
from front_doors import DOORS, Desk
from kit.archives import make_sdist, make_wheel
from kit.nightly import first_and_at_night
from kit.server import Handler

pytestmark = pytest.mark.slow


def told(desk: Desk) -> dict[str, Any]:
    report = json.loads((desk.directory / "run.json").read_text())
    known: dict[str, Any] = report["otherData"]
    return {**known, "kinds": {event["cat"] for event in report["traceEvents"] if event["ph"] == "X"}}


@pytest.mark.parametrize("door", DOORS)
def test_a_failed_build_is_in_the_report(door: str, seeded: Desk) -> None:
    make_sdist(seeded.server.directory, "broken", backend_code="def build_wheel(*_, **__):\n    exit('it is sorry')")
    seeded.ask(door, "broken", report="run.json").is_diagnosis(3, "it is sorry")
    known = told(seeded)
    assert "it is sorry" in known["error"]
    assert known["exit_code"] == 3
    assert "build" in known["kinds"]


@pytest.mark.parametrize("door", first_and_at_night(*DOORS))
def test_what_was_under_way_when_it_was_interrupted(door: str, seeded: Desk) -> None:
    pipe = seeded.directory / "pipe"
    os.mkfifo(pipe)
    code = f"def build_wheel(*_, **__):\n    open({str(pipe)!r}, 'w').close(); import time; time.sleep(600)"
    make_sdist(seeded.server.directory, "hangs", backend_code=code)
    running = seeded.start(seeded.words(door, "hangs", report="run.json"))
    with open(pipe):  # the build is on its way
        running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode == 130
    known = told(seeded)
    assert (known["error"], known["exit_code"]) == ("interrupted", 130)
    assert "build hangs" in known["under_way"]


def test_a_wrong_request_is_in_the_report(seeded: Desk) -> None:
    seeded.ask("fastenv", "no-such-project", report="run.json").is_diagnosis(4, "no-such-project")
    assert told(seeded)["exit_code"] == 4


def test_many_failures_are_told_briefly_and_the_report_has_all_of_them(seeded: Desk) -> None:
    """Whatever fails for one reason is told once; what is left out stands in the report."""
    assert seeded.server is not None
    names = [f"lib-{number}" for number in range(30)]
    for name in names:
        make_wheel(seeded.server.directory, name)
    all_have_begun = threading.Barrier(len(names))

    def gone(handler: Handler) -> bool:
        all_have_begun.wait(60)
        handler.answer(404, b"gone")
        return True

    seeded.server.fault(".whl", gone)
    outcome = seeded.ask("fastenv", *names, report="run.json")
    outcome.is_diagnosis(3, "same cause")
    assert outcome.output.count("\n") < 40, outcome.output
    assert len(set(re.findall(r"lib_\d+-1.0-py3-none-any.whl", told(seeded)["error"]))) == 30
