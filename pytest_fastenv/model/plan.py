"""The plan: exactly what goes into an environment. Making it and executing it are separate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.codec import DISPLAY, encode_for_key
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
    """A wheel that is installed as it is. The questions that each source answers stand here.

    :cvar needs_build: a wheel has to be made of it first.
    :cvar editable: what is installed leads to the sources where they lie (PEP 660).
    :cvar has_digest: ``--hash`` can be demanded of it.
    :cvar own_tree: the user's own tree that it is, which may change at any time.
    :cvar through_sdist: a source distribution is made of it, and the wheel of that.
    """

    needs_build: ClassVar[bool] = False
    editable: ClassVar[bool] = False
    has_digest: ClassVar[bool] = True
    own_tree: ClassVar[None] = None
    through_sdist: ClassVar[bool] = False

    artifact: Artifact

    @property
    def identity(self) -> dict[str, Any]:
        """What stands for the content in keys, as JSON can hold it."""
        return {**encode_for_key(self), "artifact": self.artifact.identity}

    @property
    def place(self) -> tuple[Any, ...]:
        """What it is, however it is built: equal for everything that leads to the same content."""
        return (*self.artifact.identity,)

    @property
    def size_bytes(self) -> int:
        """What has to be fetched, as far as it is announced; 0 where that is unknown or nothing."""
        return self.artifact.size_bytes or 0

    @property
    def filename(self) -> str | None:
        """The name of the file that is fetched, if it is one."""
        return self.artifact.filename

    def named(self, name: str, version: str) -> WheelSource:
        """Return the source as that of a project and version, which only its metadata could tell."""
        return replace(self, artifact=replace(self.artifact, name=name, version=version))


@dataclass(frozen=True, slots=True)
class SdistSource:
    """A source distribution's archive that is built into a wheel first. See `WheelSource` for what it answers."""

    needs_build: ClassVar[bool] = True
    editable: ClassVar[bool] = False
    has_digest: ClassVar[bool] = True
    own_tree: ClassVar[None] = None
    through_sdist: ClassVar[bool] = False

    artifact: Artifact
    subdirectory: str | None = None
    config_settings: _ConfigSettings = ()

    @property
    def identity(self) -> dict[str, Any]:
        """The archive, the place in it, and how it is built."""
        return {**encode_for_key(self), "artifact": self.artifact.identity}

    @property
    def place(self) -> tuple[Any, ...]:
        """See `WheelSource.place`."""
        return (*self.artifact.identity, self.subdirectory)

    @property
    def build_identity(self) -> dict[str, Any]:
        """What decides a build of it besides the content, as JSON can hold it; the same on every machine."""
        return _without(encode_for_key(self), "artifact")

    @property
    def size_bytes(self) -> int:
        """The archive's, as announced."""
        return self.artifact.size_bytes or 0

    @property
    def filename(self) -> str | None:
        """The archive's."""
        return self.artifact.filename

    @property
    def label(self) -> str:
        """What to call it as long as its name is not known."""
        return self.artifact.filename

    @property
    def version(self) -> str | None:
        """The version, as far as the file name tells."""
        return self.artifact.version or None

    def named(self, name: str, version: str) -> SdistSource:
        """See `WheelSource.named`."""
        return replace(self, artifact=replace(self.artifact, name=name, version=version))


@dataclass(frozen=True, slots=True)
class TreeSource:
    """A directory with a project in it: a local project or a checkout. See `WheelSource` for what it answers.

    :ivar path: the project's directory (subdirectory applied).
    :ivar content: digest that stands for what a build of it would read; for a checkout, its commit.
    :ivar editable: build by PEP 660 and leave the sources where they are.
    :ivar checkout: the path lies in the store and is never changed: it is copied before a build; else it is a user's
        own tree.
    :ivar built: digest of what a build of it gives, once that is known: it then stands for the content.
    """

    needs_build: ClassVar[bool] = True
    has_digest: ClassVar[bool] = False

    path: Path
    content: str
    editable: bool = False
    checkout: bool = False
    subdirectory: str | None = None
    config_settings: _ConfigSettings = ()
    built: str = ""
    through_sdist: bool = False

    @property
    def identity(self) -> dict[str, Any]:
        """Its content and place, and how it is built; or its place, and what that gave."""
        decides: dict[str, Any] = encode_for_key(self)
        return _without(decides, "content") if self.built else decides

    @property
    def place(self) -> tuple[Any, ...]:
        """See `WheelSource.place`; a directory of a user's is itself, whatever is in it."""
        return (self.path, self.content if self.checkout else None)

    @property
    def own_tree(self) -> TreeSource | None:
        """The tree itself, where it is a user's own and no checkout in the store."""
        return None if self.checkout else self

    @property
    def build_identity(self) -> dict[str, Any]:
        """See `SdistSource.build_identity`; what leads to the sources where they lie is only good there."""
        elsewhere = () if self.editable else ("path",)
        return _without(encode_for_key(self), "content", "checkout", "built", *elsewhere)

    @property
    def size_bytes(self) -> int:
        """Nothing is fetched."""
        return 0

    @property
    def filename(self) -> str | None:
        """It is no file."""
        return None

    @property
    def label(self) -> str:
        """The directory."""
        return str(self.path)

    @property
    def version(self) -> str | None:
        """Only its metadata tells."""
        return None

    def named(self, name: str, version: str) -> TreeSource:
        """Return it as it is: it does not hold name and version."""
        del name, version
        return self


#: What a wheel has to be built of.
BuildSource = SdistSource | TreeSource
Source = WheelSource | BuildSource


def _without(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name not in names}


def archive_source(
    artifact: Artifact, subdirectory: str | None = None, config_settings: _ConfigSettings = ()
) -> WheelSource | SdistSource:
    """Return what a file is as a source.

    :param subdirectory: of a source distribution, where the project lies in it.
    :param config_settings: with which a source distribution is built.
    """
    if artifact.kind == "wheel":
        return WheelSource(artifact)
    return SdistSource(artifact, subdirectory, config_settings)


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
    extras: tuple[str, ...] = field(default=(), metadata=DISPLAY)
    direct_url: DirectUrl | None = None
    required_by: tuple[str, ...] = field(default=(), metadata=DISPLAY)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What an environment is to hold: the target and its distributions, ordered by name."""

    target: Target
    distributions: tuple[Distribution, ...]
    warnings: tuple[str, ...] = ()
