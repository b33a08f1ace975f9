"""Hold one lock per key: first among the tasks and threads of this process, then among the processes of the machine.

What is promised:

- One holder at a time, over all tasks, event loops, threads and processes. In one process the turn goes round in the
  order of asking; among processes the operating system decides.
- A wait never occupies the event loop or its default executor. Where the lock is not free at once, one daemon thread
  per key and process waits in the operating system; it is a daemon, so a process can exit while it waits.
- A wait ends at once when its task is cancelled. The thread cannot be called back; if it obtains the lock after all it
  gives it up on the spot, or to the next task of this process that asks for it meanwhile.
- A wait is bounded. One for another process is recorded as a ``lock-wait`` span, which after half a second names the
  holder; that tasks of this process take turns is not.

Imported only when something is to be made: asyncio is not on the warm path.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Generic, NamedTuple, TypeVar

from pytest_fastenv.errors import LockTimeoutError, option
from pytest_fastenv.filesystem import oslock
from pytest_fastenv.filesystem.oslock import OsLock
from pytest_fastenv.model.events import Recorder, Span

SHOW_AFTER_S = 0.5
"""How long a wait lasts before it tells whom it waits for."""

_REFRESH_S = 1.0


class LockRequest(NamedTuple):
    """A lock that is asked for.

    :ivar path: the lock file.
    :ivar subject: the thing that it protects, in words for people.
    :ivar key: what the span calls it.
    """

    path: str
    subject: str
    key: str
    timeout_s: float


def in_use() -> frozenset[str]:
    """Return the lock files that are held or waited for in this process."""
    with _MUTEX:
        return frozenset(_TURNS)


@asynccontextmanager
async def hold(wanted: LockRequest, recorder: Recorder) -> AsyncIterator[OsLock]:
    """Hold a lock around a block.

    :raises LockTimeoutError: it was not free in time; names process id, host and since when.
    :raises StoreError: the lock file cannot be made or locked.
    """
    lock, turn = await _acquire(wanted, recorder)
    try:
        yield lock
    finally:
        lock.release()
        turn.give_back()


async def _acquire(wanted: LockRequest, recorder: Recorder) -> tuple[OsLock, _Turn]:
    turn, ticket = _enter(wanted.path)
    deadline_s = asyncio.get_running_loop().time() + wanted.timeout_s
    if ticket is not None:
        async with _bounded(wanted, deadline_s):
            await _wait_for_turn(turn, ticket)
    try:
        lock = oslock.try_lock(wanted.path)
        if lock is None:
            with recorder.span("lock-wait", wanted.subject, source="waited", key=wanted.key) as span:
                async with _bounded(wanted, deadline_s):
                    lock = await _wait_for_file(turn, wanted, recorder, span)
    except BaseException:
        turn.give_back()
        raise
    return lock, turn


@asynccontextmanager
async def _bounded(wanted: LockRequest, deadline_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(deadline_s):
            yield
    except TimeoutError:
        raise _timed_out(wanted) from None


async def _wait_for_turn(turn: _Turn, ticket: _Ticket[bool]) -> None:
    """Wait for other work of this process; nobody is told to wait for it."""
    try:
        await ticket.future
    except BaseException:
        turn.leave(ticket)
        raise


async def _wait_for_file(turn: _Turn, wanted: LockRequest, recorder: Recorder, span: Span) -> OsLock:
    ticket: _Ticket[OsLock] = _Ticket()
    turn.wait_in_thread(ticket)
    try:
        return await _shown(ticket.future, wanted, recorder, span)
    except BaseException:
        _show_holder(wanted, recorder, span)  # also of a wait that ended before it was shown
        turn.abandon(ticket)
        raise


_T = TypeVar("_T")


async def _shown(future: asyncio.Future[_T], wanted: LockRequest, recorder: Recorder, span: Span) -> _T:
    """Wait for a future; from half a second on the span tells whom for."""
    delay_s = SHOW_AFTER_S
    while not (await asyncio.wait([future], timeout=delay_s))[0]:
        _show_holder(wanted, recorder, span)
        delay_s = _REFRESH_S
    return future.result()


def _show_holder(wanted: LockRequest, recorder: Recorder, span: Span) -> None:
    holder = oslock.read_holder(wanted.path)
    if holder is not None and not holder.is_this_process and span.args.get("holder") != str(holder):
        recorder.progress(span, holder=str(holder))


def _timed_out(wanted: LockRequest) -> LockTimeoutError:
    holder = oslock.read_holder(wanted.path)
    return LockTimeoutError(
        f"{wanted.subject} was not free within {wanted.timeout_s:g} s",
        where=wanted.path,
        why=_held_by(holder),
        hint=f"wait for that process or end it; {option('lock_timeout_s')} sets how long is waited",
    )


def _held_by(holder: oslock.Holder | None) -> str:
    if holder is None:
        return "its holder is not known"
    return "held by other work of this process" if holder.is_this_process else f"held by {holder}"


class _Ticket(Generic[_T]):
    """A place in a queue: the task's future, and what was given to it (decided under the mutex)."""

    __slots__ = ("future", "given", "loop")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[_T] = self.loop.create_future()
        self.given: _T | None = None

    def give(self, value: _T | BaseException) -> bool:
        """Hand something over, from any thread; false when its event loop is closed and cannot take it any more."""
        try:
            self.loop.call_soon_threadsafe(self._settle, value)
        except RuntimeError:  # its event loop is closed
            return False
        if not isinstance(value, BaseException):
            self.given = value
        return True

    def _settle(self, value: _T | BaseException) -> None:
        if self.future.done():
            return
        if isinstance(value, BaseException):
            self.future.set_exception(value)
        else:
            self.future.set_result(value)


