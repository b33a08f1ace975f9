"""Several environments out of one pipeline, on a real index on loopback: what they share is done once."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kit.archives import make_project, make_sdist, make_wheel
from kit.server import IndexServer

from pytest_fastenv.environment.places import Ready
from pytest_fastenv.errors import FastenvError, UnknownProjectError
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.provisioning.question import Question
from pytest_fastenv.provisioning.several import Outcome, provision_several
from pytest_fastenv.settings.layers import load, variables

pytestmark = pytest.mark.slow


class Desk:
    """A user's directory, an index, and the environments that are asked for there."""

    def __init__(self, directory: Path, server: IndexServer) -> None:
        self.directory = directory
        self.server = server
        self.environ = {**os.environ, "FASTENV_INDEX_URL": server.url}
        self.recorder = Recorder()
        self.told: list[Outcome] = []
        directory.mkdir()

    def question(self, *sources: str, **changes: Any) -> Question:
        settings = load(variables(self.environ)).settings
        settings = replace(settings, **{"sources": sources, "project": "none", **changes})
        return Question.of(settings, self.directory, self.directory, None, None, self.environ)

    def ask(self, **asked: Question) -> dict[str, Outcome]:
        outcomes = provision_several(asked, self.recorder, self.told.append)
        for outcome in outcomes.values():
            if isinstance(outcome.result, Ready) and outcome.result.lease_fd is not None:
                os.close(outcome.result.lease_fd)
        return outcomes

    def done(self, kind: str, *, source: str = "") -> Counter[str]:
        """Count the finished pieces of work of a kind, by distribution."""
        spans = [one for one in self.recorder.spans if one.kind == kind and "error" not in one.args]
        return Counter(one.subject.split()[0] for one in spans if not source or one.args.get("source") == source)


@pytest.fixture
def desk(tmp_path: Path, artifacts: Path, index_server: Callable[..., IndexServer]) -> Desk:
    make_wheel(artifacts, "one")
    make_wheel(artifacts, "two")
    make_wheel(artifacts, "shared")
    return Desk(tmp_path / "project", index_server())


def installed(outcome: Outcome) -> dict[str, str]:
    assert isinstance(outcome.result, Ready), outcome.result
    return outcome.result.environment.installed()


def test_what_several_need_is_fetched_built_and_unpacked_once(desk: Desk, artifacts: Path, tmp_path: Path) -> None:
    log = tmp_path / "builds"
    make_sdist(artifacts, "source", build_log=log)
    make_project(desk.directory / "app", "app", build_log=log)
    outcomes = desk.ask(
        first=desk.question("one", "shared", "source", "./app"),
        second=desk.question("two", "shared", "source", "./app"),
    )
    assert list(outcomes) == ["first", "second"]
    assert {one.name for one in desk.told} == {"first", "second"}
    common = {"app": "1.0", "shared": "1.0", "source": "1.0"}
    assert installed(outcomes["first"]) == {"one": "1.0", **common}
    assert installed(outcomes["second"]) == {"two": "1.0", **common}
    assert Counter(line.split()[0] for line in log.read_text().splitlines()) == {"app": 1, "source": 1}
    files = Counter(path for path in desk.server.paths("GET") if path.startswith("/files/"))
    assert set(files.values()) == {1}, files
    assert desk.done("fetch", source="network") == dict.fromkeys(["one", "two", "shared", "source"], 1)
    unpacked = desk.done("unpack")
    assert unpacked["shared"] == unpacked["one"] == unpacked["two"] == 1, unpacked
    assert {one.args.get("environment") for one in desk.recorder.spans if one.kind == "link"} == {"first", "second"}


def test_environments_that_came_out_equal_are_one_and_it_is_said(desk: Desk) -> None:
    outcomes = desk.ask(first=desk.question("one"), second=desk.question("one==1.0"), third=desk.question("two"))
    ready = {name: outcome.result for name, outcome in outcomes.items()}
    prefixes = {name: one.environment.prefix for name, one in ready.items() if isinstance(one, Ready)}
    assert prefixes["first"] == prefixes["second"] != prefixes["third"]
    earlier, later = (one for one in desk.told if one.name in ("first", "second"))
    assert (earlier.same_as, later.same_as) == ("", earlier.name)
    assert outcomes["third"].same_as == ""


def test_one_that_cannot_be_had_does_not_stop_the_others(desk: Desk) -> None:
    report = desk.directory / "report.json"
    outcomes = desk.ask(
        first=desk.question("no-such-project", reports=(str(report),)),
        second=desk.question("one"),
        third=desk.question("one<1"),
    )
    assert isinstance(outcomes["first"].result, UnknownProjectError)
    assert installed(outcomes["second"]) == {"one": "1.0"}
    assert isinstance(outcomes["third"].result, FastenvError)
    environments = json.loads(report.read_text())["otherData"]["environments"]
    assert "no-such-project" in environments["first"]["error"]
    assert environments["second"]["versions"] == {"one": "1.0"}
    assert "error" in environments["third"]


def test_forty_environments(desk: Desk, artifacts: Path) -> None:
    for number in range(40):
        make_wheel(artifacts, "many", f"1.{number}")
    outcomes = desk.ask(**{f"e{number}": desk.question(f"many==1.{number}", "shared") for number in range(40)})
    assert [installed(one)["many"] for one in outcomes.values()] == [f"1.{number}" for number in range(40)]
    assert desk.done("fetch", source="network")["shared"] == 1
    assert desk.told[0].name in {"e0", "e1", "e2", "e3"}


def test_a_second_time_all_are_found_and_nothing_is_asked(desk: Desk) -> None:
    asked = {"first": desk.question("one"), "second": desk.question("two")}
    desk.ask(**asked)
    before = len(desk.server.paths("GET"))
    outcomes = desk.ask(**asked)
    assert all(isinstance(one.result, Ready) and one.result.summary.reused for one in outcomes.values())
    assert len(desk.server.paths("GET")) == before
