"""A limit on how many tasks do something at once."""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush


class Permits:
    """So many permits; the highest priority gets one first, equal ones in the order of asking. For one event loop.

    When a task that waits is cancelled no permit is lost, not even in the moment in which it was given.
    """

    def __init__(self, free: int) -> None:
        self._free = free
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._asked = 0

    @property
    def waiting(self) -> int:
        """How many tasks wait for a permit."""
        return sum(not future.done() for _, _, future in self._waiting)

    async def take(self, priority: float = 0.0) -> None:
        """Take a permit, waiting for one if need be."""
        if self._free:  # no task waits while one is free
            self._free -= 1
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked += 1
        heappush(self._waiting, (-priority, self._asked, future))
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():  # it was given to us in the same moment
                self.give_back()
            raise

    def give_back(self) -> None:
        """Give a permit to the next task that waits, or keep it for a later one."""
        while self._waiting:
            future = heappop(self._waiting)[2]
            if not future.done():
                future.set_result(None)
                return
        self._free += 1
