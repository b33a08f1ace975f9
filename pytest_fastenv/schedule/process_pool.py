"""A pool of processes for work on files and bytes that must not share this process's interpreter lock.

Threads gain nothing for unpacking and linking, and each of them slows the event loop down. The processes start in a few
milliseconds, stay, and do one job at a time each.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

from pytest_fastenv.errors import FastenvError, ProvideError, ShortageError, option
from pytest_fastenv.schedule.outcome import whatever_happens
from pytest_fastenv.schedule.permits import Permits
from pytest_fastenv.schedule.process_groups import OWN_GROUP, end_group, signal_name
from pytest_fastenv.schedule.program import cannot_start

_PROGRAM = str(Path(__file__).with_name("pool_process.py"))
_NAME = f"{__package__}.pool_process"
_BUFFER_BYTES = 1 << 20
_TAIL_BYTES = 2000
_DYING_S = 1.0


class ProcessPool:
    """So many processes, each started when it is first needed.

    :param count: most jobs at once.
    :ivar started: how many processes were started so far, replacements of dead ones too.

    Use as an async context manager, or call `aclose` at the end. For one event loop.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            msg = "at least one process is needed"
            raise ValueError(msg)
        self.count = count
        self.started = 0
        self._idle: list[_PoolProcess] = []
        self._all: set[_PoolProcess] = set()
        self._permits = Permits(count)
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def call(self, function: str, /, *args: Any, **kwargs: Any) -> Any:
        """Do a job in the next process that is free and return its result.

        What it raises there is raised here with its class; errors that are not ours carry the traceback from there as a
        note. When the call is cancelled its process is killed, and has ended before the cancellation is reported: no
        job writes after that.

        :param function: ``package.module:function``; imported in that process.
        :param args: values that can be pickled.
        :raises ProvideError: the process died; names the signal.
        """
        if self._closed:
            msg = "the pool has been closed"
            raise RuntimeError(msg)
        message = pickle.dumps((function, args, kwargs), 5)
        await self._permits.take()
        try:
            process = await self._next()
            answer = await self._converse(process, message, function)
        finally:
            self._permits.give_back()
        return _unwrap(answer)

    @property
    def idle(self) -> int:
        """How many processes live and wait for a job."""
        return sum(process.lives for process in self._idle)

    async def aclose(self) -> None:
        """End all processes; jobs that still run are killed. Idempotent."""
        self._closed = True
        processes, self._all = self._all, set()
        self._idle.clear()
        await whatever_happens(*(process.ended() for process in processes))

    async def _converse(self, process: _PoolProcess, message: bytes, function: str) -> Any:
        """Send a job, return the answer, and put the process back; where it did not answer in full it is ended."""
        try:
            answer = await process.exchange(message)
        except (EOFError, ConnectionError):
            self._all.discard(process)
            await whatever_happens(process.ended(within_s=_DYING_S))
            raise process.death(function) from None
        except BaseException:
            self._all.discard(process)
            await whatever_happens(process.ended())
            raise
        self._idle.append(process)
        return pickle.loads(answer)  # noqa: S301 - from our own process

    async def _next(self) -> _PoolProcess:
        """Return a process that is free and lives."""
        while self._idle:
            process = self._idle.pop()
            if process.lives:
                return process
            self._all.discard(process)
            await process.ended()
        return await self._start()

    async def _start(self) -> _PoolProcess:
        process = await _PoolProcess.start()
        self._all.add(process)
        self.started += 1
        return process


class _PoolProcess:
    """One process, its pipes and what it says on its standard error."""

    def __init__(self, process: asyncio.subprocess.Process, said: IO[bytes]) -> None:
        self._process = process
        self._to = cast("asyncio.StreamWriter", process.stdin)
        self._from = cast("asyncio.StreamReader", process.stdout)
        self._said = said
        self._last_words = ""

    @classmethod
    async def start(cls) -> _PoolProcess:
        import tempfile  # costs more to import than all of this module; runs that need no process do without

        said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `ended`
        try:
            process = await asyncio.create_subprocess_exec(
                *_command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                limit=_BUFFER_BYTES,
                **OWN_GROUP,
            )
        except OSError as error:
            said.close()
            raise cannot_start(sys.executable, error) from error
        except BaseException:
            said.close()
            raise
        started = cls(process, said)
        started._send(pickle.dumps(_search_path(), 5))
        return started

    async def exchange(self, message: bytes) -> bytes:
        self._send(message)
        await self._to.drain()
        size_bytes = int.from_bytes(await self._from.readexactly(8), "big")
        return await self._from.readexactly(size_bytes)

    @property
    def lives(self) -> bool:
        return self._process.returncode is None

    async def ended(self, within_s: float = 0.0) -> None:
        """Kill the process if it does not end by itself, and close what belongs to it. Idempotent."""
        if self.lives and within_s:
            await asyncio.wait([asyncio.ensure_future(self._process.wait())], timeout=within_s)
        if self.lives:
            end_group(self._process.pid)  # asyncio's own kill would take the exit code away from its watcher
        await self._process.wait()
        self._to.close()
        if not self._said.closed:
            self._said.seek(0)
            self._last_words = self._said.read()[-_TAIL_BYTES:].decode("utf-8", "replace").strip()
            self._said.close()

    def death(self, function: str) -> ProvideError:
        shortage = ShortageError.of(RuntimeError(self._last_words.rpartition("\n")[2]))
        if shortage is not None:
            return shortage
        code = self._process.returncode or 0
        how = f"was killed by {signal_name(code)}" if code < 0 else f"ended with exit code {code}"
        hint = f"the system may be short of memory; {option('concurrent_installs', '1')} needs less"
        return ProvideError(
            f"a process of the pool {how} while it did {function}",
            why=self._last_words or None,
            hint=hint if code == -getattr(signal, "SIGKILL", 9) else None,
        )

    def _send(self, message: bytes) -> None:
        self._to.writelines((len(message).to_bytes(8, "big"), message))


def _command() -> list[str]:
    options = ["-I", "-S"]  # no site, no variables: it starts in a third of the time
    if sys.dont_write_bytecode:
        options.append("-B")
    return [sys.executable, *options, _PROGRAM]


def _search_path() -> list[str]:
    """Return the paths to import from; this package's own too where an import hook found it."""
    paths = [path or os.getcwd() for path in sys.path]
    home = str(Path(__file__).resolve().parents[2])
    return paths if home in paths else [*paths, home]


def _unwrap(answer: tuple[Any, ...]) -> Any:
    kind, *rest = answer
    if kind == "result":
        return rest[0]
    if kind == "unsendable":
        raise ProvideError("a process of the pool met an error that cannot be passed on", why=rest[0])
    cls, args, attributes, text = rest
    error: BaseException = cls.__new__(cls, *args)
    error.__dict__.update(attributes)
    if not isinstance(error, FastenvError):
        error.add_note(f"in a process of the pool:\n{text}")
    raise error
