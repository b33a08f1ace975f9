"""The lock on a user's own tree itself, which all stores share.

The lock of a store keeps its users apart; a tree may be built in from several stores (``FASTENV_CACHE_DIR``, the
caches of containers) at once. So the directory is locked as well: ``flock`` on a descriptor of it, which makes
no file, and which the hook's processes hold until the tree is changed back. Where a directory cannot be locked
(Windows, some network file systems) the lock of the store is all there is.
"""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from pytest_fastenv.errors import LockTimeoutError, option
from pytest_fastenv.filesystem.oslock import OsLock
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store.locks import SHOW_AFTER_S

if sys.platform == "win32":
    fcntl = None
else:
    import fcntl

_POLL_S = 0.05
_BUSY = frozenset({errno.EAGAIN, errno.EWOULDBLOCK})


@asynccontextmanager
async def hold_tree(directory: str, subject: str, recorder: Recorder, timeout_s: float) -> AsyncIterator[OsLock | None]:
    """Hold the lock of a directory around a block; ``None`` where it cannot be locked.

    :param subject: what is built, for people who wait.
    :raises LockTimeoutError: it was not free in time; names the process that holds it, where the kernel tells.
    """
    lock = await _acquire(directory, subject, recorder, timeout_s)
    try:
        yield lock
    finally:
        if lock is not None:
            lock.release()


def is_held(directory: str) -> bool:
    """Tell whether a build holds the lock of a directory, of this process or of another."""
    try:
        lock = _try(directory, is_shared=True)
    except BlockingIOError:
        return True
    if lock is not None:
        lock.release()
    return False


async def _acquire(directory: str, subject: str, recorder: Recorder, timeout_s: float) -> OsLock | None:
    with suppress(BlockingIOError):
        return _try(directory)
    with recorder.span("lock-wait", subject, source="waited") as span:
        begun = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    await asyncio.sleep(_POLL_S)  # a wait in a thread could not be cancelled
                    with suppress(BlockingIOError):
                        return _try(directory)
                    if "holder" not in span.args and asyncio.get_running_loop().time() - begun >= SHOW_AFTER_S:
                        recorder.progress(span, holder=_holder(directory))
        except TimeoutError:
            holder = _holder(directory)
            recorder.progress(span, holder=holder)
            raise LockTimeoutError(
                f"{subject} was not free within {timeout_s:g} s",
                where=directory,
                why=f"a build with another store runs in that directory: {holder}",
                hint=f"wait for that process or end it; {option('lock_timeout_s')} sets how long is waited",
            ) from None


def _try(directory: str, *, is_shared: bool = False) -> OsLock | None:
    """Lock a directory; ``None`` where that cannot be done.

    :raises BlockingIOError: another holds the lock.
    """
    if fcntl is None:
        return None
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in _BUSY:
            raise BlockingIOError(error.errno, "the directory is locked", directory) from None
        return None
    return OsLock(directory, descriptor)


def _holder(directory: str) -> str:
    """Return who holds the lock of a directory, as Linux tells it."""
    with suppress(OSError, IndexError):
        inode = str(os.stat(directory).st_ino)
        with open("/proc/locks", encoding="ascii") as file:
            for line in file:
                words = line.split()
                if words[1] == "FLOCK" and words[5].rpartition(":")[2] == inode and int(words[4]) > 0:
                    return f"process {words[4]}"
    return "a process that is not known"
