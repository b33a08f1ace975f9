"""Lock files that nobody has used for a while go, so that there are no more of them than there is work.

A lock file is removed by who holds its lock. Whoever waits for it meanwhile obtains a lock on a file that is not at its
path any more, and begins again (`pytest_fastenv.filesystem.oslock`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pytest_fastenv.errors import StoreError
from pytest_fastenv.filesystem.oslock import try_lock
from pytest_fastenv.store.listing import own_names

UNUSED_S = 86400.0
"""How long a lock file stays that nobody uses. Taking a lock writes to its file, so its time tells the last use."""


def sweep_locks(root: Path, now: float) -> int:
    """Remove the lock files of keys that were not in use for a day; return how many went. Blocks.

    :param root: the store's directory.
    :param now: seconds since the epoch.
    """
    gone = 0
    for path in _lock_files(root / "locks"):
        with suppress(OSError, StoreError):  # taken, gone, or not ours to remove: the next time
            if os.lstat(path).st_mtime > now - UNUSED_S:
                continue
            lock = try_lock(path, create=False)
            if lock is not None:
                try:
                    os.unlink(path)
                    gone += 1
                finally:
                    lock.release()
    return gone


def _lock_files(locks: Path) -> Iterator[Path]:
    for shard in own_names(locks):
        yield from (locks / shard / name for name in own_names(locks / shard) if name.endswith(".lock"))
