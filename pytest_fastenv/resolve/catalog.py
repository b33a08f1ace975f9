"""What resolving asks of a package index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.metadata import CoreMetadata


class ProjectPage(Protocol):
    """What an index says of one project."""

    @property
    def versions(self) -> Sequence[str]:
        """Its canonical versions that have files, newest first."""

    def files(self, version: str) -> Sequence[Artifact]:
        """Return the files of one version."""


class Catalog(Protocol):
    """Package indexes and find-links locations behind one face."""

    async def project(self, name: str) -> ProjectPage:
        """Return a project's files.

        :raises UnknownProjectError: no location has it.
        """

    async def metadata(self, artifact: Artifact) -> CoreMetadata:
        """Return the core metadata of a wheel."""
