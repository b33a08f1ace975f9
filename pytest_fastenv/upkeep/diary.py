"""When the store last looked after itself, and what came of it.

::

    upkeep-v1/la/last.json
"""

from __future__ import annotations

from dataclasses import dataclass

from pytest_fastenv.store.buckets import RecordBucket, Remaking

LAST = "last"


@dataclass(frozen=True, slots=True)
class LookedAfter:
    """What was done the last time.

    :ivar at: seconds since the epoch.
    :ivar removed: how many things went.
    :ivar failed: why it came to no end; empty where it did.
    """

    at: float
    removed: int = 0
    freed_bytes: int = 0
    failed: str = ""


DIARY = RecordBucket(
    name="upkeep",
    version=1,
    about="when the store last looked after itself, and what went",
    remaking=Remaking.ASKED,
    record=LookedAfter,
)
