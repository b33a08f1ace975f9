"""One lock on one file, by the system's own means, and by filelock where those are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv.errors import StoreError
from pytest_fastenv.filesystem import oslock
from pytest_fastenv.filesystem.oslock import Holder


@pytest.fixture(params=["flock", "filelock"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The way to lock: the system's here, and the one that other systems take."""
    if request.param == "filelock":
        monkeypatch.setattr(oslock, "fcntl", None)
    return str(request.param)


def test_one_holder_at_a_time(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "deep" / "lock"
    first = oslock.try_lock(path)
    assert first is not None
    assert oslock.try_lock(path) is None
    first.release()
    first.release()
    second = oslock.try_lock(path)
    assert second is not None
    second.release()
    assert path.exists()


def test_waiting_ends_with_the_release(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "lock"
    first = oslock.try_lock(path)
    assert first is not None
    obtained = threading.Event()

    def wait() -> None:
        lock = oslock.wait_lock(path)
        obtained.set()
        lock.release()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not obtained.is_set()
    first.release()
    thread.join(10)
    assert obtained.is_set()


def test_the_holder_is_read_while_it_holds(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "lock"
    assert oslock.read_holder(path) is None
    path.write_text("\n" + "x" * 300)
    assert oslock.read_holder(path) is None
    lock = oslock.try_lock(path)
    assert lock is not None
    holder = oslock.read_holder(path)
    lock.release()
    assert holder is not None
    assert holder.pid == os.getpid()
    assert "has ended" not in str(holder)


def test_a_holder_elsewhere_is_not_called_dead() -> None:
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", ""]) as process:
        process.wait()
    assert "has ended" in str(Holder(process.pid, oslock.host_name(), "noon"))
    assert str(Holder(process.pid, "elsewhere", "noon")) == f"process {process.pid} on elsewhere since noon"
    assert oslock.is_alive(1)


def test_a_file_replaced_between_opening_and_locking_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    really = os.open

    def open_and_lose(*arguments: Any) -> int:
        fd = really(*arguments)
        monkeypatch.setattr(os, "open", really)
        path.unlink()
        return fd

    monkeypatch.setattr(os, "open", open_and_lose)
    lock = oslock.try_lock(path)
    assert lock is not None
    assert os.fstat(lock.fileno()).st_ino == path.stat().st_ino
    lock.release()


def test_a_missing_file_is_not_made_unless_wanted(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        oslock.try_lock(tmp_path / "lock", create=False)
    assert not (tmp_path / "lock").exists()


def test_a_directory_in_its_place_is_to_be_removed(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(StoreError, match="a lock file cannot be opened") as caught:
        oslock.try_lock(tmp_path / "lock")
    assert (caught.value.hint or "").startswith("remove that directory")


def test_the_descriptor_is_not_inherited_by_accident(tmp_path: Path) -> None:
    lock = oslock.try_lock(tmp_path / "lock")
    assert lock is not None
    assert not os.get_inheritable(lock.fileno())
    lock.release()


@pytest.mark.skipif(sys.platform == "win32", reason="a lock cannot be shared with a child there")
def test_releasing_leaves_it_to_the_child_that_has_it(tmp_path: Path) -> None:
    lock = oslock.try_lock(tmp_path / "lock")
    assert lock is not None
    command = [sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(lock.fileno(),)) as child:
        lock.release()
        assert oslock.try_lock(tmp_path / "lock") is None
        child.kill()
        child.wait()
        again = oslock.try_lock(tmp_path / "lock")
        assert again is not None
        again.release()


can_inject = (
    shutil.which("strace") is not None
    and subprocess.run(["strace", "-o", os.devnull, "true"], check=False, capture_output=True).returncode == 0
)


@pytest.mark.slow
@pytest.mark.skipif(not can_inject, reason="FAULTS ARE NOT TESTED: strace is missing on this machine")
@pytest.mark.parametrize("error", ["EOPNOTSUPP", "ENOSYS", "ENOLCK"])
def test_a_file_system_without_locks_is_refused(tmp_path: Path, error: str) -> None:
    program = (
        "import sys\n"
        "from pytest_fastenv.filesystem import oslock\n"
        "from pytest_fastenv.errors import StoreError\n"
        "from pytest_fastenv.store import lease\n"
        "for use in (oslock.try_lock, oslock.wait_lock, lease.hold):\n"
        "    try:\n"
        "        use(sys.argv[1])\n"
        "    except StoreError as refused:\n"
        "        print(refused.what)\n"
    )
    path = os.pathsep.join([os.getcwd(), *filter(None, sys.path)])
    inject = ["strace", "-f", "-o", os.devnull, "-e", f"inject=flock:error={error}"]
    result = subprocess.run(
        [*inject, sys.executable, "-c", program, str(tmp_path / "lock")],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.splitlines() == ["the store's file system has no file locks"] * 3
