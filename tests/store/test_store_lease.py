"""Users of a thing hold a lease together; pruning gets it alone or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv.errors import StoreError
from pytest_fastenv.store import lease


def test_holders_share_and_keep_pruning_away(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    first, second = lease.hold(path), lease.hold(path)
    assert lease.try_claim(path) is None
    os.close(first)
    assert lease.try_claim(path) is None
    os.close(second)
    claim = lease.try_claim(path)
    assert claim is not None
    os.close(claim)


def test_what_is_being_removed_cannot_be_held(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    claim = lease.try_claim(path)
    assert claim is not None
    with pytest.raises(StoreError, match="being removed"):
        lease.hold(path)
    assert lease.try_claim(path) is None
    os.close(claim)
    os.close(lease.hold(path))


def test_what_is_gone_cannot_be_held(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="a lease cannot be taken"):
        lease.hold(tmp_path / "gone" / "lease")
    assert lease.try_claim(tmp_path / "gone" / "lease") is None


def test_a_file_replaced_meanwhile_is_not_taken_for_the_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lease"
    path.touch()
    really = os.open

    def open_and_lose(*arguments: Any) -> int:
        fd = really(*arguments)
        monkeypatch.setattr(os, "open", really)
        path.unlink()
        return fd

    monkeypatch.setattr(os, "open", open_and_lose)
    fd = lease.hold(path)
    assert os.fstat(fd).st_ino == path.stat().st_ino
    assert lease.try_claim(path) is None
    os.close(fd)


@pytest.mark.skipif(sys.platform == "win32", reason="modes of files are not kept there")
def test_a_lease_can_be_taken_by_others_as_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        descriptors = [lease.hold(tmp_path / "held"), lease.try_claim(tmp_path / "claimed")]
    finally:
        os.umask(before)
    for fd in descriptors:
        assert fd is not None
        assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o666
        os.close(fd)


def test_an_existing_lease_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    path.write_text("text")
    before = path.stat()
    os.close(lease.hold(path))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.read_text() == "text"


def test_its_use_is_noted_once_a_day(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    path.write_text("text")
    os.utime(path, (0, 0))
    os.close(lease.hold(path))
    assert abs(path.stat().st_mtime - time.time()) < 60
    assert path.read_text() == "text"


def test_a_use_in_the_past_counts_if_it_is_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "mark"
    lease.note_use(path)  # it is gone: nothing is made
    assert not path.exists()
    path.touch()
    for noted_at, used_at, left in ((1000, 2000, 2000), (3000, 2000, 3000)):
        os.utime(path, (noted_at, noted_at))
        lease.note_use(path, used_at)
        assert path.stat().st_mtime == left


def test_asking_whether_it_is_held_keeps_no_user_away(tmp_path: Path) -> None:
    """One moment it is claimed, to find that out."""
    path = tmp_path / "lease"
    assert lease.is_held(path) is False
    assert not path.exists()
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            lease.is_held(path)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(300):
            os.close(lease.hold(path))
    finally:
        stop.set()
        asking.join()
    held = lease.hold(path)
    assert lease.is_held(path) is True
    os.close(held)


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are not inherited by number there")
def test_a_lease_survives_exec_and_ends_with_the_process(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    fd = lease.hold(path)
    assert os.get_inheritable(fd)
    command = [sys.executable, "-I", "-S", "-c", "import sys; print('up', flush=True); sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(fd,)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        os.close(fd)
        assert lease.try_claim(path) is None
        process.kill()
        process.wait()
        claim = lease.try_claim(path)
        assert claim is not None
        os.close(claim)
