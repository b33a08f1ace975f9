"""A run that fails writes its reports, with what was under way."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv.errors import BuildError, option
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.report.failure import failure_reported


def told(path: Path) -> dict[str, Any]:
    known: dict[str, Any] = json.loads(path.read_text())["otherData"]
    return known


def test_the_error_and_what_was_under_way(tmp_path: Path) -> None:
    recorder = Recorder(lambda name, _: f"--{name}")
    paths = [tmp_path / "x.json", tmp_path / "x.html"]
    with recorder.span("fetch", "done"):
        pass
    with suppress(asyncio.CancelledError), recorder.span("build", "second"):
        raise asyncio.CancelledError
    with pytest.raises(BuildError), failure_reported(paths, recorder), recorder.span("build", "first"):
        raise BuildError("it failed", hint=f"set {option('link')}")
    assert told(paths[0]) == {
        "error": "it failed\n  next:  set --link",
        "exit_code": 3,
        "under_way": ["build second"],
    }
    assert "set --link" in paths[1].read_text()


@pytest.mark.parametrize(
    ("error", "text", "code"), [(KeyboardInterrupt(), "interrupted", 130), (SystemExit(143), "terminated", 143)]
)
def test_an_interrupted_run_has_reports(error: BaseException, text: str, code: int, tmp_path: Path) -> None:
    recorder = Recorder()
    with pytest.raises(type(error)), failure_reported([tmp_path / "x.json"], recorder), recorder.span("fetch", "big"):
        raise error
    assert told(tmp_path / "x.json") == {"error": text, "exit_code": code, "under_way": ["fetch big"]}


def test_a_report_that_cannot_be_written_hides_no_error(tmp_path: Path) -> None:
    recorder = Recorder()
    (tmp_path / "x.json").mkdir()
    with pytest.raises(BuildError), failure_reported([tmp_path / "x.json", tmp_path / "y.json"], recorder):
        raise BuildError("it failed")
    assert told(tmp_path / "y.json")["error"] == "it failed"
    (notice,) = recorder.notices
    assert "a report cannot be written" in notice.text


def test_nothing_is_written_where_all_is_well(tmp_path: Path) -> None:
    with failure_reported([tmp_path / "x.json"], Recorder()):
        pass
    assert not (tmp_path / "x.json").exists()
