"""Programs are run to their end, also where they misbehave, and leave no process behind."""

from __future__ import annotations

import asyncio
import os
import resource
import select
import signal
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv.errors import ProvideError
from pytest_fastenv.schedule import program
from pytest_fastenv.schedule.event_loop import run_briefly
from pytest_fastenv.schedule.program import Ran, run_program

pytestmark = pytest.mark.slow
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="process groups and signals of POSIX")

LIMIT_S = 30.0


def run(code: str, *arguments: object, **options: Any) -> Ran:
    """Run Python code, as a program that knows ``os``, ``sys``, ``time`` and ``subprocess``."""
    return asyncio.run(run_program(python(code, *arguments), os.environ, **{"limit_s": LIMIT_S, **options}))


def python(code: str, *arguments: object) -> list[str]:
    head = "import os, subprocess, sys, time\n"
    return [sys.executable, "-I", "-S", "-c", head + code, *map(str, arguments)]


class Life:
    """A named pipe that processes hold open as long as they live: it ends with the last of them."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "life"
        os.mkfifo(self.path)
        self._end = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def said(self) -> bytes:
        """Wait for the next word that is written into it; empty when it has ended.

        :raises TimeoutError: it did not end in time.
        """
        if not select.select([self._end], [], [], LIMIT_S)[0]:
            raise TimeoutError
        return os.read(self._end, 100)

    def close(self) -> None:
        os.close(self._end)


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    made = Life(tmp_path)
    yield made
    made.close()


def test_input_and_both_outputs() -> None:
    code = "text = sys.stdin.read(); print('complaint', end='', file=sys.stderr, flush=True); print(text.upper())"
    ran = run(code, given=b"abc", errors="apart")
    assert ran == Ran(0, "ended with exit code 0", b"ABC\n", b"complaint", is_whole=True)
    assert run(code, given=b"abc").output == b"complaintABC\n"
    assert run(code, given=b"abc", errors="dropped").output == b"ABC\n"


def test_no_input_is_its_end() -> None:
    assert run("print(repr(sys.stdin.read()))").output == b"''\n"


def test_variables_and_directory(tmp_path: Path) -> None:
    code = "print(os.getcwd(), os.environ.get('ONE'), os.environ.get('HOME'))"
    ran = asyncio.run(run_program(python(code), {"ONE": "1"}, limit_s=LIMIT_S, cwd=tmp_path))
    assert ran.output.decode().split() == [str(tmp_path.resolve()), "1", "None"]


@pytest.mark.parametrize(
    ("code", "expected", "how"),
    [
        ("sys.exit(3)", 3, "ended with exit code 3"),
        pytest.param("os.kill(os.getpid(), 11)", -11, "was ended by SIGSEGV", marks=posix_only),
        pytest.param("os.kill(os.getpid(), 40)", -40, "was ended by signal 40", marks=posix_only),
    ],
)
def test_how_it_ended(code: str, expected: int, how: str) -> None:
    ran = run(code)
    assert (ran.code, ran.how) == (expected, how)


def test_a_reason_is_how_it_ended_and_its_last_words() -> None:
    ran = run("print('output'); sys.exit('\\n'.join(map(str, range(9))))", errors="apart")
    assert ran.reason(2) == "it ended with exit code 1\n7\n8"
    assert run("print('output')", errors="apart").reason() == "it ended with exit code 0\noutput"
    assert len(run("print('x' * 100000)").reason()) < 2100


@pytest.mark.parametrize(
    ("code", "refused"),
    [
        ("raise OSError(28, os.strerror(28), 'a')", os.strerror(28)),
        ("open('missing')", None),
        ("raise MemoryError", "Cannot allocate memory"),
        ("raise ValueError('28')", None),
        ("print('[Errno 2] before [Errno 5]')", os.strerror(5)),
    ],
)
@pytest.mark.parametrize("errors", ["apart", "with output"])
def test_what_the_system_refused_it(code: str, refused: str | None, errors: str) -> None:
    assert run(code, errors=errors).refusal() == refused


def test_a_missing_program(tmp_path: Path) -> None:
    ran = asyncio.run(run_program([tmp_path / "absent"], os.environ, limit_s=LIMIT_S))
    assert (ran.code, ran.how, ran.has_started) == (None, "does not start: No such file or directory", False)


@posix_only
def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    ran = asyncio.run(run_program([tmp_path / "plain"], os.environ, limit_s=LIMIT_S))
    assert (ran.code, ran.how) == (None, "does not start: Permission denied")


def test_a_word_that_no_system_can_pass_on() -> None:
    ran = asyncio.run(run_program([sys.executable, "a\0b"], os.environ, limit_s=LIMIT_S))
    assert (ran.code, ran.how) == (None, "does not start: embedded null byte")


@posix_only
def test_no_descriptors_left() -> None:
    async def starve() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with ExitStack() as stack:
            stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
            resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")) + 5, hard))
            while True:
                try:
                    stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
                except OSError:
                    break
            await run_program(python("pass"), os.environ, limit_s=LIMIT_S)

    with pytest.raises(ProvideError, match="a process cannot be started") as caught:
        asyncio.run(starve())
    assert caught.value.where == sys.executable
    assert caught.value.why == "Too many open files"
    assert "ulimit -n" in (caught.value.hint or "")


def test_a_flood_of_output_is_not_kept() -> None:
    code = "for n in range(64): os.write(1, b'%05d' % n + b'x' * 1_000_000)\nos.write(1, b'the end')"
    tracemalloc.start()
    try:
        ran = run(code, keep_bytes=1000)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert ran.output == b"x" * 993 + b"the end"
    assert not ran.is_whole
    assert most < 5_000_000


@pytest.mark.parametrize(("size", "is_whole"), [(999, True), (1000, True), (1001, False)])
def test_what_is_kept_to_the_byte(size: int, is_whole: bool) -> None:
    ran = run(f"for n in range({size}): os.write(1, b'%d' % (n % 10))", keep_bytes=1000)
    assert (len(ran.output), ran.is_whole) == (min(size, 1000), is_whole)
    assert ran.output.endswith(b"%d" % ((size - 1) % 10))


def test_more_input_than_it_reads() -> None:
    """Neither does the program's end wait for the rest, nor is it an error."""
    ran = run("print(os.read(0, 3).decode())", given=b"abc" * 10_000_000)
    assert (ran.code, ran.output) == (0, b"abc\n")


