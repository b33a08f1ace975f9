"""Who makes something of what is in the store, and the moment when nobody does.

What is made rests on entries that nothing refers to yet: a wheel that was looked up and is not linked yet, a build
environment that a backend runs in. So while something is made no entry is taken out, and while entries are taken out
nothing is begun. Both is told by one lock file, ``locks/makers.lock``, which makers hold together. Each leaves a token
in it when it begins: what was looked at before that need not be so any more.

A store in use by a version that does not hold this lock is pruned of what was long unused, and of nothing younger.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from pytest_fastenv.errors import LockTimeoutError, option
from pytest_fastenv.filesystem import oslock

if sys.platform == "win32":
    fcntl = None
else:
    import fcntl

_FILE = os.path.join("locks", "makers.lock")
_POLL_S = 0.005


@asynccontextmanager
async def making(root: Path, timeout_s: float) -> AsyncIterator[None]:
    """Keep all entries where they are for a block. Where nothing can be written (a read-only store), nothing is held.

    :param root: the store's directory; where it is missing it is made by what is made in it.
    :param timeout_s: how long is waited for a process that takes entries out, which takes milliseconds.
    :raises LockTimeoutError: that process does not come to its end.
    """
    fd = _open(root)
    if fd is None:
        yield
        return
    try:
        await _share(fd, root, timeout_s)
        with suppress(OSError):  # a full disk: the times of the file have changed all the same
            os.utime(fd)
            os.pwrite(fd, os.urandom(8).hex().encode(), 0)
        yield
    finally:
        os.close(fd)


@contextmanager
def nothing_is_made(root: Path) -> Iterator[bytes | None]:
    """Keep makers waiting for a block, which must be short.

    :return: a token: another one the next time means that something was begun meanwhile. ``None`` while something is
        made, or where that cannot be told (on Windows).
    """
    fd = _open(root)
    try:
        yield _claim(fd) if fd is not None else None
    finally:
        if fd is not None:
            os.close(fd)


def _open(root: Path) -> int | None:
    if fcntl is None:
        return None
    path = root / _FILE
    try:
        if not path.parent.is_dir():
            os.makedirs(path.parent, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        return None


async def _share(fd: int, root: Path, timeout_s: float) -> None:
    deadline_s = asyncio.get_running_loop().time() + timeout_s
    while not _lock(fd, root, exclusively=False):
        if asyncio.get_running_loop().time() > deadline_s:
            raise LockTimeoutError(
                f"the store was not free within {timeout_s:g} s",
                where=str(root / _FILE),
                why="a process takes things out of it",
                hint=f"end that process; {option('lock_timeout_s')} sets how long is waited",
            )
        await asyncio.sleep(_POLL_S)


def _claim(fd: int) -> bytes | None:
    if not _lock(fd, None, exclusively=True):
        return None
    return os.pread(fd, 64, 0) + str(os.fstat(fd).st_mtime_ns).encode()


def _lock(fd: int, root: Path | None, *, exclusively: bool) -> bool:
    try:
        fcntl.flock(fd, (fcntl.LOCK_EX if exclusively else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if root is None:
            return False
        raise oslock.no_locks(str(root / _FILE), error) from error
    return True
