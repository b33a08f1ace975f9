"""Interpreters that were downloaded, as the store keeps them. On the warm path: nothing but the standard library.

::

    pythons-v2/ab/<sha256 of the archive>/python/             the installation; never moved: it holds its path
    pythons-v2/ab/<sha256 of the archive>/interpreter.json    what is known of it (`Installed`), sealed
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from pytest_fastenv.interpreter.record import Host, Stamp, stamp, this_host, under_this_kernel
from pytest_fastenv.model.target import Target
from pytest_fastenv.store.buckets import EntryBucket, Remaking
from pytest_fastenv.store.sealed import load, to_bytes
from pytest_fastenv.store.store import Store

_FILE = "interpreter.json"
_NOT_COUNTED = frozenset({"__pycache__", "site-packages"})
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:(a|b|rc)(\d+))?")


@dataclass(frozen=True, slots=True)
class Installed:
    """What is known of an interpreter in the store.

    :ivar stamp: of its executable.
    :ivar host: where it was asked.
    :ivar installation: its directory.
    :ivar contents: how many files it has, and how many bytes are in them.
    """

    target: Target
    stamp: Stamp
    host: Host
    installation: str
    contents: tuple[int, int]


def installed(store: Store) -> list[Target]:
    """Return the interpreters in the store that can be used on this host, newest version first.

    Those whose executable is gone or was replaced are passed over, and so are those last looked at on another host:
    installing them again, which fetches nothing, tells what they are here.
    """
    found = [target for entry in _entries(store) if (target := known_target(entry)) is not None]
    return sorted(found, key=lambda target: (_order(target.version), not target.free_threaded), reverse=True)


def known_target(entry: Path) -> Target | None:
    """Return what is known of the interpreter of an entry; ``None`` where it cannot be relied upon on this host."""
    known = load(entry / _FILE, Installed)
    if known is None or known.host != this_host() or known.stamp != stamp(known.target.python):
        return None
    return under_this_kernel(known.target)


def check(entry: Path) -> str | None:
    """Say how an interpreter differs from what was unpacked; ``None`` when it does not. Blocks.

    Looks at each of its files, in about 20 ms. Packages and bytecode are added to it by use, and do not count.
    """
    known = load(entry / _FILE, Installed)
    if known is None:
        return "what is known of it is damaged"
    if known.stamp != stamp(known.target.python):
        return "its executable is gone or was replaced"
    try:
        found = contents(known.installation)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return None if found == known.contents else "it has other files than it was installed with"


PYTHONS = EntryBucket(
    name="pythons",
    version=2,
    about="interpreters that were downloaded, by SHA-256 of their archives",
    remaking=Remaking.FETCHED,
    check=check,
    has_strangers=True,
)


def write_record(place: Path, installation: Path, final: Path, target: Target) -> None:
    """Write what is known of an interpreter into an entry that is being made. Blocks.

    :param place: the entry's directory as long as it is private.
    :param installation: where the interpreter lies now.
    :param final: where it will lie; `target` speaks of that.
    """
    status = os.stat(installation / os.path.relpath(target.python, os.path.realpath(final)))
    made = Stamp(target.python, status.st_size, status.st_mtime_ns)
    known = Installed(target, made, this_host(), str(final), contents(str(installation)))
    (place / _FILE).write_bytes(to_bytes(known))


def contents(installation: str) -> tuple[int, int]:
    """Return how many files an interpreter has, and how many bytes are in them.

    :raises OSError: a directory cannot be read.
    """
    files = size_bytes = 0
    directories = [installation]
    while directories:
        with os.scandir(directories.pop()) as found:
            for item in found:
                if item.is_dir(follow_symlinks=False):
                    if item.name not in _NOT_COUNTED:
                        directories.append(item.path)
                else:
                    files += 1
                    size_bytes += item.stat(follow_symlinks=False).st_size
    return files, size_bytes


def _entries(store: Store) -> list[Path]:
    """Return all whole entries."""
    root = store.root / PYTHONS.directory
    keys = [key for shard in _names(root) for key in _names(root / shard)]
    return [entry for key in keys if (entry := store.lookup(PYTHONS, key)) is not None]


def _names(directory: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(directory) if not name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _order(version: str) -> tuple[int, ...]:
    """Return what versions are sorted by; a release comes after its pre-releases."""
    match = _VERSION.match(version)
    if match is None:
        return ()
    major, minor, micro, level, number = match.groups()
    return int(major), int(minor), int(micro or 0), {"a": 0, "b": 1, "rc": 2, None: 3}[level], int(number or 0)
