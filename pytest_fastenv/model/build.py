"""A build by everything that decides what it gives: the same on every machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pytest_fastenv.model.codec import DISPLAY
from pytest_fastenv.model.digest import key_of
from pytest_fastenv.model.plan import BuildSource
from pytest_fastenv.model.target import Target

_VERSION = 3


@dataclass(frozen=True, slots=True)
class Installed:
    """A distribution in a build environment.

    :ivar content: what stands for its bytes: the digest of its wheel; where that is built as well, of what it is built
        from and how.
    """

    name: str
    version: str
    content: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides a build, apart from what is in its environment.

    :ivar content: SHA-256 of an archive; a tree's own digest, or a checkout's commit.
    :ivar source: what else the source says: see `SdistSource.build_identity`.
    :ivar target: the interpreter and the platform: see `Target.build_facts`.
    :ivar variables: environment variables that compilers and backends heed, as pairs.
    """

    content: str
    source: dict[str, Any]
    target: dict[str, Any]
    variables: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, source: BuildSource, content: str, target: Target, variables: tuple[tuple[str, str], ...]) -> Recipe:
        """Write down how a source is built for a target."""
        return cls(content, source.build_identity, target.build_facts, variables)

    @property
    def key(self) -> str:
        """The digest of all of it."""
        return key_of(_VERSION, self)


@dataclass(frozen=True, slots=True)
class Build:
    """One build.

    :ivar recipe: the key of its `Recipe`.
    :ivar environment: what is in its environment, ordered by name.
    :ivar subject: project and version, for people.
    :ivar is_portable: the wheel is of use on other machines; not where it leads to sources that stay where they lie.
    """

    recipe: str
    environment: tuple[Installed, ...]
    subject: str = field(metadata=DISPLAY)
    is_portable: bool

    @property
    def key(self) -> str:
        """The digest of what decides."""
        return key_of(self)
