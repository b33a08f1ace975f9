"""Disk space of environments, hard links counted once.

    python disk.py OUTPUT CACHE PREFIX LOG

is run at the end of a suite, while the environments of its workers are there: PREFIX is the session's, and those of the
workers are in LOG (see ``suite_conftest.py``). Standard library only. What counts is what ``du`` counts: the blocks of
every inode, once, however many names it has. A symbolic link that leads into CACHE brings along what it leads to.
"""

from __future__ import annotations

import glob
import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_BLOCK_BYTES = 512


def main(output: str, cache: str, session: str, log: str) -> None:
    """Write sizes in bytes, and what is installed in each environment, the session's first, as JSON."""
    with open(log, encoding="utf-8") as lines:
        words = [line.rstrip("\n").split(maxsplit=3) for line in lines]
    prefixes = sorted({prefix for _, _, process, prefix in words if process != "controller"})
    found = {
        "one": space([session], cache),
        "every": space(prefixes, cache),
        "with_session": space([session, *prefixes], cache),
        "distributions": [distributions(prefix) for prefix in (session, *prefixes)],
    }
    with open(output, "w", encoding="ascii") as file:
        json.dump(found, file)


def distributions(prefix: str) -> list[str]:
    """Return the names of all dist-info directories, without that ending."""
    found = glob.glob(f"{glob.escape(prefix)}/lib/python*/site-packages/*.dist-info")
    return sorted(os.path.basename(path).removesuffix(".dist-info") for path in found)


class Space(NamedTuple):
    """What some directories, and all in them, take together.

    :ivar bytes: all of it.
    :ivar directories: of that, what the directories themselves take: a block each at least on most file systems.
    """

    bytes: int
    directories: int


def space(roots: Iterable[str], cache: str) -> Space:
    """Return the disk space of some directories."""
    cache = os.path.realpath(cache)
    seen: dict[tuple[int, int], int] = {}
    directories = 0
    waiting = [os.fspath(root) for root in roots]
    while waiting:
        path = waiting.pop()
        status = os.lstat(path)
        key = (status.st_dev, status.st_ino)
        if key in seen:
            continue
        seen[key] = size = status.st_blocks * _BLOCK_BYTES
        directories += size if stat.S_ISDIR(status.st_mode) else 0
        waiting.extend(_behind(path, status.st_mode, cache))
    return Space(sum(seen.values()), directories)


def _behind(path: str, mode: int, cache: str) -> Iterator[str]:
    if stat.S_ISDIR(mode):
        yield from (entry.path for entry in os.scandir(path))
    elif stat.S_ISLNK(mode):
        target = os.path.realpath(path)
        if target.startswith(cache + os.sep):
            yield target


if __name__ == "__main__":
    main(*sys.argv[1:])
