"""What lies at a path, in words for messages."""

from __future__ import annotations

import stat

_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def kind_of(mode: int) -> str:
    """Return what a file's mode (`os.stat_result.st_mode`) says it is: ``a file``, ``a named pipe``."""
    return _KINDS.get(stat.S_IFMT(mode), "something else")
