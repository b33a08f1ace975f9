"""The ending decides; an earlier report is replaced whole or stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_fastenv.errors import ProvideError, UsageError
from pytest_fastenv.model.events import Span
from pytest_fastenv.report.files import write_report


def test_the_ending_decides(tmp_path: Path, spans: list[Span]) -> None:
    write_report(tmp_path / "new" / "x.json", spans, {})
    write_report(tmp_path / "new" / "x.html", iter(spans), {})
    assert json.loads((tmp_path / "new" / "x.json").read_text())["traceEvents"]
    assert (tmp_path / "new" / "x.html").read_text().startswith("<!DOCTYPE html>")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["x.html", "x.json"]
    with pytest.raises(UsageError, match="no name for a report"):
        write_report(tmp_path / "x.txt", spans, {})


def test_a_report_that_cannot_be_written_leaves_the_earlier_one(tmp_path: Path, spans: list[Span]) -> None:
    target = tmp_path / "x.json"
    target.mkdir()
    with pytest.raises(ProvideError, match="a report cannot be written") as caught:
        write_report(target, spans, {})
    assert caught.value.where == str(target)
    assert [path.name for path in tmp_path.iterdir() if "x.json" in path.name] == ["x.json"]


def test_a_subject_that_is_no_text_is_written(tmp_path: Path) -> None:
    for name in ("x.json", "x.html"):
        write_report(tmp_path / name, [Span("link", "\udc80", 0, 1)], {"path": "\udcff"})
