"""What records of interpreters are compared by, without importing anything beyond the standard library (warm path)."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import NamedTuple

from pytest_fastenv.model.target import Target

Host = tuple[str | None, ...]
"""What decides about wheel tags apart from the interpreter: a store may be carried to another machine."""


class Stamp(NamedTuple):
    """What tells a file from another one put in its place.

    :ivar path: real path.
    """

    path: str
    size_bytes: int
    mtime_ns: int


def stamp(path: str) -> Stamp | None:
    """Return a file's stamp; ``None`` when there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return Stamp(os.path.realpath(path), status.st_size, status.st_mtime_ns)


def this_host() -> Host:
    """Return what is compared of the machine."""
    if not hasattr(os, "uname"):
        return (sys.platform,)
    names = os.uname()
    release = names.release if sys.platform == "darwin" else None
    libc = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else None
    return sys.platform, names.machine, release, libc


def under_this_kernel(target: Target) -> Target:
    """Return a recorded target as it is now.

    What the marker environment says of the kernel (``platform_release``, ``platform_version``; PEP 508) is taken from
    the running one: it changes with a restart of the machine, which no file of the interpreter shows.
    """
    if not hasattr(os, "uname"):
        return target
    kernel = os.uname()
    markers = {**target.markers, "platform_release": kernel.release, "platform_version": kernel.version}
    return replace(target, markers=markers)
