"""What rooms on one floor ask of each other; `pytest_fastenv.provisioning.engine` brings the two sides together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.build import Installed
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.model.plan import BuildSource, Distribution
from pytest_fastenv.model.target import Target

T = TypeVar("T")


class SourceMetadata(Protocol):
    """Gives core metadata of what has to be built (resolve asks; the build part of installer answers)."""

    async def identified(self, artifact: Artifact) -> Artifact:
        """Return an artifact with its SHA-256; it is fetched where only its bytes can tell.

        :raises ProvideError: it cannot be had, or is not what its hashes demand.
        """

    async def quiet(self, tree: Path, look: Callable[[], T]) -> T:
        """Return what there is to see in a user's own tree while no build writes into it.

        :param look: is called in a thread, and again where a build has begun meanwhile.
        """

    async def wheel_metadata(self, artifact: Artifact) -> CoreMetadata:
        """Return the metadata of a wheel that was identified, from the wheel itself."""

    async def metadata(self, source: BuildSource, name: str | None) -> CoreMetadata:
        """Return the metadata a wheel built from the source would have.

        Static PKG-INFO of an sdist is used when PEP 643 allows, then ``prepare_metadata_for_build_wheel``, then a
        whole build. The same source asked for twice costs once.

        :param name: the project's name as far as known, for messages.
        :raises BuildError: the backend failed.
        """


class BuildEnvironment(Protocol):
    """An isolated environment with the build requirements of a source in it."""

    @property
    def python(self) -> Path:
        """The environment's interpreter."""

    @property
    def content(self) -> tuple[Installed, ...]:
        """What is installed in it, ordered by name: part of the key of what is built with it."""

    @property
    def scripts(self) -> Path:
        """The directory of its scripts, for ``PATH``."""


class BuildEnvironments(Protocol):
    """Makes build environments (the build part of installer asks; provision answers with resolve and itself)."""

    async def content(self, requires: Sequence[str], chain: tuple[str, ...]) -> tuple[Installed, ...]:
        """Tell what an environment with the build requirements would hold; nothing is made for it.

        What was resolved before and still stands is told without a request. As long as this object lives, the answer
        for the same requirements is the same, and `provide` gives an environment with just that.

        :raises CycleError, NoSolutionError: see `provide`.
        """

    async def provide(self, requires: Sequence[str], target: Target, chain: tuple[str, ...]) -> BuildEnvironment:
        """Return an environment that has the build requirements; made once per content, shared by all processes.

        :param requires: dependency specifiers (``build-system.requires`` and what the backend asks for on top).
        :param chain: ``name version`` of the sources being built that led here, outermost first.
        :raises CycleError: a requirement can only be had by building something of the chain.
        :raises NoSolutionError: the build requirements cannot be satisfied.
        """


class PinObserver(Protocol):
    """Hears from the resolver while it still searches, so that fetching can start early."""

    def pinned(self, distribution: Distribution, *, certain: bool = False) -> None:
        """A candidate was chosen, or is likely to be; another one for the same project takes its place.

        :param certain: there is no other choice, because the user's own words leave only this one.
        """

    def unpinned(self, name: str) -> None:
        """The search took a choice back."""


class KnownTree(Protocol):
    """What is known of the files in a directory by those who wrote them (`pytest_fastenv.filesystem.known_files`)."""

    def snapshot(self, root: str | os.PathLike[str]) -> Any:
        """Take down what a directory holds now (`pytest_fastenv.filesystem.tree.snapshot`)."""


class Staging(Protocol):
    """An environment in the making (the environment room makes it, the installer fills it)."""

    @property
    def prefix(self) -> Path:
        """Where files are written now."""

    @property
    def final(self) -> Path:
        """Where the environment will lie once published: what goes into shebangs and RECORD."""

    @property
    def target(self) -> Target:
        """The interpreter it is made for; ``target.schemes`` tells the directories below `prefix`."""

    def uses(self, bucket: str, key: str) -> None:
        """Note what of the store it is made of, so that this is not pruned while it stands.

        :param bucket: name of the bucket's directory.
        """

    def knows(self, files: KnownTree) -> None:
        """Note what is known of the files in it, which then need not be looked at."""


class Transferred(Protocol):
    """What a transfer brought."""

    @property
    def digests(self) -> Mapping[str, str]:
        """Hexadecimal, by algorithm; SHA-256 always."""

    @property
    def size_bytes(self) -> int:
        """How much it was."""

    @property
    def validators(self) -> Mapping[str, str]:
        """Headers to ask with whether the file is still the same."""


class Interpreter(Protocol):
    """The interpreter that everything is made for: known from the beginning, there a little later perhaps."""

    @property
    def target(self) -> Target:
        """What is known of it, before and after it is there."""

    async def ready(self) -> None:
        """Wait until it can be started. Builds and the making of an environment wait here before they run it.

        :raises ProvideError: it could not be had, or is not what `target` says.
        """
