"""Put an entry into the store whole, or not at all.

The order, and what a kill between any two steps leaves behind:

1. look, take the key's lock, look again                       nothing
2. the maker fills a private directory below ``tmp/``          rubbish in ``tmp/``, removed by a later sweep
3. an entry without ready mark is moved away, below ``tmp/``   the same
4. ``rename`` to the entry's place                             an entry without ready mark: unused, see step 3
5. the ready mark is made inside it                            a whole entry

Readers look for the ready mark only, and take no lock. Nothing is flushed to the disk file by file, which would take
far longer than all the rest: after a power cut contents can be missing behind a ready mark. The mark tells which
entries that may have happened to (`pytest_fastenv.store.durability`).

Imported only when something is to be made.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.store import durability
from pytest_fastenv.store.buckets import READY, EntryBucket
from pytest_fastenv.store.diagnosis import diagnosed
from pytest_fastenv.store.removal import take_out
from pytest_fastenv.store.temporary import Home, remove_tree


@asynccontextmanager
async def temporary(home: Home, prefix: str) -> AsyncIterator[Path]:
    """Make a private directory for a block and remove it after."""
    path = home.directory(prefix)
    try:
        yield Path(path)
    finally:
        await _remove(path)


async def make_entry(root: Path, home: Home, entry: Path, make: Callable[[Path], Awaitable[None]]) -> None:
    """Make an entry that is not there. The key's lock is held.

    :raises StoreError: the store cannot be written; other errors of the maker pass as they are.
    """
    with diagnosed("an entry of the store cannot be written", root):
        staging = home.directory(entry.name[:16], mode=0o777)  # its parent is private, and the entry shall not be
        try:
            await make(Path(staging))
            aside = _move_in(root, staging, entry, home)
        except BaseException:
            await _remove(staging)
            raise
        if aside is not None:
            await _remove(aside)


async def remove_entry(root: Path, home: Home, bucket: EntryBucket, entry: Path, *, only_damaged: bool) -> bool:
    """Take an entry out of the store; the mark goes first, so that half of it is never seen. The key's lock is held.

    An entry that is in use stays.

    :param only_damaged: a whole entry goes only if it is not as it was made.
    """
    with diagnosed("an entry of the store cannot be removed", root):
        is_marked = (entry / bucket.mark).exists()
        if only_damaged and is_marked and not await in_thread(bucket.is_damaged, entry):
            return False
        aside = take_out(root, home, bucket, entry)
        if aside is not None:
            await _remove(aside)
    return aside is not None


def _move_in(root: Path, staging: str, entry: Path, home: Home) -> str | None:
    """Go through steps 3 to 5 above; return what was in the way and is to be removed.

    An entry that cannot be marked is taken back.
    """
    aside = None
    try:
        os.rename(staging, entry)
    except OSError:
        if os.path.lexists(entry):
            aside = home.file("unfinished")
            os.rename(entry, aside)
        else:
            os.makedirs(entry.parent, exist_ok=True)
        os.rename(staging, entry)
    try:
        durability.mark(root, f"{entry}/{READY}")
    except BaseException:
        os.rename(entry, staging)
        raise
    return aside


async def _remove(path: str) -> None:
    try:
        os.rmdir(path)  # mostly it is empty by now
    except FileNotFoundError:
        return
    except OSError:
        await in_thread(remove_tree, path)
