"""What is to be built, before it is known what with."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.utils import canonicalize_name

from pytest_fastenv.model.build import Build, Installed
from pytest_fastenv.model.plan import BuildSource


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
