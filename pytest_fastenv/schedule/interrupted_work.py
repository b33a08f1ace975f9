"""Work that thinks, asks others to do something, and thinks on: the search for versions.

Where all work goes on side by side it is one span from beginning to end. In a serial run it holds the one permit while
it thinks and gives it back while it waits for an answer; what others did in between lies between two of its spans.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

from pytest_fastenv.model.events import Kind, Recorder, Span
from pytest_fastenv.schedule.pools import Pools


class Thinking:
    """One piece of such work, as an asynchronous context manager.

    :param pools: ``None``: nothing else goes on that it could be in the way of.
    :ivar span: the one that is open now.
    """

    span: Span

    def __init__(self, kind: Kind, subject: str, recorder: Recorder, pools: Pools | None, **args: str | int) -> None:
        self._kind: Kind = kind
        self._subject = subject
        self._args = args
        self._recorder = recorder
        self._pools = pools if pools is not None and pools.serial else None
        self._permit = AsyncExitStack()
        self._given = 0
        self._open = ExitStack()

    async def __aenter__(self) -> Self:
        await self._take()
        self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)
        await self._permit.aclose()

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[None]:
        """Let others work during a block, in which only an answer is waited for. One block at a time."""
        if self._pools is None:
            yield
            return
        since_ns = time.monotonic_ns()
        await self._permit.aclose()
        try:
            yield
        finally:
            if await self._take():
                self._open.close()
                self.span.end_ns = since_ns  # what was done since then was done by others
                self._begin()

    async def _take(self) -> bool:
        """Take the permit; tell whether others worked since it was given back."""
        if self._pools is None:
            return False
        await self._permit.enter_async_context(self._pools.alone())
        others = self._pools.given != self._given
        self._pools.given = self._given = self._pools.given + 1
        return others

    def _begin(self) -> None:
        self.span = self._open.enter_context(self._recorder.span(self._kind, self._subject, **self._args))
