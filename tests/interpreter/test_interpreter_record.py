"""A target survives being kept."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from pytest_fastenv.interpreter.probe import probe
from pytest_fastenv.interpreter.record import from_record, stamp, to_record


def test_there_and_back() -> None:
    target = probe(Path(sys.executable))
    assert from_record(json.loads(json.dumps(to_record(target)))) == target


@pytest.mark.skipif(not hasattr(os, "uname"), reason="no uname on this platform")
def test_the_kernel_is_the_running_one() -> None:
    record = to_record(probe(Path(sys.executable)))
    record["markers"]["platform_release"] = "0.0-before-the-restart"
    assert from_record(record).markers["platform_release"] == os.uname().release


def test_anything_else_is_refused() -> None:
    record = to_record(probe(Path(sys.executable)))
    broken = [{}, {**record, "tags": []}, {**record, "tags": [1]}, {**record, "markers": ["a"]}]
    broken += [{**record, "version": None}, {**record, "free_threaded": "no"}]
    for value in broken:
        with pytest.raises(ValueError, match="not the record of an interpreter"):
            from_record(value)


def test_stamp(tmp_path: Path) -> None:
    assert stamp(str(tmp_path / "missing")) is None
    file = tmp_path / "file"
    file.write_text("abc")
    link = tmp_path / "link"
    link.symlink_to(file)
    assert stamp(str(link)) == [str(file.resolve()), 3, file.stat().st_mtime_ns]
