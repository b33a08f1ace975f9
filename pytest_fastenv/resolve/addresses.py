"""Addresses in a distribution's metadata: what they may name, and what they are as references."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import SplitResult, unquote, urldefrag, urlsplit, urlunsplit

from pytest_fastenv.errors import MetadataError
from pytest_fastenv.model.artifact import Hashes
from pytest_fastenv.model.file_urls import path_of
from pytest_fastenv.model.location import Location
from pytest_fastenv.model.plan import Vcs
from pytest_fastenv.model.reference import (
    GIT_TRANSPORTS,
    ArchiveReference,
    DirectoryReference,
    RepositoryReference,
    is_on_this_machine,
)
from pytest_fastenv.model.request import Wanted
from pytest_fastenv.resolve.candidates import Candidate
from pytest_fastenv.resolve.requirements_of import Dependency, url_hashes


def reference(dependency: Dependency, by: Candidate) -> Wanted:
    """Return a direct reference in a distribution's metadata in the form in which users' own are kept.

    :param by: the distribution that has it.
    :raises MetadataError: an address of a kind that is not supported, or one that is not for this distribution to name.
    """
    written = dependency.url or ""
    url, fragment = urldefrag(written)
    found = re.search(r"(?:^|&)subdirectory=([^&]+)", fragment)
    subdirectory = unquote(found[1]) if found else None
    wanted = Wanted(
        dependency.name,
        Location(str(by)),
        str(dependency),
        extras=dependency.extras,
        hashes=Hashes.of(url_hashes(written)),
    )
    _check_reach(url, dependency, by)
    parts = urlsplit(url)
    if parts.scheme.startswith("git+"):
        return replace(wanted, reference=RepositoryReference(_repository(parts, dependency, by), subdirectory))
    if parts.scheme not in {"http", "https", "file"}:
        raise MetadataError(f"{by} needs {dependency}, an address of a kind that is not supported")
    if parts.scheme == "file":
        local = Path(path_of(parts.path))
        if os.path.isdir(local):
            return replace(wanted, reference=DirectoryReference(local, subdirectory))
    return replace(wanted, reference=ArchiveReference(url, subdirectory))


def _check_reach(url: str, dependency: Dependency, by: Candidate) -> None:
    """Let what lies on this machine be named only by what a user, or such a distribution, named there.

    What comes from elsewhere may not choose which of a user's files are read.
    """
    is_from_here = by.direct is not None and is_on_this_machine(by.direct.url)
    if is_on_this_machine(url) and not is_from_here:
        raise MetadataError(
            f"{by} needs {dependency}, a place on this machine, and does not come from this machine itself",
            hint=f"use another release of {by.name}, or name both by their paths among your own requirements",
        )


def _repository(parts: SplitResult, dependency: Dependency, by: Candidate) -> Vcs:
    path, at, revision = parts.path.rpartition("@")
    transport = parts.scheme[4:]
    if transport not in GIT_TRANSPORTS or not (parts.hostname or transport == "file"):
        raise MetadataError(f"{by} needs {dependency}, which is no address of a repository")
    if at and (not revision or revision.startswith("-")):
        raise MetadataError(f"{by} needs {dependency}, with {revision or 'nothing'!r} in the place of a revision")
    return Vcs(
        urlunsplit((transport, parts.netloc, path if at else parts.path, parts.query, "")), revision if at else None
    )
