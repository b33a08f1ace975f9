"""Worker processes for work on files and bytes that must not share this process's interpreter lock.

Threads gain nothing for unpacking and linking, and each of them slows the event loop down. Workers are processes that
start in a few milliseconds, stay, and do one job at a time each.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import pytest_fastenv
from pytest_fastenv.errors import ProvideError

_PROGRAM = str(Path(__file__).with_name("worker_process.py"))
_BUFFER_BYTES = 1 << 20


class FileWorkers:
    """So many worker processes, started when first needed.

    :param count: most jobs at once.
    :ivar started: how many processes were started so far, replacements of dead ones too.

    Use as an async context manager, or call `aclose` at the end. For one event loop.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            msg = "at least one worker is needed"
            raise ValueError(msg)
        self.count = count
        self.started = 0
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._places = count
        self._queue: deque[asyncio.Future[None]] = deque()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def call(self, function: str, /, *args: Any, **kwargs: Any) -> Any:
        """Do a job in the next worker that is free and return its result.

        What it raises there is raised here with its class; errors that are not ours carry the worker's traceback as a
        note. When the call is cancelled its worker is killed, and has ended before the cancellation is reported: no
        job writes after that.

        :param function: ``package.module:function``; imported in the worker.
        :param args: values that can be pickled.
        :raises ProvideError: the worker died; names the signal.
        """
        message = pickle.dumps((function, args, kwargs), 5)
        await self._take_place()
        try:
            worker = self._idle.pop() if self._idle else await self._start()
            answer = await self._converse(worker, message, function)
        finally:
            self._free_place()
        return _unwrap(answer)

    async def warm_up(self, *modules: str) -> None:
        """Start all workers now and let each import modules, so that first jobs find them ready."""
        jobs = [self.call("builtins:__import__", module) for module in modules[:1] or ("builtins",)] * 1
        for job in jobs:
            await job

    async def aclose(self) -> None:
        """End all workers; jobs that still run are killed. Idempotent."""
        self._closed = True
        workers, self._all = self._all, set()
        self._idle.clear()
        for worker in workers:
            worker.kill()
        await _whatever_happens(*(worker.ended() for worker in workers))

    async def _converse(self, worker: _Worker, message: bytes, function: str) -> Any:
        """Send a job, return the answer, and put the worker back; one that did not answer in full is ended."""
        try:
            answer = await worker.exchange(message)
        except (EOFError, ConnectionError):
            await _whatever_happens(self._discard(worker))
            raise worker.death(function) from None
        except BaseException:
            await _whatever_happens(self._discard(worker))
            raise
        self._idle.append(worker)
        return pickle.loads(answer)  # noqa: S301 - from our own process

    async def _discard(self, worker: _Worker) -> None:
        self._all.discard(worker)
        worker.kill()
        await worker.ended()

    async def _start(self) -> _Worker:
        worker = await _Worker.start()
        self._all.add(worker)
        self.started += 1
        return worker

    async def _take_place(self) -> None:
        if self._closed:
            raise RuntimeError("the workers have been closed")
        if self._places:
            self._places -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free_place()
            raise

    def _free_place(self) -> None:
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._places += 1


class _Worker:
    """One process, its pipes and what it says on its standard error."""

    def __init__(self, process: asyncio.subprocess.Process, said: IO[bytes]) -> None:
        self._process = process
        self._said = said

    @classmethod
    async def start(cls) -> _Worker:
        import tempfile  # its import costs as much as the start of the process that goes on meanwhile

        said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `ended`
        own_group: dict[str, Any] = (
            {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
            if sys.platform == "win32"
            else {"start_new_session": True}  # out of reach of the terminal's Ctrl-C from the first moment
        )
        try:
            process = await asyncio.create_subprocess_exec(
                *_command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                limit=_BUFFER_BYTES,
                **own_group,
            )
        except BaseException:
            said.close()
            raise
        worker = cls(process, said)
        worker._send(pickle.dumps(_search_path(), 5))
        return worker

    async def exchange(self, message: bytes) -> bytes:
        self._send(message)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        await self._process.stdin.drain()
        size_bytes = int.from_bytes(await self._process.stdout.readexactly(8), "big")
        return await self._process.stdout.readexactly(size_bytes)

    def kill(self) -> None:
        try:
            self._process.kill()
        except ProcessLookupError:
            return

    async def ended(self) -> None:
        """Wait for the process's end and close what belongs to it."""
        await self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()

    def death(self, function: str) -> ProvideError:
        code = self._process.returncode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        self._said.seek(0)
        text = self._said.read()[-2000:].decode("utf-8", "replace").strip()
        hint = "the system may be short of memory; FASTENV_CONCURRENT_INSTALLS=1 needs less"
        return ProvideError(
            f"a worker process {how} while it did {function}",
            why=text or None,
            hint=hint if code == -getattr(signal, "SIGKILL", 9) else None,
        )

    def _send(self, message: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.writelines((len(message).to_bytes(8, "big"), message))
