"""A hint for the file system, where it takes one; nothing else changes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_fastenv.environment_copies.inode_regions import spread


def test_directories_can_be_made_after_it(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    spread(str(tmp_path / "place"))
    (tmp_path / "place" / "inner").mkdir()
    spread(str(tmp_path / "missing"))


@pytest.mark.skipif(sys.platform != "linux", reason="a flag of Linux's file systems")
def test_the_flag_is_set_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    if not shutil.which("lsattr") or not shutil.which("chattr"):
        pytest.skip("needs lsattr and chattr")
    if subprocess.run(["chattr", "+T", tmp_path], capture_output=True).returncode:
        pytest.skip("this file system has no such flag")
    spread(str(tmp_path / "place"))
    flags = subprocess.check_output(["lsattr", "-d", tmp_path / "place"], text=True).split()[0]
    assert "T" in flags


def test_where_there_is_none() -> None:
    if Path("/proc/self").is_dir():
        spread("/proc/self")
