"""The store looks after itself: once a day, after a session, at idle priority.

The modification time of ``CACHEDIR.TAG`` tells when that was last begun; a new store has a new one. The session that
finds it a day old, or finds something that a killed process left, starts ``python -m pytest_fastenv.upkeep`` when it
ends, detached, and waits for nothing. Several that do so at once are told apart by a lock.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from pytest_fastenv.errors import FastenvError
from pytest_fastenv.filesystem.oslock import try_lock
from pytest_fastenv.settings.parsers import SIZE
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store
from pytest_fastenv.store.temporary import sweep_store
from pytest_fastenv.upkeep.diary import DIARY, LAST, LookedAfter
from pytest_fastenv.upkeep.pruning import Wanted, choose, choose_beside
from pytest_fastenv.upkeep.removal import remove

_UNITS = {"B": 1} | {
    f"{prefix}{unit}": base ** (power + 1)
    for unit, base, prefixes in (("B", 1000, "kMGT"), ("iB", 1024, "KMGT"))
    for power, prefix in enumerate(prefixes)
}


def wanted(settings: Settings, root: Path) -> Wanted:
    """Return what settings say of what goes by itself."""
    limit = settings.cache_max_size
    size_bytes = None if limit is None else size_in_bytes(limit, root)
    return Wanted(unused_s=settings.cache_unused_s, max_size_bytes=size_bytes, by_itself=True)


def size_in_bytes(text: str, root: Path) -> int:
    """Return a size in bytes; a share is that of the disk that a directory lies on.

    :param text: as `pytest_fastenv.settings.parsers.parse_size` accepts it.
    """
    found = SIZE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    number, unit = float(found["number"]), found["unit"]
    if unit != "%":
        return int(number * _UNITS[unit])
    place = next(place for place in (root, *root.parents) if place.exists())
    return int(shutil.disk_usage(place).total * number / 100)


def look_after(store: Store, settings: Settings) -> None:
    """Remove what may go by itself, unless that was done within a day, or is being done."""
    lock = try_lock(store.root / "locks" / "upkeep.lock")
    if lock is None:
        return
    try:
        if not store.wants_upkeep:
            return
        store.note_upkeep()
        sweep_store(store.root)
        now = time.time()
        asked = wanted(settings, store.root)
        try:
            outcome = remove(
                store,
                lambda holdings: choose(holdings, asked, now),
                lambda holdings: choose_beside(holdings, asked, now),
            )
            done = LookedAfter(now, len(outcome.gone) + len(outcome.gone_beside), outcome.freed_bytes)
        except (FastenvError, OSError) as error:
            done = LookedAfter(now, failed=str(error))
        store.write_record(DIARY, LAST, done)
    finally:
        lock.release()