#: A program that holds `Life`, and so does a child of it.
HOLD = """\
import signal
line = os.open(sys.argv[1], os.O_WRONLY)
child = os.fork() == 0
"""


@posix_only
@pytest.mark.parametrize("stubborn", [False, True], ids=["plain", "ignores SIGTERM"])
def test_a_time_limit_ends_it_and_what_it_started(life: Life, stubborn: bool) -> None:
    head = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if stubborn else ""
    ran = run(head + HOLD + "if not child: print('before', flush=True)\ntime.sleep(600)", life.path, limit_s=1.0)
    assert (ran.code, ran.how, ran.output) == (None, "gave no answer within 1 seconds", b"before\n")
    assert life.said() == b""


@posix_only
def test_a_child_that_holds_the_output_is_ended(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "HELD_S", 0.2)
    ran = run(HOLD + "if child: time.sleep(600)\nprint('parent')", life.path)
    assert (ran.code, ran.output) == (0, b"parent\n")
    assert life.said() == b""


@posix_only
@pytest.mark.parametrize("how", ["left the group", "closed the output"])
def test_a_child_that_goes_on(life: Life, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for. A daemon for later, such as a cache of credentials, closes what it inherited."""
    monkeypatch.setattr(program, "HELD_S", 0.2)
    leave = {
        "left the group": "os.setsid()",
        "closed the output": "null = os.open(os.devnull, os.O_RDWR); os.dup2(null, 1); os.dup2(null, 2)",
    }
    code = (
        f"if child: {leave[how]}; os.write(line, b'%d' % os.getpid()); os.close(write); time.sleep(600)\n"
        "os.close(write); os.read(read, 1); print('parent')"
    )
    ran = run(HOLD.replace("child =", "read, write = os.pipe()\nchild =") + code, life.path)
    os.kill(int(life.said()), signal.SIGKILL)  # it lives, and is ours
    assert (ran.code, ran.output) == (0, b"parent\n")
    assert life.said() == b""


@posix_only
@pytest.mark.parametrize("times", [1, 3])
def test_cancelled(life: Life, times: int) -> None:
    """All has ended before the cancellation is reported, however often it is asked for."""
    head = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    code = head + HOLD + "if not child: os.write(line, b'%d' % os.getpid())\ntime.sleep(600)"

    async def cancel() -> int:
        task = asyncio.create_task(run_program(python(code, life.path), os.environ, limit_s=LIMIT_S))
        pid = int(await asyncio.to_thread(life.said))
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task
        return pid

    pid = asyncio.run(cancel())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert life.said() == b""


@posix_only
def test_it_leads_a_group_of_its_own() -> None:
    group, pid = run("print(os.getpgrp(), os.getpid())").output.split()
    assert group == pid


def test_where_a_loop_runs_and_where_none_does() -> None:
    async def within() -> Ran:
        return run_briefly(run_program(python("print(1)"), os.environ, limit_s=LIMIT_S))

    assert asyncio.run(within()).output == run_briefly(run_program(python("print(1)"), os.environ, limit_s=9)).output
