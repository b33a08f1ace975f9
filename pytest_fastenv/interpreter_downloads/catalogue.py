"""Which interpreters can be downloaded for a machine, and which of them is the best for a request."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.version import Version

from pytest_fastenv.errors import InterpreterError
from pytest_fastenv.interpreter.probe import OLDEST
from pytest_fastenv.interpreter_downloads.archive_names import Named, named, preference
from pytest_fastenv.interpreter_downloads.host import Host, host_of
from pytest_fastenv.interpreter_downloads.mirror import Mirror
from pytest_fastenv.interpreter_downloads.offer import Offer
from pytest_fastenv.interpreter_downloads.selection import Selection
from pytest_fastenv.interpreter_downloads.tables import by_filename, rows
from pytest_fastenv.model.target import Target


def offers(host: Target, mirror: Mirror) -> list[Offer]:
    """Return what can be downloaded for this machine, best first.

    ==========================================  ========================================================================
    no mirror                                   what pbs-installer's tables have, from where its projects publish it
    a mirror with ``SHA256SUMS``                what that file lists, with its digests; nothing else
    a directory (or ``file:``) without          the archives that lie in it, or in a directory below; digests from the
                                                tables where these know the file name, else left open
    a server without                            what the tables have, at ``<mirror>/<release>/<file name>``
    ==========================================  ========================================================================

    The newest version comes first; of one version CPython, the ordinary build, the latest release and the smallest
    archive. What is older than 3.8 is left out. Blocks: reads the tables, or lists a directory.

    :param host: an interpreter of this machine, as probed.
    :param mirror: once consulted; see `pytest_fastenv.interpreter_downloads.mirror.Mirror.consulted`.
    :raises InterpreterError: the tables or the directory cannot be read.
    """
    machine = host_of(host)
    if mirror.checksums is not None:
        found = _of_files(((path, digest, mirror.address(path)) for path, digest in mirror.checksums.items()), machine)
    elif mirror.directory is not None:
        found = _of_files(_lying_in(mirror.directory), machine)
    else:
        found = (
            _offer(row.holds, row.filename, mirror.mirrored(row.url), row.sha256)
            for row in rows()
            if _usable(row.holds, machine)
        )
    return sorted(found, key=lambda offer: _order(offer, machine), reverse=True)


def best(spec: str, offers: Iterable[Offer]) -> Offer | None:
    """Return the first offer that fits a request, or ``None``; a pre-release only where the request names one.

    :param spec: as for `pytest_fastenv.interpreter.discovery.find_target`; nothing fits a path.
    :raises InterpreterNotFoundError: the request cannot be read.
    """
    wanted = Selection.parse(spec)
    return wanted.pick(offers) if wanted is not None else None


def _of_files(files: Iterable[tuple[str, str, str]], machine: Host) -> Iterator[Offer]:
    """Yield offers for files that are there: path, digest (maybe empty) and URL of each."""
    for path, digest, url in files:
        filename = path.rpartition("/")[2]
        known = by_filename().get(filename)
        holds = known.holds if known is not None else named(filename)
        if holds is not None and _usable(holds, machine):
            yield _offer(holds, filename, url, digest or (known.sha256 if known is not None else ""))


def _lying_in(directory: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the files of a directory and of those right below it, where releases have one each."""
    try:
        with os.scandir(directory) as entries:
            here = sorted(entries, key=lambda entry: entry.name)
        for entry in here:
            if entry.is_file():
                yield entry.name, "", Path(entry.path).as_uri()
            elif entry.is_dir():
                with os.scandir(entry) as entries:
                    below = sorted(entries, key=lambda entry: entry.name)
                yield from ((item.name, "", Path(item.path).as_uri()) for item in below if item.is_file())
    except OSError as error:
        raise InterpreterError(f"the directory of interpreters {directory} cannot be listed", why=str(error)) from None


def _usable(holds: Named, machine: Host) -> bool:
    major, minor, *_ = holds.version.split(".")
    return (int(major), int(minor)) >= OLDEST and machine.runs(holds.os, holds.arch, holds.libc)


def _offer(holds: Named, filename: str, url: str, sha256: str) -> Offer:
    return Offer(*holds, filename=filename, url=url, sha256=sha256)


def _order(offer: Offer, machine: Host) -> tuple[object, ...]:
    return (
        offer.arch == machine.arch,
        Version(offer.version),
        offer.implementation == "cpython",
        not offer.free_threaded,
        *preference(offer.filename),
        offer.url,
    )
