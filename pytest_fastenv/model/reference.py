"""What a requirement refers to: an index's releases, an archive, a directory or a repository.

Each kind answers the same questions, which `IndexReference` explains: mypy misses an answer where a kind is new. A
reference is a value: two that are equal lead to the same source, and as JSON it is part of a resolution's key.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.plan import Vcs

GIT_TRANSPORTS = ("https", "http", "ssh", "file", "git")
"""What may stand behind ``git+``. Git itself knows others, some of which run commands."""

#: With two letters at least: one alone is a drive.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def is_on_this_machine(url: str) -> bool:
    """Tell whether a URL names a file, a directory or a repository of this machine, or one that it mounts."""
    return urlsplit(url).scheme in {"file", "git+file"}


def may_be_on_this_machine(address: str) -> bool:
    """Tell whether what stands behind an ``@`` names a place on this machine, or is no URL and may so be a path."""
    return _URL.match(address) is None or is_on_this_machine(address)


@dataclass(frozen=True, slots=True)
class IndexReference:
    """No source of its own: the choice among the releases of a project is left to the indexes.

    :cvar is_direct: the requirement names its source itself.
    :cvar editable: asked for so that the sources stay where they are (PEP 660).
    :cvar has_digest: ``--hash`` can be demanded of it.
    :cvar directory: the directory on this machine that is named.
    :cvar tree_to_build: the user's own directory that a build reads: its content decides, whatever its name.
    """

    is_direct: ClassVar[bool] = False
    editable: ClassVar[bool] = False
    has_digest: ClassVar[bool] = True
    directory: ClassVar[Path | None] = None
    tree_to_build: ClassVar[Path | None] = None

    def with_editable(self, editable: bool) -> Reference | None:
        """Return the same reference, editable or not; ``None`` where there is no such thing."""
        return None if editable else self

    def with_url(self, change: Callable[[str], str]) -> Reference:
        """Return the same reference with the URL that is asked for over HTTP changed, if it has one."""
        del change
        return self


@dataclass(frozen=True, slots=True)
class ArchiveReference:
    """A wheel or the archive of a source distribution, by URL.

    :ivar url: ``https:``, ``http:`` or ``file:``, without fragment.
    :ivar subdirectory: where the project lies in the archive.
    """

    is_direct: ClassVar[bool] = True
    editable: ClassVar[bool] = False
    has_digest: ClassVar[bool] = True
    directory: ClassVar[Path | None] = None
    tree_to_build: ClassVar[Path | None] = None

    url: str
    subdirectory: str | None = None

    def with_editable(self, editable: bool) -> Reference | None:
        """Return the same reference; an archive cannot be editable."""
        return None if editable else self

    def with_url(self, change: Callable[[str], str]) -> Reference:
        """Return the same reference with another URL."""
        return replace(self, url=change(self.url))


@dataclass(frozen=True, slots=True)
class DirectoryReference:
    """A project's directory on this machine.

    :ivar path: absolute.
    :ivar subdirectory: where the project lies below the path.
    :ivar through_sdist: its source distribution is to be made, and the wheel of that.
    """

    is_direct: ClassVar[bool] = True
    has_digest: ClassVar[bool] = False

    path: Path
    subdirectory: str | None = None
    editable: bool = False
    through_sdist: bool = False

    @property
    def directory(self) -> Path | None:
        """The directory that is named."""
        return self.path

    @property
    def project(self) -> Path:
        """The directory with the project's own files."""
        return self.path / (self.subdirectory or "")

    @property
    def tree_to_build(self) -> Path | None:
        """What a build reads; the code of an editable project is used where it lies."""
        return None if self.editable else self.project

    def with_editable(self, editable: bool) -> Reference | None:
        """Return the same reference, editable or not."""
        return replace(self, editable=editable)

    def with_url(self, change: Callable[[str], str]) -> Reference:
        """Return the same reference: it is no URL."""
        del change
        return self


@dataclass(frozen=True, slots=True)
class RepositoryReference:
    """A version-control repository.

    :ivar subdirectory: where the project lies in it.
    :ivar editable: asked for; what is installed is a wheel all the same.
    """

    is_direct: ClassVar[bool] = True
    has_digest: ClassVar[bool] = False
    directory: ClassVar[Path | None] = None
    tree_to_build: ClassVar[Path | None] = None

    vcs: Vcs
    subdirectory: str | None = None
    editable: bool = False

    def with_editable(self, editable: bool) -> Reference | None:
        """Return the same reference, editable or not."""
        return replace(self, editable=editable)

    def with_url(self, change: Callable[[str], str]) -> Reference:
        """Return the same reference: its URL is for git alone."""
        del change
        return self


@dataclass(frozen=True, slots=True)
class LockedReference:
    """The files of one release, as a lock file names them (PEP 751): what fits the interpreter is chosen among them.

    What the release needs is locked beside it.

    :ivar version: canonical.
    :ivar files: each with its digest.
    """

    is_direct: ClassVar[bool] = True
    editable: ClassVar[bool] = False
    has_digest: ClassVar[bool] = True
    directory: ClassVar[Path | None] = None
    tree_to_build: ClassVar[Path | None] = None

    version: str
    files: tuple[Artifact, ...]

    def with_editable(self, editable: bool) -> Reference | None:
        """Return the same reference; files cannot be editable."""
        return None if editable else self

    def with_url(self, change: Callable[[str], str]) -> Reference:
        """Return the same reference with other URLs."""
        return replace(self, files=tuple(replace(file, url=change(file.url)) for file in self.files))


Reference = IndexReference | ArchiveReference | DirectoryReference | RepositoryReference | LockedReference


def is_same_directory(reference: Reference, directory: Path) -> bool:
    """Tell whether a reference names a directory, by whatever path."""
    named = reference.directory
    return named is not None and (named == directory or os.path.samefile(named, directory))
