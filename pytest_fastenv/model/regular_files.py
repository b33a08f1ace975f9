"""Read files that others may have put there: a pipe or a device in the place of one may have no end."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader

#: Opening a named pipe does not wait for somebody who writes into it.
_WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0)
#: What opening a socket comes to, or a device that is not connected.
_NOTHING_BEHIND = {errno.ENXIO, errno.EOPNOTSUPP}
_CHUNK_BYTES = 1 << 20
#: Where a process's own descriptors have names: what a shell's ``<(...)`` and ``/dev/stdin`` stand for.
_OWN_DESCRIPTORS = ("/proc/", "/dev/fd/")


def open_regular(path: str | os.PathLike[str], *, or_own_pipe: bool = False) -> BufferedReader:
    """Open a file to be read. Never waits for another process to open it, too; the null device is an empty file.

    :param or_own_pipe: a pipe that this process was started with will do as well: its writer was chosen by the user.
    :raises OSError: it cannot be read, or is no file: a named pipe, a socket, a device.
    """
    name = os.fspath(path)
    try:
        file = open(name, "rb", opener=_open)  # noqa: SIM115 - the caller's to close
    except OSError as error:
        if error.errno in _NOTHING_BEHIND:
            raise _no_file(name, os.stat(name).st_mode) from None
        raise
    status = os.fstat(file.fileno())
    mode = status.st_mode
    if stat.S_ISREG(mode) or _is_null(status):
        return file
    if or_own_pipe and stat.S_ISFIFO(mode) and os.path.realpath(name).startswith(_OWN_DESCRIPTORS):
        os.set_blocking(file.fileno(), True)
        return file
    file.close()
    raise _no_file(name, mode)


def read_regular(path: str | os.PathLike[str], most_bytes: int | None = None) -> bytes:
    """Return a file's content; see `open_regular`.

    :param most_bytes: how many it may have.
    :raises OSError: it cannot be read, is no file, or has more.
    """
    with open_regular(path) as file:
        if most_bytes is None:
            return file.read()
        # No more is asked for than is there: the room for it would be taken whole, of every record that is read.
        size = os.fstat(file.fileno()).st_size
        content = file.read(min(size, most_bytes) + 1)
        while size < len(content) <= most_bytes and (more := file.read(_CHUNK_BYTES)):  # it grows, or is one of /proc
            content += more
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"it has more than {most_bytes // 2**20} MiB", os.fspath(path))
    return content


def _open(name: str, flags: int) -> int:
    return os.open(name, flags | _WITHOUT_WAITING)


def _is_null(status: os.stat_result) -> bool:
    """Tell whether something is what people put where a file with nothing in it will do."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == os.stat(os.devnull).st_rdev


def _no_file(name: str, mode: int) -> OSError:
    from pytest_fastenv.model.file_kinds import kind_of  # only for a message: a warm run reads files

    return OSError(errno.EINVAL, f"it is {kind_of(mode)}, and not a file", name)
