"""Take entries and records out of the store: each at once, so that half of one is never seen.

An entry's mark goes first, then it is renamed to a private directory, and only then deleted. An entry whose lease is
held stays. Standard library only, without asyncio: environments are replaced where no event loop runs as well.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pytest_fastenv.store import lease
from pytest_fastenv.store.buckets import EntryBucket
from pytest_fastenv.store.diagnosis import diagnosed
from pytest_fastenv.store.listing import is_own
from pytest_fastenv.store.temporary import Home, remove_tree


def take_out(root: Path, home: Home, bucket: EntryBucket, entry: Path) -> str | None:
    """Move an entry into a private directory on the same file system, unless its lease is held.

    The lease's file goes with it: who holds the lease finds out that the file is another one (`lease.hold`).

    :return: where it lies now, for the caller to delete; ``None`` when it is in use, or was gone already.
    :raises StoreError: the store cannot be written.
    """
    lease_path = bucket.lease(entry) if bucket.lease is not None else None
    with diagnosed("an entry of the store cannot be removed", root):
        claim = lease.try_claim(lease_path) if lease_path is not None else None
        if claim is None and lease_path is not None:
            return None
        try:
            with suppress(FileNotFoundError, NotADirectoryError):
                os.unlink(entry / bucket.mark)
            aside: str | None = home.file("removed")
            try:
                os.rename(entry, str(aside))
            except FileNotFoundError:
                aside = None
            if lease_path is not None and os.name != "nt":  # there a claimed lease has another name by now
                with suppress(FileNotFoundError):
                    os.unlink(lease_path)
        finally:
            if claim is not None:
                os.close(claim)
    return aside


def remove_record(root: Path, path: str | os.PathLike[str]) -> bool:
    """Take a record out of the store, or what is in its place; tell whether it was there.

    A directory there would keep it from being written for ever. What a link leads to stays.
    """
    with diagnosed("a record of the store cannot be removed", root):
        if is_own(path):  # a directory
            remove_tree(path)
            return not os.path.lexists(path)
        try:
            os.unlink(path)
        except FileNotFoundError:
            return False
    return True
