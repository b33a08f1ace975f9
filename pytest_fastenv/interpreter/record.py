"""A target as a record of the store and back, without importing anything beyond the standard library (warm path)."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from pytest_fastenv.model.target import Target

_TEXTS = ("python", "implementation", "version", "soabi", "platform", "identity")
_TABLES = ("markers", "schemes", "externals")


def stamp(path: str) -> list[Any] | None:
    """Return what tells a file from another one put in its place; ``None`` when there is none.

    Real path, size, mtime in nanoseconds.
    """
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [os.path.realpath(path), status.st_size, status.st_mtime_ns]


def host_facts() -> list[str | None]:
    """Return what decides about wheel tags apart from the interpreter: a store may be carried to another machine."""
    if not hasattr(os, "uname"):
        return [sys.platform]
    names = os.uname()
    release = names.release if sys.platform == "darwin" else None
    libc = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else None
    return [sys.platform, names.machine, release, libc]


def to_record(target: Target) -> dict[str, Any]:
    """Return a target as a value that can be written as JSON."""
    record: dict[str, Any] = {name: getattr(target, name) for name in _TEXTS}
    record.update({name: dict(getattr(target, name)) for name in _TABLES})
    record.update(tags=list(target.tags), free_threaded=target.free_threaded)
    return record


def from_record(record: Mapping[str, Any]) -> Target:
    """Return the target that `to_record` was given.

    What the marker environment says of the kernel (``platform_release``, ``platform_version``; PEP 508) is taken from
    the running one: it changes with a restart of the machine, which no file of the interpreter shows.

    :raises ValueError: the record is not one of these.
    """
    try:
        texts: dict[str, Any] = {name: record[name] for name in _TEXTS}
        tables: dict[str, Any] = {name: dict(record[name]) for name in _TABLES}
        tags, free_threaded = tuple(record["tags"]), record["free_threaded"]
    except (KeyError, TypeError, ValueError) as error:
        msg = f"not the record of an interpreter: {error!r}"
        raise ValueError(msg) from None
    values = [*texts.values(), *tags, *(item for table in tables.values() for pair in table.items() for item in pair)]
    if not isinstance(free_threaded, bool) or not tags or not all(isinstance(value, str) for value in values):
        msg = "not the record of an interpreter: a field has the wrong type"
        raise ValueError(msg)
    if hasattr(os, "uname"):
        kernel = os.uname()
        tables["markers"].update(platform_release=kernel.release, platform_version=kernel.version)
    return Target(tags=tags, free_threaded=free_threaded, **texts, **tables)
