"""Compiled files that are still true of their sources.

What a header says is described in PEP 552: flags, then the source's modification time and size. Python replaces such
a file by renaming a new one over it and never writes into it, so several environments can share one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

CACHE = "__pycache__"
_HEADER_BYTES = 16
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
#: What pytest rewrote holds the path of the source it was made from, and nothing mends that when it is loaded.
_REWRITTEN = "-pytest-"


def valid(directory: str, sources: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return the names in a directory's ``__pycache__`` of what was compiled from the sources as they are.

    Files that were made by digest instead of time are left out; there is nothing to compare quickly.

    :param sources: size in bytes and mtime in nanoseconds of the files in the directory, by name.
    """
    try:
        names = os.listdir(f"{directory}/{CACHE}")
    except OSError:
        return []
    found = []
    for name in names:
        source = sources.get(_source(name))
        if source is not None and _header(f"{directory}/{CACHE}/{name}") == _expected(*source):
            found.append(name)
    return found


def _source(name: str) -> str:
    """Return the name of the source: ``six.py`` for ``six.cpython-312.pyc`` or ``six.cpython-312.opt-1.pyc``."""
    stem, ending = os.path.splitext(name)
    if ending != ".pyc" or _REWRITTEN in stem:
        return ""
    words = stem.split(".")
    if words[-1].startswith("opt-"):
        words.pop()
    return ".".join(words[:-1]) + ".py"


def _header(path: str) -> bytes:
    try:
        reading = os.open(path, _READ)
        try:
            return os.read(reading, _HEADER_BYTES)[4:]
        finally:
            os.close(reading)
    except OSError:  # replaced just now, or no file
        return b""


def _expected(size: int, mtime_ns: int) -> bytes:
    words = (0, mtime_ns // 10**9, size)
    return b"".join((word & 0xFFFFFFFF).to_bytes(4, "little") for word in words)
