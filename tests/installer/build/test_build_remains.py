"""A hook that turns against what looks after it: all that it started ends all the same, and its locks are free."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from build_bench import Bench, process_ends, wait_for_file

from pytest_fastenv.errors import BuildError, BuildTimeoutError
from pytest_fastenv.filesystem import oslock
from pytest_fastenv.installer.build import channel, remains
from pytest_fastenv.installer.build.guardian import HAS_GUARDIAN

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what is left is looked for in /proc"),
    pytest.mark.skipif(not HAS_GUARDIAN, reason="descriptors cannot be sent"),
]
both = pytest.mark.parametrize("isolation", ["auto", "process"])

#: Writes its id, gives the terminal and all descriptors up as daemons do, then does a thing to the supervisor.
DAEMON = """
def _daemon(note, number, above, close):
    supervisor = os.getppid()
    if above == 2:
        supervisor = int(open(f'/proc/{supervisor}/stat').read().rpartition(')')[2].split()[1])
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    if close:
        os.closerange(0, 256)
    with open(note, 'w') as file:
        file.write(str(os.getpid()))
    os.kill(supervisor, number)
    time.sleep(60)
    os._exit(0)
"""


def hook(body: str) -> str:
    head = "def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):"
    return f"import time{DAEMON}\n{head}\n{body}\n"


@contextlib.contextmanager
def held(bench: Bench) -> Iterator[list[int]]:
    """Hold a lock as a build does; it is free when the build's own process gives it back."""
    lock = oslock.try_lock(bench.directory / "lock")
    assert lock is not None
    yield [lock.fileno()]
    lock.release()
    again = oslock.try_lock(bench.directory / "lock")
    assert again is not None, "something holds the lock"
    again.release()


@both
def test_a_supervisor_that_was_stopped_goes_on(bench: Bench, isolation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "WAKE_EVERY_S", 0.2)
    bench.project(hook(f"    os.kill(os.getppid(), {signal.SIGSTOP})\n    return 'demo-1.0-py3-none-any.whl'"))
    with held(bench) as locks:
        answer = asyncio.run(bench.run(locks=locks, isolation=isolation, timeout_s=20))
    assert answer.value == "demo-1.0-py3-none-any.whl"


@both
@pytest.mark.parametrize("above", [1, 2], ids=["supervisor", "guardian"])
@pytest.mark.parametrize("close", [False, True], ids=["with descriptors", "without"])
def test_a_daemon_that_kills_what_looks_after_it(bench: Bench, isolation: str, above: int, close: bool) -> None:
    note = bench.directory / "daemon"
    bench.project(hook(f"    _daemon({str(note)!r}, {signal.SIGKILL}, {above}, {close})\n    time.sleep(60)"))
    with held(bench) as locks, pytest.raises(BuildError) as caught:
        asyncio.run(bench.run(locks=locks, isolation=isolation, timeout_s=4))
    assert "could not be ended" not in caught.value.what
    assert process_ends(int(note.read_text()), within_s=0)


@both
def test_one_that_is_stopped_again_and_again_is_ended_at_the_limit(
    bench: Bench, isolation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "END_WAIT_S", 0.5)
    note = bench.directory / "stopper"
    bench.project(
        hook(
            f"    supervisor = os.getppid()\n    if not os.fork():\n        os.setsid()\n"
            f"        open({str(note)!r}, 'w').write(str(os.getpid()))\n"
            f"        while True:\n            os.kill(supervisor, {signal.SIGSTOP})\n"
            "    time.sleep(60)"
        )
    )
    with held(bench) as locks, pytest.raises(BuildTimeoutError, match="its processes were ended"):
        asyncio.run(bench.run(locks=locks, isolation=isolation, timeout_s=1.5))
    assert process_ends(int(note.read_text()), within_s=0)


def test_what_cannot_be_ended_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remains, "END_WAIT_S", 0.1)
    temporary = {"TMPDIR": str(tmp_path / "tmp")}
    # A process that may not be ended, as one in a frozen control group: the signal is asked for, and does nothing.
    with subprocess.Popen([sys.executable, "-I", "-c", "input()"], env=temporary, stdin=subprocess.PIPE) as process:
        monkeypatch.setattr(remains, "send_signal", lambda *_: True)
        left = remains.end(remains.Hook(0, 0, os.getpid(), None, (), str(tmp_path)))
        process.communicate(b"\n")
    assert [text.endswith(f"({process.pid})") for text in left] == [True]
    assert remains.end(remains.Hook(0, 0, os.getpid(), None, (), str(tmp_path))) == []


def test_when_the_owner_is_killed_a_stopped_supervisor_ends_all_the_same(bench: Bench) -> None:
    note = bench.directory / "hook"
    bench.project(
        hook(
            f"    os.kill(os.getppid(), {signal.SIGSTOP})\n"
            f"    open({str(note)!r}, 'w').write(f'{{os.getppid()}} {{os.getpid()}}')\n    time.sleep(60)"
        )
    )
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            asyncio.run(bench.run(timeout_s=50))
        os._exit(1)
    wait_for_file(note)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for pid in map(int, note.read_text().split()):
        assert process_ends(pid)
