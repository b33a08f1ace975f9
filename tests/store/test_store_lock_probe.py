"""Locks that keep nobody away are found out by a second process, once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv.errors import StoreError
from pytest_fastenv.store import lock_probe
from pytest_fastenv.store.lock_probe import check_locks

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the system itself keeps others away there")


def test_locks_that_hold_are_asked_once_for_each_boot(tmp_path: Path) -> None:
    check_locks(str(tmp_path))
    assert os.listdir(tmp_path / "locks") == ["probed"]
    first = (tmp_path / "locks" / "probed").stat().st_ino
    check_locks(str(tmp_path))
    assert (tmp_path / "locks" / "probed").stat().st_ino == first or sys.platform != "linux"
    (tmp_path / "locks" / "probed").write_text("another boot\n")
    check_locks(str(tmp_path))
    assert (tmp_path / "locks" / "probed").read_text() != "another boot\n"


def test_locks_that_keep_nobody_away_are_refused_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that is granted and does nothing: as if by such a file system, what this process takes is not locked."""
    assert lock_probe.fcntl is not None
    really = lock_probe.fcntl.flock

    def grants(fd: int, _operation: int) -> Any:
        return really(fd, lock_probe.fcntl.LOCK_UN)

    monkeypatch.setattr(lock_probe.fcntl, "flock", grants)
    for _ in range(2):
        with pytest.raises(StoreError, match="keep nobody away") as caught:
            check_locks(str(tmp_path))
        assert "local disk" in (caught.value.hint or "")
    assert os.listdir(tmp_path / "locks") == []


def test_nothing_is_found_out_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("in the way")
    check_locks(str(tmp_path))
