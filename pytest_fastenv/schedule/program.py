"""Run a program: start it, give it its input, keep the end of what it says, and let nothing of it stay behind.

Nothing here fails because of the program: a `Ran` tells how it went, also where there is no such program.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, cast

from pytest_fastenv.errors import ProvideError
from pytest_fastenv.schedule.outcome import whatever_happens
from pytest_fastenv.schedule.process_groups import OWN_GROUP, end_group, signal_name

#: How long after a program's end its output may still be open in a process that it left behind.
HELD_S = 1.0
#: How long to wait for the end of what was killed; only a file system that hangs takes longer.
_DYING_S = 10.0
_KEPT_BYTES = 64 * 1024
_SHOWN_BYTES = 2000
#: What this machine is short of, whatever program is to be started.
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM})
#: What may be wrong with a program's own files; whatever else the system refuses it says nothing about the program.
_OF_ITS_FILES = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOEXEC})
#: How Python says that there is no memory left, wherever it notices.
_NO_MEMORY = (b"MemoryError", b"can't start new thread", b"Cannot allocate memory")


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a program.

    :ivar code: its exit code, negative for the signal that ended it; ``None`` where it did not start or took too long.
    :ivar how: how it ended, as what is said of it: ``ended with exit code 3``, ``was ended by SIGKILL``, ``gave no
        answer within 60 seconds``, ``does not start: Permission denied``.
    :ivar output: the end of its standard output, as much as was to be kept.
    :ivar errors: the same of its standard error, where that was kept apart.
    :ivar is_whole: nothing of its standard output is missing.
    :ivar has_started: there was such a program.
    """

    code: int | None
    how: str
    output: bytes = b""
    errors: bytes = b""
    is_whole: bool = True
    has_started: bool = True

    def reason(self, most_lines: int = 5) -> str:
        """Return how it ended and the last lines of what it said, on standard error if anything."""
        said = (self.errors.strip() or self.output.strip())[-_SHOWN_BYTES:].decode("utf-8", "replace")
        return "\n".join((f"it {self.how}", *said.splitlines()[-most_lines:]))

    def refusal(self) -> str | None:
        """Say what the system refused to a Python that failed: another time it may go well; ``None`` where it did not.

        That is read in what it said.
        """
        said = self.errors + self.output
        for number in re.findall(rb"\[Errno (\d+)\]", said):
            if int(number) not in _OF_ITS_FILES:
                return os.strerror(int(number))
        return "Cannot allocate memory" if any(words in said for words in _NO_MEMORY) else None


async def run_program(
    argv: Sequence[str | os.PathLike[str]],
    environ: Mapping[str, str],
    *,
    limit_s: float,
    cwd: str | os.PathLike[str] | None = None,
    given: bytes = b"",
    errors: Literal["apart", "with output", "dropped"] = "with output",
    keep_bytes: int = _KEPT_BYTES,
) -> Ran:
    """Run a program to its end.

    It gets a process group of its own. That is ended when it takes too long, when this is cancelled, and when the
    program has ended and something that it started holds its output open. Its end is waited for, also by a
    cancellation. However much it says, no more is kept in memory than `keep_bytes` of each stream.

    :param argv: the program, by a path or a name that is looked up in this process's ``PATH``, and its arguments.
    :param environ: all its environment variables.
    :param limit_s: after so many seconds it is ended.
    :param given: its standard input, which then ends.
    :param errors: what becomes of its standard error.
    :raises ProvideError: this machine has no process or file descriptor left for it.
    """
    loop = asyncio.get_running_loop()
    streams = {"apart": subprocess.PIPE, "with output": subprocess.STDOUT, "dropped": subprocess.DEVNULL}
    try:
        transport, talk = await loop.subprocess_exec(
            lambda: _Talk(keep_bytes),
            *argv,
            stdin=subprocess.PIPE if given else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=streams[errors],
            env=dict(environ),
            cwd=cwd,
            **OWN_GROUP,
        )
    except (OSError, ValueError) as error:  # a ValueError: a null character in a word
        if isinstance(error, OSError) and error.errno in _SHORTAGES:
            raise cannot_start(str(argv[0]), error) from error
        return Ran(None, f"does not start: {getattr(error, 'strerror', None) or error}", has_started=False)
    try:
        if given:
            stdin = cast("asyncio.WriteTransport", transport.get_pipe_transport(0))
            stdin.write(given)
            stdin.close()  # when all is written
        async with asyncio.timeout(limit_s):
            await talk.exited.wait()
        how = _ending(transport.get_returncode() or 0)
    except TimeoutError:
        how = f"gave no answer within {limit_s:g} seconds"
    finally:
        in_time = talk.exited.is_set()
        await whatever_happens(_put_away(transport, talk))
    output, complaints = talk.kept[1], talk.kept[2]
    code = transport.get_returncode() if in_time else None
    return Ran(code, how, output.content(), complaints.content(), output.is_whole)


def cannot_start(program: str, error: OSError) -> ProvideError:
    """Return the error for a program that cannot be started."""
    hint = "raise the limits of open files and processes (ulimit -n, ulimit -u)" if error.errno in _SHORTAGES else None
    return ProvideError("a process cannot be started", where=program, why=error.strerror or str(error), hint=hint)


class _Tail:
    """The last bytes of a stream.

    :ivar is_whole: nothing was left out.
    """

    def __init__(self, most_bytes: int) -> None:
        self.is_whole = True
        self._most = most_bytes
        self._pieces: deque[bytes] = deque()
        self._size = 0

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        while self._size - len(self._pieces[0]) >= self._most:
            self._size -= len(self._pieces.popleft())
            self.is_whole = False
        self.is_whole = self.is_whole and self._size <= self._most

    def content(self) -> bytes:
        return b"".join(self._pieces)[-self._most :]


class _Talk(asyncio.SubprocessProtocol):
    """Hears what a program says, and that it ended.

    :ivar exited: it has ended.
    :ivar closed: and no process has its output open any more.
    :ivar lost: the descriptors whose pipes are closed.
    """

    def __init__(self, keep_bytes: int) -> None:
        self.exited = asyncio.Event()
        self.closed = asyncio.Event()
        self.lost: set[int] = set()
        self.kept = {1: _Tail(keep_bytes), 2: _Tail(keep_bytes)}

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.kept[fd].add(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.lost.add(fd)

    def process_exited(self) -> None:
        self.exited.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.closed.set()


async def _put_away(transport: asyncio.SubprocessTransport, talk: _Talk) -> None:
    """End what has not ended, and close the pipes."""
    try:
        if not talk.exited.is_set():
            end_group(transport.get_pid())
            await _happens(talk.exited, _DYING_S)
        stdin = transport.get_pipe_transport(0)
        if stdin is not None and 0 not in talk.lost:
            cast("asyncio.WriteTransport", stdin).abort()  # what it did not read
        if not await _happens(talk.closed, HELD_S):
            # Its number is not given to another process as long as one of its group lives, nor so soon afterwards.
            end_group(transport.get_pid())
            await _happens(talk.closed, HELD_S)  # the rest of what was said
    finally:
        transport.close()


async def _happens(event: asyncio.Event, within_s: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await event.wait()
    return event.is_set()


def _ending(code: int) -> str:
    return f"was ended by {signal_name(code)}" if code < 0 else f"ended with exit code {code}"
