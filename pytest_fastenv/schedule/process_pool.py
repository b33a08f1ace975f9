"""A pool of processes for work on files and bytes that must not share this process's interpreter lock.

Threads gain nothing for unpacking and linking, and each of them slows the event loop down. The processes start in a few
milliseconds, stay, and do one job at a time each. A thread for each of them waits for its answers.
"""

from __future__ import annotations

import asyncio
import pickle
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from pytest_fastenv.errors import FastenvError, ProvideError
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.schedule.outcome import whatever_happens
from pytest_fastenv.schedule.permits import Permits
from pytest_fastenv.schedule.pool_member import Member
from pytest_fastenv.schedule.program import cannot_start
from pytest_fastenv.schedule.started_early import take_one


class ProcessPool:
    """So many processes, each started when it is first needed.

    :param count: most jobs at once.
    :param imports: modules that processes import while they wait for their first job.
    :ivar started: how many processes were started so far, replacements of dead ones too.

    Use as an async context manager, or call `aclose` at the end. For one event loop.
    """

    def __init__(self, count: int, imports: Sequence[str] = ()) -> None:
        if count < 1:
            msg = "at least one process is needed"
            raise ValueError(msg)
        self.count = count
        self.started = 0
        self._imports = imports
        self._idle: list[Member] = []
        self._all: set[Member] = set()
        self._permits = Permits(count)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="pytest-fastenv-pool")
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
            answer = await self._converse(self._next(), message, function)
        finally:
            self._permits.give_back()
        return _unwrap(answer)

    @property
    def idle(self) -> int:
        """How many processes live and wait for a job."""
        return sum(member.lives for member in self._idle)

    async def aclose(self) -> None:
        """End all processes; jobs that still run are killed. Idempotent."""
        self._closed = True
        members, self._all = self._all, set()
        self._idle.clear()
        for member in members:
            member.kill()
        await whatever_happens(*(in_thread(member.close) for member in members))
        self._threads.shutdown(wait=False)

    async def _converse(self, member: Member, message: bytes, function: str) -> Any:
        """Send a job, return the answer, and put the process back; where it did not answer in full it is ended."""
        talking = asyncio.get_running_loop().run_in_executor(self._threads, member.exchange, message)
        try:
            answer = await asyncio.shield(talking)
        except (EOFError, ConnectionError):
            self._all.discard(member)
            await whatever_happens(in_thread(member.close))
            raise member.death(function) from None
        except BaseException:
            self._all.discard(member)
            member.kill()
            talking.add_done_callback(_seen)
            await whatever_happens(in_thread(member.close))
            raise
        self._idle.append(member)
        return pickle.loads(answer)  # noqa: S301 - from our own process

    def _next(self) -> Member:
        """Return a process that is free and lives."""
        while self._idle:
            member = self._idle.pop()
            if member.lives:
                return member
            self._all.discard(member)
            member.close()  # it has ended: there is nothing to wait for
        return self._start()

    def _start(self) -> Member:
        try:
            member = take_one() or Member.start(self._imports)
        except OSError as error:
            raise cannot_start(sys.executable, error) from error
        self._all.add(member)
        self.started += 1
        return member


def _seen(talking: asyncio.Future[bytes]) -> None:
    """Take note of how a conversation ended that nobody waits for."""
    if not talking.cancelled():
        talking.exception()


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
