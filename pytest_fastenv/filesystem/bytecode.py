"""Compiled files that are still true of their sources.

What a header says is described in PEP 552: flags, then the source's modification time and size. Python replaces such
a file by renaming a new one over it and never writes into it, so several environments can share one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress

CACHE = "__pycache__"
_HEADER_BYTES = 16
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
#: What Python itself compiles. Others mark what they have changed: ``-pytest-8.4.1`` (such a file holds the path of the
#: source it was made from, and nothing mends that when it is loaded), ``opt-typeguard``.
_OPTIMIZATIONS = frozenset({"opt-1", "opt-2"})
_CHANGED = "-pytest-"


def valid(directory: str, sources: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return the names in a directory's ``__pycache__`` of what was compiled from the sources as they are.

    Files that were made by digest instead of time are left out; there is nothing to compare quickly.

    :param sources: size in bytes and mtime in nanoseconds of the files in the directory, by name.
    """
    found = []
    for name in compiled(directory):
        source = sources.get(source_of(name))
        if source is not None and is_true(f"{directory}/{CACHE}/{name}", *source):
            found.append(name)
    return found


def compiled(directory: str) -> list[str]:
    """Return the names of what lies in a directory's ``__pycache__``."""
    try:
        return os.listdir(f"{directory}/{CACHE}")
    except OSError:
        return []


def forget(source: str) -> None:
    """Remove what was compiled from a source."""
    directory, name = os.path.split(source)
    for found in compiled(directory):
        if source_of(found) == name:
            with suppress(FileNotFoundError):
                os.unlink(f"{directory}/{CACHE}/{found}")


def source_of(name: str) -> str:
    """Return the name of the source: ``six.py`` for ``six.cpython-312.pyc`` or ``six.cpython-312.opt-1.pyc``.

    :return: an empty text for what Python did not compile, or not as it is.
    """
    stem, ending = os.path.splitext(name)
    if ending != ".pyc" or _CHANGED in stem:
        return ""
    words = stem.split(".")
    if words[-1].startswith("opt-") and words.pop() not in _OPTIMIZATIONS:
        return ""
    return ".".join(words[:-1]) + ".py"


def is_true(path: str, size: int, mtime_ns: int) -> bool:
    """Tell whether a file was compiled from a source with a size and a time, by what its header says."""
    return _header(path) == _expected(size, mtime_ns)


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
