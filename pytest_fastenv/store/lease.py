"""Leases: users of a thing hold one together; pruning needs it for itself.

A lease is a shared lock on a small file. It ends with the last descriptor, so also when its holder is killed. The
descriptor survives ``exec``: a run that replaces its own process keeps its lease.

Standard library only: a warm run holds a lease before anything else is imported.
"""

from __future__ import annotations

import errno
import os
import sys

from pytest_fastenv.errors import StoreError
from pytest_fastenv.filesystem import oslock

if sys.platform == "win32":
    fcntl = None
else:
    import fcntl

_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


def hold(path: str | os.PathLike[str]) -> int:
    """Hold a lease until the returned descriptor is closed, here and in every child that inherited it.

    The descriptor is inheritable. Where the file neither exists nor can be made (a read-only store) nothing can be
    pruned either, and the descriptor stands for nothing. An existing file is not written to.

    :raises StoreError: the thing is being removed at this moment, or is gone: take it as missing.
    """
    name = os.fspath(path)
    while True:
        fd = _open(name)
        try:
            current = fd is None or _share(fd, name)
        except BaseException:
            if fd is not None:
                os.close(fd)
            raise
        if fd is None:
            fd = os.open(os.devnull, os.O_RDONLY)
        if current:
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


def _share(fd: int, name: str) -> bool:
    """Lock for use beside others; false when the file was replaced meanwhile."""
    if fcntl is None:  # holding it open is enough: Windows refuses to rename an open file, see `_claim_by_rename`
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StoreError("it is being removed by another process", where=name, hint="try again") from None
    except OSError as error:
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
