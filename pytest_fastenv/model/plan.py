"""The plan: exactly what goes into an environment. Making it and executing it are separate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.target import Target

_ConfigSettings = tuple[tuple[str, str | tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Vcs:
    """A version-control source (only git is supported).

    :ivar url: repository URL without ``git+``, revision, fragment and credentials-bearing display rules.
    :ivar revision: as written (branch, tag, commit), or ``None`` for the default branch.
    :ivar commit: the immutable commit once known, else ``None``.
    """

    url: str
    revision: str | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class DirectUrl:
    """How a distribution was asked for by URL (PEP 610), as the content of its ``direct_url.json``.

    :ivar url: without credentials, except environment-variable placeholders.
    :ivar vcs: for version-control sources.
    :ivar archive_hashes: digests of an archive.
    :ivar editable: for directories.
    """

    url: str
    subdirectory: str | None = None
    vcs: Vcs | None = None
    archive_hashes: tuple[tuple[str, str], ...] | None = None
    is_directory: bool = False
    editable: bool = False


@dataclass(frozen=True, slots=True)
class WheelSource:
    """A wheel that is installed as it is."""

    artifact: Artifact


@dataclass(frozen=True, slots=True)
class SdistSource:
    """A source distribution's archive that is built into a wheel first."""

    artifact: Artifact
    subdirectory: str | None = None
    config_settings: _ConfigSettings = ()


@dataclass(frozen=True, slots=True)
class TreeSource:
    """A directory with a project in it: a local project or a checkout.

    :ivar path: the project's directory (subdirectory applied).
    :ivar content: digest that stands for what a build of it would read; for a checkout, its commit.
    :ivar editable: build by PEP 660 and leave the sources where they are.
    :ivar checkout: the path lies in the store and is never changed; else it is a user's own tree and is copied
        before a (non-editable) build.
    """

    path: Path
    content: str
    editable: bool = False
    checkout: bool = False
    subdirectory: str | None = None
    config_settings: _ConfigSettings = ()


Source = WheelSource | SdistSource | TreeSource


@dataclass(frozen=True, slots=True)
class Distribution:
    """One distribution of a plan.

    :ivar name: normalized project name.
    :ivar version: canonical version as text.
    :ivar requested: asked for by the user, not only by another distribution (PEP 376 ``REQUESTED``).
    :ivar extras: extras in use, for display.
    :ivar required_by: ``name specifier`` phrases of who wants it, for ``why``; the user's own wish is named by its
        location.
    """

    name: str
    version: str
    source: Source
    requested: bool = False
    extras: tuple[str, ...] = ()
    direct_url: DirectUrl | None = None
    required_by: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What an environment is to hold: the target and its distributions, ordered by name."""

    target: Target
    distributions: tuple[Distribution, ...]
    warnings: tuple[str, ...] = ()
