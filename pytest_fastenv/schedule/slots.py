"""Slots of the machine: so many at once, over all processes.

Eight pytest processes on one machine must not start eight times as many compilers. Each slot is one lock file; the
process that holds its lock holds the slot. The system lets go of it when the holder and the children it was handed to
have ended.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pytest_fastenv.errors import LockTimeoutError, option
from pytest_fastenv.filesystem import oslock
from pytest_fastenv.filesystem.oslock import OsLock as Slot
from pytest_fastenv.model.events import Recorder, Span

SHOW_AFTER_S = 0.5
"""How long a wait lasts before it tells whom it waits for."""

POLL_S = 0.02
"""How often slots of other processes are looked at."""


class MachineSlots:
    """A number of slots, shared by all processes that name the same directory.

    :param directory: where the lock files lie; made when needed.
    :param count: how many; processes with different counts share the lower ones.
    :param timeout_s: how long a slot is waited for.
    """

    def __init__(self, directory: Path, count: int, recorder: Recorder, timeout_s: float = 900.0) -> None:
        self._paths = [os.path.join(directory, f"{number}.lock") for number in range(count)]
        self._recorder = recorder
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()  # one task of this process asks at a time, in the order of coming
        self._given_back = asyncio.Event()

    @asynccontextmanager
    async def take(self, subject: str) -> AsyncIterator[Slot]:
        """Hold a slot around a block. Waiting is bounded, can be cancelled, and is a ``slot-wait`` span.

        Take it last: after locks, and never while waiting for other work that needs a slot.

        :param subject: what it is for, for people.
        :raises LockTimeoutError: none was free in time; names the holders.
        :raises StoreError: the lock files cannot be written or locked.
        """
        slot = None if self._turn.locked() else self._try()
        if slot is None:
            slot = await self._wait(subject)
        try:
            yield slot
        finally:
            slot.release()
            self._given_back.set()

    def free(self) -> int:
        """Return how many slots nobody held a moment ago. Each is held for an instant to find that out."""
        found = [slot for slot in map(oslock.try_lock, self._paths) if slot is not None]
        for slot in found:
            slot.release()
        self._given_back.set()
        return len(found)

    def _try(self) -> Slot | None:
        for path in self._paths:
            slot = oslock.try_lock(path)
            if slot is not None:
                return slot
        return None

    async def _wait(self, subject: str) -> Slot:
        with self._recorder.span("slot-wait", subject, source="waited", key=os.path.dirname(self._paths[0])) as span:
            try:
                async with asyncio.timeout(self._timeout_s), self._turn:
                    return await self._poll(span)
            except TimeoutError:
                holders = self._show_holders(span)
                raise LockTimeoutError(
                    f"no slot of this machine was free for {subject} within {self._timeout_s:g} s",
                    where=os.path.dirname(self._paths[0]),
                    why="\n".join(f"held by {holder}" for holder in holders) or None,
                    hint=f"wait for those processes or end them; {option('lock_timeout_s')} sets how long is waited",
                ) from None

    async def _poll(self, span: Span) -> Slot:
        """Try again and again: the system cannot wait for any of several locks, and nothing is blocked meanwhile."""
        loop = asyncio.get_running_loop()
        show_at = loop.time() + SHOW_AFTER_S
        while True:
            self._given_back.clear()
            slot = self._try()
            if slot is not None:
                return slot
            if loop.time() >= show_at:
                self._show_holders(span)
                show_at += 1.0
            waker = loop.call_later(POLL_S, self._given_back.set)
            try:
                await self._given_back.wait()
            finally:
                waker.cancel()

    def _show_holders(self, span: Span) -> list[str]:
        """Note in a span, and return, the other processes that hold slots, or did so last."""
        holders = map(oslock.read_holder, self._paths)
        others = [str(holder) for holder in holders if holder is not None and not holder.is_this_process]
        if others:
            self._recorder.progress(span, holder="; ".join(others))
        return others
