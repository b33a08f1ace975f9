"""A project as indexes and find-links locations list it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from packaging.version import Version

from pytest_fastenv.index.page import Page, Status, newest_first
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.wheel.filenames import parsed_version


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What an index has of a project that is taken from another one.

    :ivar location: the index, without credentials.
    :ivar name: as it is named under ``[tool.fastenv.indexes]``; empty for an index of everything.
    :ivar project: ``None`` where it has nothing of it, or could not be asked.
    :ivar trouble: why it could not be asked; empty where it could.
    """

    location: str
    name: str = ""
    project: Project | None = None
    trouble: str = ""


class Project:
    """The files of one project, made into values when they are looked at.

    :ivar name: normalized.
    :ivar index_url: the index it was found at (or the find-links location, where no index has it).
    :ivar status: what the index says about it (PEP 792).
    """

    def __init__(self, name: str, pages: tuple[Page, ...], index_url: str, status: Status) -> None:
        self.name = name
        self.index_url = index_url
        self.status = status
        self._pages = pages
        self._made: dict[str, tuple[Artifact, ...]] = {}

    def __repr__(self) -> str:
        return f"Project({self.name!r}, {len(self.versions)} versions)"

    @cached_property
    def versions(self) -> tuple[str, ...]:
        """Canonical versions that have files, newest first; of equal ones (``2.0`` and ``2.0.0``) the first listed."""
        return tuple(newest_first(spellings[0] for spellings in self._spellings.values()))

    @cached_property
    def _spellings(self) -> dict[Version, list[str]]:
        """The ways in which each version is written: the files of a release need not agree about that."""
        found: dict[Version, list[str]] = {}
        for text in dict.fromkeys(version for page in self._pages for version in page.rows):
            found.setdefault(parsed_version(text), []).append(text)
        return found

    def files(self, version: str) -> tuple[Artifact, ...]:
        """Return the files of one version: find-links first, then the index, each in the order listed."""
        made = self._made.get(version)
        if made is None:
            texts = self._spellings.get(parsed_version(version), ())
            made = tuple(file for page in self._pages for text in texts for file in page.artifacts(self.name, text))
            self._made[version] = made
        return made

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """All files, newest version first. Costs much more than `files` of the versions one needs."""
        return tuple(artifact for version in self.versions for artifact in self.files(version))
