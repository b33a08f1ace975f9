"""Copies of one file: clones, which share their blocks until one side is written, and plain ones.

Both make a new file, with the execute bits and the time of modification of the source; nothing is ever overwritten, and
nothing is left of a copy that failed.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
for _flag in ("O_CLOEXEC", "O_NOFOLLOW", "O_BINARY", "O_NOINHERIT"):
    _NEW |= getattr(os, _flag, 0)

_FICLONE = 0x40049409  # linux/fs.h
_PIECE_BYTES = 1024 * 1024

#: Errors of the operating system for a link or a clone that cannot be made between two places.
IMPOSSIBLE = frozenset(
    getattr(errno, name)
    for name in ("EXDEV", "EPERM", "EACCES", "EOPNOTSUPP", "ENOTSUP", "EINVAL", "ENOTTY", "ENOSYS", "EBADF", "ELOOP")
    if hasattr(errno, name)
)
#: Of a hard link: a file of its own does as well.
NOT_LINKED = IMPOSSIBLE | {errno.EMLINK}


def clone(source: str, target: str) -> None:
    """Make a clone.

    :raises OSError: one of `IMPOSSIBLE` where the file system has none.
    """
    if sys.platform == "darwin":
        _clonefile(source, target)
    elif sys.platform == "linux":
        import fcntl  # not there on Windows

        with _opened(source, target) as (reading, writing):
            fcntl.ioctl(writing, _FICLONE, reading)
    else:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), target)


def copy(source: str, target: str) -> None:
    """Make a copy with blocks of its own."""
    with _opened(source, target) as (reading, writing):
        size = os.fstat(reading).st_size
        if hasattr(os, "sendfile") and sys.platform == "linux":
            offset = 0
            while offset < size and (count := os.sendfile(writing, reading, offset, size - offset)):
                offset += count
        else:
            while piece := os.read(reading, _PIECE_BYTES):
                os.write(writing, piece)


def _clonefile(source: str, target: str) -> None:
    import ctypes  # macOS has clonefile(2) in its C library only

    library = ctypes.CDLL(None, use_errno=True)
    if library.clonefile(os.fsencode(source), os.fsencode(target), 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


@contextmanager
def _opened(source: str, target: str) -> Iterator[tuple[int, int]]:
    """Open a source to read and a new target to write, with the source's execute bits; no target is left on failure.

    The target gets the source's time at the end: what was compiled from the one is valid for the other (PEP 552).
    """
    reading = os.open(source, _READ)
    try:
        status = os.fstat(reading)
        times = (status.st_mtime_ns, status.st_mtime_ns)
        mode = 0o777 if status.st_mode & 0o111 else 0o666
        writing = os.open(target, _NEW, mode)
        try:
            yield reading, writing
            if os.utime in os.supports_fd:
                os.utime(writing, ns=times)
        except BaseException:
            os.unlink(target)
            raise
        finally:
            os.close(writing)
        if os.utime not in os.supports_fd:
            os.utime(target, ns=times)
    finally:
        os.close(reading)
