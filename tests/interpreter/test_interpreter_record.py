"""A target survives being kept."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_fastenv.interpreter.probe import probe
from pytest_fastenv.interpreter.record import stamp, under_this_kernel
from pytest_fastenv.model.codec import decode, encode
from pytest_fastenv.model.target import Target


def test_there_and_back() -> None:
    target = probe(Path(sys.executable))
    assert under_this_kernel(decode(Target, json.loads(json.dumps(encode(target))))) == target


@pytest.mark.skipif(not hasattr(os, "uname"), reason="no uname on this platform")
def test_the_kernel_is_the_running_one() -> None:
    target = probe(Path(sys.executable))
    before = replace(target, markers={**target.markers, "platform_release": "0.0-before-the-restart"})
    assert under_this_kernel(before) == target


def test_stamp(tmp_path: Path) -> None:
    assert stamp(str(tmp_path / "missing")) is None
    file = tmp_path / "file"
    file.write_text("abc")
    link = tmp_path / "link"
    link.symlink_to(file)
    assert stamp(str(link)) == (str(file.resolve()), 3, file.stat().st_mtime_ns)
