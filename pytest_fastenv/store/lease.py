"""Who uses things of the store now, and when they were used last.

A lease is a shared lock on a small file: users of a thing hold it together; pruning needs it for itself. It ends with
the last descriptor, so also when its holder is killed. The descriptor survives ``exec``: a run that replaces its own
process keeps its lease.

When a thing was used last is told by the modification time of one file: a lease, an entry's mark, a record. It is
touched at most once a day, so a run that is repeated within a day writes nothing. Where nothing can be written (a
read-only store, files of another user) nothing is noted; who cannot write there cannot prune there either. The times of
the last access that file systems keep are not looked at: many are mounted without them, and whatever reads a file (a
backup, ``fastenv cache verify``) would count as its user.

Standard library only: a warm run holds a lease before anything else is imported.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from contextlib import suppress

from pytest_fastenv.errors import StoreError
from pytest_fastenv.filesystem import oslock

if sys.platform == "win32":
    fcntl = None
else:
    import fcntl

_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})

NOTED_EVERY_S = 86400.0
"""How often a use is noted, at most."""

#: How long a lease is asked for that is claimed at this moment, and how long between: whether it is held can only be
#: found out by claiming it (`is_held`), which takes microseconds.
_PATIENCE_S, _PAUSE_S = 0.1, 0.002


def hold(path: str | os.PathLike[str], patience_s: float = _PATIENCE_S) -> int:
    """Hold a lease until the returned descriptor is closed, here and in every child that inherited it.

    That the thing is used is noted (`note_use`). The descriptor is inheritable. Where the file neither exists nor can
    be made (a read-only store) nothing can be pruned either, and the descriptor stands for nothing.

    :param patience_s: how long it may be claimed by another process, seconds. Who claims it mostly removes the thing.
    :raises StoreError: the thing is being removed at this moment, or is gone: take it as missing.
    """
    name = os.fspath(path)
    while True:
        fd = _open(name)
        try:
            current = fd is None or _share_soon(fd, name, patience_s)
        except BaseException:
            if fd is not None:
                os.close(fd)
            raise
        if fd is None:
            fd = os.open(os.devnull, os.O_RDONLY)
        if current:
            note_use(name)
            os.set_inheritable(fd, True)
            return fd
        os.close(fd)


def try_claim(path: str | os.PathLike[str]) -> int | None:
    """Take a lease for this process alone, if it is not held; never waits.

    :return: a descriptor; until it is closed `hold` raises. ``None`` while the lease is held, or where the file
        cannot be locked.
    """
    name = os.fspath(path)
    if fcntl is None:
        return _claim_by_rename(name)
    while True:
        try:
            fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            return None
        if oslock.is_at(fd, name):
            return fd
        os.close(fd)


def _open(name: str) -> int | None:
    try:
        return os.open(name, os.O_RDONLY)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StoreError("a lease cannot be taken", where=name, why=error.strerror or str(error)) from error
    try:
        return os.open(name, os.O_RDONLY | os.O_CREAT, 0o666)
    except OSError as error:
        if error.errno in _READ_ONLY:
            return None
        raise StoreError("a lease cannot be taken", where=name, why=error.strerror or str(error)) from error


def is_held(path: str | os.PathLike[str]) -> bool:
    """Tell whether a lease is held, without making it. For people: it may be another thing a moment later."""
    try:
        if fcntl is None:
            os.rename(path, path)  # Windows refuses that of an open file
            return False
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        return not isinstance(error, FileNotFoundError)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def note_use(file: str | os.PathLike[str], used_at: float | None = None) -> None:
    """Note that a thing is used, unless that is noted already for the same day, or cannot be.

    :param file: the file whose modification time tells it.
    :param used_at: seconds since the epoch; default: now.
    """
    with suppress(OSError):
        noted_at = os.stat(file).st_mtime
        if used_at is None:
            now = time.time()
            # A time in the future, of a clock that was wrong, would keep the thing for ever.
            if not now - NOTED_EVERY_S < noted_at <= now + NOTED_EVERY_S:
                os.utime(file)
        elif used_at > noted_at:
            os.utime(file, (used_at, used_at))


def _share_soon(fd: int, name: str, patience_s: float) -> bool:
    """Lock for use beside others, once nobody asks whether it is held; see `_share`."""
    for _ in range(max(1, round(patience_s / _PAUSE_S))):
        try:
            return _share(fd, name)
        except BlockingIOError:
            time.sleep(_PAUSE_S)
    raise StoreError("it is being removed by another process", where=name, hint="try again")


def _share(fd: int, name: str) -> bool:
    """Lock for use beside others; false when the file was replaced meanwhile."""
    if fcntl is None:  # holding it open is enough: Windows refuses to rename an open file, see `_claim_by_rename`
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        if isinstance(error, BlockingIOError):
            raise
        raise oslock.no_locks(name, error) from error
    return oslock.is_at(fd, name)


def _claim_by_rename(name: str) -> int | None:
    """Claim where locks cannot be shared; a later `hold` makes a new file, and its caller finds the thing gone."""
    claimed = f"{name}.{os.getpid()}"
    try:
        with open(name, "ab"):
            pass
        os.replace(name, claimed)
        return os.open(claimed, os.O_RDWR)
    except OSError:
        return None
