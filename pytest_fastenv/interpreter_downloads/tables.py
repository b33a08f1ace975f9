"""The interpreters that pbs-installer knows: python-build-standalone's and PyPy's archives, with their digests.

The tables come with that package and are as old as it is. Reading them takes about 15 ms, and happens only when an
interpreter is missing or the catalogue is asked for.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import metadata, resources
from typing import NamedTuple

from pytest_fastenv.errors import InterpreterError, option
from pytest_fastenv.interpreter_downloads.archive_names import Named, named

PACKAGE = "pbs-installer"


class Row(NamedTuple):
    """An archive in the tables.

    :ivar holds: which interpreter is in it.
    :ivar url: where its project publishes it.
    """

    holds: Named
    filename: str
    url: str
    sha256: str


@cache
def rows() -> tuple[Row, ...]:
    """Return all archives that have a digest, whatever system they are for; read once in this process.

    :raises InterpreterError: the tables are not there, or not what they used to be.
    """
    try:
        content = resources.files("pbs_installer").joinpath("versions.json").read_bytes()
        return tuple(
            Row(_held(entry["python_version"], file), file["filename"], file["url"], file["sha256"].lower())
            for entry in json.loads(content)
            for file in entry["files"]
            if file["sha256"]
        )
    except (ImportError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InterpreterError(
            f"the tables of {PACKAGE} {tables_version()} cannot be read",
            why=f"{type(error).__name__}: {error}",
            hint=f"install another release of {PACKAGE}, or name a mirror with SHA256SUMS: {option('python_mirror')}",
        ) from None


@cache
def by_filename() -> dict[str, Row]:
    """Return the same by file name.

    :raises InterpreterError: as `rows`.
    """
    return {row.filename: row for row in rows()}


def tables_version() -> str:
    """Return the version of the package that the tables come with, for messages; empty when it is not installed."""
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return ""


def _held(version: dict[str, object], file: dict[str, str]) -> Named:
    """Return what an archive holds. The tables leave out a pre-release's part of the version and the libc."""
    told = named(file["filename"])
    release = f"{version['major']}.{version['minor']}.{version['micro']}"
    return Named(
        str(version["implementation"]),
        told.version if told is not None else release,
        bool(version["freethreaded"]),
        file["platform"],
        file["arch"],
        ("musl" if "musl" in file["filename"] else "gnu") if file["platform"] == "linux" else "",
    )
