"""What is to be built, before it is known what with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from pytest_fastenv.errors import BuildError
from pytest_fastenv.model.build import Build, Installed
from pytest_fastenv.model.plan import BuildSource, SdistSource
from pytest_fastenv.model.reference import is_on_this_machine, may_be_on_this_machine


@dataclass(frozen=True, slots=True)
class Job:
    """One source to be built for one target.

    :ivar key: that of its recipe: of everything that a build may read, apart from what is in its environment. Jobs
        with the same key never run at once.
    :ivar name: normalized, or ``None`` as long as only the source can tell.
    :ivar version: canonical, or ``None`` likewise.
    :ivar subject: both, for people.
    """

    key: str
    source: BuildSource
    name: str | None
    version: str | None
    subject: str

    @property
    def editable(self) -> bool:
        """Whether the sources stay where they are (PEP 660)."""
        return self.source.editable

    def build(self, environment: tuple[Installed, ...]) -> Build:
        """Return the build that the job is with some environment."""
        return Build(self.key, environment, self.subject, not self.editable)

    @property
    def is_own_tree(self) -> bool:
        """Whether the source is a user's own tree, which may change at any time."""
        return self.source.own_tree is not None

    def check_reach(self, requires: Iterable[str]) -> None:
        """Let only what lies on this machine itself have build requirements that name places on it.

        :raises BuildError: what comes from elsewhere names one.
        """
        source = self.source
        if self.is_own_tree or (isinstance(source, SdistSource) and is_on_this_machine(source.artifact.url)):
            return
        for text in requires:
            name, at, url = text.partition("@")
            if at and may_be_on_this_machine(url.strip()):
                raise BuildError(
                    f"{self.subject} is built with {text}, a place on this machine, and does not come from it itself",
                    hint=f"use another release or a wheel; {name.strip()} can be named by an index alone",
                )

    @property
    def kind(self) -> str:
        """How its hooks' names end: ``wheel``, ``editable`` or ``sdist``."""
        if self.source.through_sdist:
            return "sdist"
        return "editable" if self.editable else "wheel"

    @property
    def config_settings(self) -> dict[str, str | list[str]] | None:
        """Config settings as hooks want them (PEP 517)."""
        settings = {key: v if isinstance(v, str) else list(v) for key, v in self.source.config_settings}
        return settings or None


def subject_of(source: BuildSource, name: str | None, version: str | None) -> str:
    """Name a source for people: by project and version as far as known, else by its file or directory."""
    if name and version:
        return f"{name} {version}"
    return name or source.label


def normalized(name: str | None) -> str | None:
    """Return a normalized project name (PEP 503); empty is unknown."""
    return canonicalize_name(name) if name else None
