"""A project as indexes and find-links locations list it."""

from __future__ import annotations

from functools import cached_property

from pytest_fastenv.index.page import Page, Status, newest_first
from pytest_fastenv.model.artifact import Artifact


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
        """Canonical versions that have files, newest first."""
        if len(self._pages) == 1:
            return tuple(self._pages[0].rows)
        return tuple(newest_first({version for page in self._pages for version in page.rows}))

    def files(self, version: str) -> tuple[Artifact, ...]:
        """Return the files of one canonical version: find-links first, then the index, each in the order listed."""
        made = self._made.get(version)
        if made is None:
            made = tuple(artifact for page in self._pages for artifact in page.artifacts(self.name, version))
            self._made[version] = made
        return made

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """All files, newest version first. Costs much more than `files` of the versions one needs."""
        return tuple(artifact for version in self.versions for artifact in self.files(version))
