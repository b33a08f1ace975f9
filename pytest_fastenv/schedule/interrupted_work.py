"""Work that computes, waits for an answer, and computes on: the search for versions.

Where all work goes on side by side it is one span from beginning to end. In a serial run it holds the one permit while
it computes and gives it back while it waits for an answer; other work in between lies between two of its spans.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

from pytest_fastenv.model.events import Kind, Recorder, Span
from pytest_fastenv.schedule.pools import Pools


class InterruptedWork:
    """One piece of such work, as an asynchronous context manager.

    :param pools: ``None``: there is no other work that it could keep from going on.
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
        """Let other work go on during a block that only waits for an answer. One block at a time."""
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
                self.span.end_ns = since_ns  # what was done since then was other work
                self._begin()

    async def _take(self) -> bool:
        """Take the permit; tell whether other work was done since it was given back."""
        if self._pools is None:
            return False
        await self._permit.enter_async_context(self._pools.alone())
        others = self._pools.given != self._given
        self._pools.given = self._given = self._pools.given + 1
        return others

    def _begin(self) -> None:
        self.span = self._open.enter_context(self._recorder.span(self._kind, self._subject, **self._args))
