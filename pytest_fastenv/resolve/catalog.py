"""What resolving asks of a package index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.metadata import CoreMetadata


class ProjectPage(Protocol):
    """What an index says of one project."""

    @property
    def artifacts(self) -> Sequence[Artifact]:
        """All its files, in any order."""

    @property
    def index_url(self) -> str:
        """Where it was found."""


class Catalog(Protocol):
    """Package indexes and find-links locations behind one face."""

    async def project(self, name: str) -> ProjectPage:
        """Return a project's files.

        :raises UnknownProjectError: no location has it.
        """

    async def metadata(self, artifact: Artifact) -> CoreMetadata:
        """Return the core metadata of a wheel."""

    def expect(self, name: str) -> None:
        """Start reading a project's page now: it will most likely be asked for."""