class _Turn:
    """Whose turn it is in this process for one lock file, and the thread that waits for it in the system."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.busy = False
        self.queue: deque[_Ticket[bool]] = deque()
        self.waiting = False
        self.heir: _Ticket[OsLock] | None = None

    def give_back(self) -> None:
        with _MUTEX:
            self._pass_on()

    def leave(self, ticket: _Ticket[bool]) -> None:
        with _MUTEX:
            if ticket.given:
                self._pass_on()
            elif ticket in self.queue:
                self.queue.remove(ticket)

    def _pass_on(self) -> None:
        """Give the turn to the next in the queue; with an empty queue the lock is free. The mutex is held."""
        while self.queue:
            if self.queue.popleft().give(True):
                return
        self.busy = False
        self._forget_if_idle()

    def wait_in_thread(self, ticket: _Ticket[OsLock]) -> None:
        """Let the one waiting thread of this key obtain the lock for the ticket."""
        with _MUTEX:
            self.heir = ticket
            if self.waiting:  # the thread of a task that was cancelled is still there: it works for us now
                return
            self.waiting = True
        threading.Thread(target=self._wait, name=f"lock-wait {self.path}", daemon=True).start()

    def abandon(self, ticket: _Ticket[OsLock]) -> None:
        """Stop waiting; a lock that was handed over already is released."""
        with _MUTEX:
            if self.heir is ticket:
                self.heir = None
            if ticket.given is not None:
                ticket.given.release()

    def _wait(self) -> None:
        outcome: OsLock | Exception
        try:
            outcome = oslock.wait_lock(self.path)
        except Exception as error:  # noqa: BLE001 - every error is passed to the task that waits
            outcome = error
        with _MUTEX:
            self.waiting = False
            heir, self.heir = self.heir, None
            taken = heir is not None and heir.give(outcome)
            if not taken and isinstance(outcome, OsLock):
                outcome.release()
            self._forget_if_idle()

    def _forget_if_idle(self) -> None:
        if not self.busy and not self.queue and not self.waiting:
            _TURNS.pop(self.path, None)


def _enter(path: str) -> tuple[_Turn, _Ticket[bool] | None]:
    """Take the turn of a lock file (no ticket), or a place in its queue. A turn in use is never forgotten."""
    with _MUTEX:
        turn = _TURNS.setdefault(path, _Turn(path))
        if not turn.busy:
            turn.busy = True
            return turn, None
        ticket: _Ticket[bool] = _Ticket()
        turn.queue.append(ticket)
        return turn, ticket


_MUTEX = threading.Lock()
_TURNS: dict[str, _Turn] = {}
