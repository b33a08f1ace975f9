"""Blocking work beside an event loop, in a thread that never outlives the task which waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a thread; when cancelled meanwhile, wait for its end before the cancellation passes.

    `asyncio.to_thread` leaves the thread to itself: it goes on to write where its caller, on its way out, removes
    things, and into descriptors that its caller closes, whose numbers then belong to other files.
    """
    running = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))  # noqa: TID251 - the one place
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # told to nobody: the caller is on its way out
        raise
