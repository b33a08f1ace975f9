"""Interpreters that were downloaded, as the store keeps them. On the warm path: nothing but the standard library.

``pythons-v1/ab/<sha256 of the archive>/`` has the interpreter in ``python/`` and what is known of it in
``interpreter.json``: the target, the stamp of its executable, the host it was probed on, how much there is of it.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from pytest_fastenv.interpreter.record import from_record, host_facts, stamp, to_record
from pytest_fastenv.model.target import Target
from pytest_fastenv.store.buckets import Bucket
from pytest_fastenv.store.store import Store

_FILE = "interpreter.json"
_NOT_COUNTED = frozenset({"__pycache__", "site-packages"})
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:(a|b|rc)(\d+))?")


def installed(store: Store) -> list[Target]:
    """Return the interpreters in the store that can be used on this host, newest version first.

    Those whose executable is gone or was replaced are passed over, and so are those last looked at on another host:
    installing them again, which fetches nothing, tells what they are here.
    """
    found = [target for entry in _entries(store) if (target := known_target(entry)) is not None]
    return sorted(found, key=lambda target: (_order(target.version), not target.free_threaded), reverse=True)


def known_target(entry: Path) -> Target | None:
    """Return what is known of the interpreter of an entry; ``None`` where it cannot be relied upon on this host."""
    record = _read(entry)
    if record is None or record.get("host") != host_facts():
        return None
    try:
        target = from_record(record["target"])
    except (KeyError, TypeError, ValueError):
        return None
    return target if record.get("stamp") == stamp(target.python) else None


def is_damaged(entry: Path) -> bool:
    """Tell whether an interpreter is not as it was unpacked. Looks at each of its files, in about 20 ms; blocks.

    Packages and bytecode are added to it by use, and do not count.
    """
    record = _read(entry)
    try:
        python = record["target"]["python"] if record is not None else ""
        return (
            record is None
            or record.get("stamp") != stamp(python)
            or record.get("contents") != contents(record["installation"])
        )
    except (KeyError, TypeError, OSError):
        return True


def write_record(place: Path, installation: Path, final: Path, target: Target) -> None:
    """Write what is known of an interpreter into an entry that is being made. Blocks.

    :param place: the entry's directory as long as it is private.
    :param installation: where the interpreter lies now.
    :param final: where it will lie; `target` speaks of that.
    """
    status = os.stat(installation / os.path.relpath(target.python, os.path.realpath(final)))
    record = {
        "target": to_record(target),
        "stamp": [target.python, status.st_size, status.st_mtime_ns],
        "host": host_facts(),
        "installation": str(final),
        "contents": contents(str(installation)),
    }
    with open(place / _FILE, "w", encoding="utf-8") as file:
        json.dump(record, file)


def contents(installation: str) -> list[int]:
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
    return [files, size_bytes]


def _entries(store: Store) -> list[Path]:
    """Return all whole entries."""
    root = store.root / Bucket.PYTHONS.value
    keys = [key for shard in _names(root) for key in _names(root / shard)]
    return [entry for key in keys if (entry := store.lookup(Bucket.PYTHONS, key)) is not None]


def _names(directory: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(directory) if not name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read(entry: Path) -> dict[str, Any] | None:
    try:
        with open(entry / _FILE, "rb") as file:
            record = json.loads(file.read())
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _order(version: str) -> tuple[int, ...]:
    """Return what versions are sorted by; a release comes after its pre-releases."""
    match = _VERSION.match(version)
    if match is None:
        return ()
    major, minor, micro, level, number = match.groups()
    return int(major), int(minor), int(micro or 0), {"a": 0, "b": 1, "rc": 2, None: 3}[level], int(number or 0)
