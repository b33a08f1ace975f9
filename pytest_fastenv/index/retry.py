"""Whether a failed request is made again, and after how long a pause."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

from pytest_fastenv.errors import FastenvError, option

T = TypeVar("T")

#: A server that asks for a longer pause than this is not waited for.
LONGEST_PAUSE_S = 60.0
_FIRST_PAUSE_S = 0.25


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as retries see it; tests bring their own."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    now: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random


class Passing(Exception):
    """A failure that may pass when the same is asked again.

    :ivar error: what to raise when it does not.
    :ivar pause_s: how long the server asked to wait, or ``None``.
    """

    def __init__(self, error: FastenvError, pause_s: float | None = None) -> None:
        super().__init__(error.what)
        self.error = error
        self.pause_s = pause_s


async def retry(attempt: Callable[[], Awaitable[T]], *, retries: int, clock: Clock) -> T:
    """Return what `attempt` returns; after `Passing` make it again, at most `retries` times.

    The pause doubles from a quarter of a second, with up to half of it added at random so that many processes do not
    come back at the same moment. A pause that the server names (``Retry-After``, RFC 9110 10.2.3) is kept in full, and
    when it is longer than `LONGEST_PAUSE_S` the failure is final at once.

    :raises FastenvError: the last failure's.
    """
    made = 0
    while True:
        try:
            return await attempt()
        except Passing as failure:
            asked_s = failure.pause_s or 0.0
            if made >= retries or asked_s > LONGEST_PAUSE_S:
                raise _with_next_step(failure.error, made + 1) from failure.__cause__
            pause_s = min(_FIRST_PAUSE_S * 2**made, LONGEST_PAUSE_S / 4)
            made += 1
        await clock.sleep(max(asked_s, pause_s) + pause_s / 2 * clock.jitter())


def _with_next_step(error: FastenvError, times: int) -> FastenvError:
    """Return the error of the last attempt with what its reader can do, where it does not say so itself."""
    if error.hint is None:
        asked = "asked once" if times == 1 else f"asked {times} times"
        error.hint = (
            f"the server was {asked}: try again later, or name another index;"
            f" what the store has can be used without it ({option('offline')})"
        )
    return error


def retry_after_s(value: str | None, now: float) -> float | None:
    """Read a ``Retry-After`` header: seconds or a date; ``None`` when it is absent or cannot be read.

    :param now: seconds since the epoch.
    """
    if not value:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - now, 0.0)
    except (TypeError, ValueError):
        return None
