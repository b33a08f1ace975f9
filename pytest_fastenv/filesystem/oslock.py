"""One lock of the operating system on one file, and who holds it.

The locks of the store and the machine-wide slots are made of these. POSIX: ``flock`` on a descriptor. It belongs to the
open file, not to the process: a child process that was given the descriptor (``pass_fds``) keeps the lock until it
ends too, even when the owner was killed. Releasing therefore closes the descriptor and never unlocks. Elsewhere:
filelock's lock on a descriptor. A file system without locks is an error; there is no weaker lock to fall back to.

Where a lock file is deleted, two processes could hold locks on two files of one name; so a process that obtains a lock
checks that its file is still the file at that path, and begins again if not. Who holds a lock may delete its file.

Standard library only, and little of it: this module is on the warm path.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from typing import NamedTuple

from pytest_fastenv.errors import StoreError, option

if sys.platform == "win32":
    fcntl = None
else:
    import fcntl

_POLL_S = 0.02
_BUSY = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES})
_NO_LOCKS = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL})
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0)


class Holder(NamedTuple):
    """The holder of a lock, as the lock file tells it.

    :ivar since: when it was taken, local time with offset, for people; nothing is decided by it.
    """

    pid: int
    host: str
    since: str

    @property
    def is_this_process(self) -> bool:
        """Whether it is the process that asks, which waits for other work of its own then."""
        return self.pid == os.getpid() and self.host == host_name()

    def __str__(self) -> str:
        text = f"process {self.pid} on {self.host} since {self.since}"
        if self.host == host_name() and not is_alive(self.pid):
            text += " (that process has ended; what it started still holds the lock)"
        return text


class OsLock:
    """A lock that is held. Its descriptor is closed on exec unless it is handed to a child by ``pass_fds``."""

    __slots__ = ("_fd", "path")

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self._fd = fd

    def fileno(self) -> int:
        """Return the locked descriptor.

        A child started with ``pass_fds=(lock.fileno(),)`` holds the lock too, until it ends or closes the descriptor
        (POSIX; on Windows a lock cannot be shared and ends with its owner).
        """
        return self._fd

    def release(self) -> None:
        """Give the lock up; it is free once children that were given the descriptor have ended. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def try_lock(path: str | os.PathLike[str], *, create: bool = True) -> OsLock | None:
    """Take the lock if it is free now; never waits.

    :param create: make the file (and its directory) where it is missing; else a missing file raises.
    :raises StoreError: the file cannot be opened, or its file system has no locks.
    """
    return _lock(os.fspath(path), wait=False, create=create)


def wait_lock(path: str | os.PathLike[str]) -> OsLock:
    """Take the lock, waiting without end: for threads that exist for nothing else.

    :raises StoreError: see `try_lock`.
    """
    while True:
        lock = _lock(os.fspath(path), wait=True, create=True)
        if lock is not None:
            return lock
        time.sleep(_POLL_S)  # only where the system cannot wait for a lock


def read_holder(path: str | os.PathLike[str]) -> Holder | None:
    """Return who took the lock last, or ``None`` where it was never taken or the text is not readable (yet)."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        os.lseek(fd, 1, os.SEEK_SET)  # on Windows the first byte is locked, and unreadable
        words = os.read(fd, 512).decode("utf-8", "replace").split("\n")
        return Holder(int(words[0]), words[1], words[2])
    except (OSError, ValueError, IndexError):
        return None
    finally:
        os.close(fd)


def host_name() -> str:
    """Return this machine's name as `Holder` spells it."""
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "localhost")


def is_alive(pid: int) -> bool:
    """Tell whether a process of this machine exists; in doubt, yes."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _lock(path: str, *, wait: bool, create: bool) -> OsLock | None:
    while True:
        fd = _open(path, create)
        try:
            locked = _lock_descriptor(fd, path, wait=wait)
            current = locked and is_at(fd, path)
        except BaseException:
            os.close(fd)
            raise
        if current:
            _sign(fd)
            return OsLock(path, fd)
        os.close(fd)
        if not locked:
            return None


def _open(path: str, create: bool) -> int:
    flags = _FLAGS if create else _FLAGS & ~os.O_CREAT
    try:
        try:
            return os.open(path, flags, 0o666)
        except FileNotFoundError:
            if not create:
                raise
            os.makedirs(os.path.dirname(path), exist_ok=True)
            return os.open(path, flags, 0o666)
    except OSError as error:
        hint = "remove that directory: nothing of the store is in it" if os.path.isdir(path) else _hint(error)
        from pathlib import Path  # neither is needed where it can be opened

        from pytest_fastenv.settings.usable_paths import in_the_way

        why = in_the_way(Path(path).parent) or error.strerror or str(error)
        raise StoreError("a lock file cannot be opened", where=path, why=why, hint=hint) from error


def _hint(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"make room, or set {option('cache_dir')} to a directory on another disk"
    return f"set {option('cache_dir')} to a directory that can be written"


def _lock_descriptor(fd: int, path: str, *, wait: bool) -> bool:
    try:
        if fcntl is None:
            from filelock import lock_descriptor  # only where the standard library has no such lock

            return lock_descriptor(fd, blocking=False)
        fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise no_locks(path, error) from error
    return True


def no_locks(path: str, error: OSError) -> StoreError:
    """Return the diagnosis for a file system that refused to lock."""
    missing = error.errno in _NO_LOCKS
    return StoreError(
        "the store's file system has no file locks" if missing else "a lock file cannot be locked",
        where=path,
        why=error.strerror or str(error),
        hint=f"set {option('cache_dir')} to a directory on a local disk",
    )


def is_at(fd: int, path: str) -> bool:
    """Tell whether an open file is still the one at a path."""
    try:
        there, here = os.stat(path), os.fstat(fd)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def _sign(fd: int) -> None:
    """Write this process's identity into the lock file, for processes that wait; the lock holds without it."""
    since = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    text = f"\n{os.getpid()}\n{host_name()}\n{since}\n".encode()
    try:
        os.lseek(fd, 0, os.SEEK_SET)
        os.write(fd, text)
        os.ftruncate(fd, len(text))
    except OSError:  # a full disk: the next one to wait is told less, nothing else changes
        return
