"""Make a thing once in this process, however many callers want it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from pytest_fastenv.schedule.outcome import Admission, SharedAdmission

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class SingleFlight(Generic[K, T]):
    """One making per key; every caller gets its result, or its failure.

    A failure is raised for the callers that wait for it and then forgotten: the next call tries again. For one event
    loop.

    :param remembers: a result is kept for the life of this object; otherwise it is for those who waited for it, and
        for who asks before the last of them has taken it.
    """

    def __init__(self, *, remembers: bool = True) -> None:
        self._remembers = remembers
        self._flights: dict[K, _Flight[T]] = {}

    async def do(self, key: K, make: Callable[[], Awaitable[T]]) -> T:
        """Return the key's thing; call the maker if it is neither made nor being made.

        The making belongs to no caller: it goes on when one of them is cancelled, as long as another waits. When the
        last one is cancelled it is cancelled too, and has ended before that caller's cancellation is reported.
        """
        return await self.do_admitted(key, lambda _admission: make(), None)

    async def do_admitted(self, key: K, make: Callable[[Admission], Awaitable[T]], admission: Admission | None) -> T:
        """Do the same for callers that may learn meanwhile that nothing new is to be begun.

        :param make: is given an admission, to ask before it begins a piece of work. It is open as long as that of
            one caller who waits is; where none of them has one, it is open. A failure closes those of all who wait.
        """
        while True:
            flight = self._flights.get(key)
            if flight is None or flight.task.cancelled():
                flight = self._begin(key, make)
            if flight.task.done() or not flight.abandoned:
                try:
                    with flight.admission.shared_by(admission):
                        return await flight.join()
                finally:
                    self._let_go(key, flight)
            await asyncio.wait([flight.task])  # it is being cancelled: wait for its end, then make our own

    def done(self, key: K) -> T | None:
        """Return what was made for a key, or ``None`` when it is not there (yet); never waits."""
        flight = self._flights.get(key)
        return flight.task.result() if flight is not None and flight.succeeded() else None

    def forget(self, key: K) -> None:
        """Let go of what was made for a key: the next one to ask has it made again. What is under way goes on."""
        flight = self._flights.get(key)
        if flight is not None and flight.task.done():
            del self._flights[key]

    def is_under_way(self, key: K) -> bool:
        """Tell whether it is being made at this moment, and will be for as long as a caller waits."""
        flight = self._flights.get(key)
        return flight is not None and not flight.task.done() and not flight.abandoned

    def _begin(self, key: K, make: Callable[[Admission], Awaitable[T]]) -> _Flight[T]:
        admission = SharedAdmission()
        flight = self._flights[key] = _Flight(asyncio.create_task(_await(make, admission)), admission)

        flight.task.add_done_callback(lambda _task: self._let_go(key, flight))
        return flight

    def _let_go(self, key: K, flight: _Flight[T]) -> None:
        # Those who waited wake up a turn of the loop after the landing: in between, what landed is still to be had.
        kept = flight.succeeded() and (self._remembers or flight.waiting)
        if flight.task.done() and not kept and self._flights.get(key) is flight:
            del self._flights[key]


class _Flight(Generic[T]):
    def __init__(self, task: asyncio.Task[T], admission: SharedAdmission) -> None:
        self.task = task
        self.admission = admission
        self.waiting = 0
        self.abandoned = False

    def succeeded(self) -> bool:
        """Tell whether there is a result; looking at a failure also marks it as seen."""
        return self.task.done() and not self.task.cancelled() and self.task.exception() is None

    async def join(self) -> T:
        if self.task.done():
            return self.task.result()
        self.waiting += 1
        try:
            return await asyncio.shield(self.task)
        except asyncio.CancelledError:
            if not self.task.done() and self.waiting == 1:
                self.abandoned = True
                self.task.cancel()
                await self._ended()
            raise
        finally:
            self.waiting -= 1

    async def _ended(self) -> None:
        while not self.task.done():
            try:
                await asyncio.wait([self.task])
            except asyncio.CancelledError:  # asked once more: the answer is the same, when the making has ended
                continue


async def _await(make: Callable[[Admission], Awaitable[T]], admission: SharedAdmission) -> T:
    try:
        return await make(admission)
    except Exception:
        admission.close_all()
        raise
