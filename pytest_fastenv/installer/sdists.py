"""Source distributions: fetched once, kept as archives, unpacked into private directories."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_fastenv.model.artifact import Artifact


@dataclass(frozen=True, slots=True)
class FetchedSdist:
    """A source distribution's archive in the store.

    :ivar path: ``<entry>/<file name>`` in bucket ``sdists-v1``.
    :ivar sha256: of the archive: its identity.
    """

    path: Path
    sha256: str


class Sdists:
    """(Under construction.)"""

    async def fetch(self, artifact: Artifact) -> FetchedSdist:
        """Return the archive."""
        raise NotImplementedError

    async def unpack(self, sdist: FetchedSdist, into: Path) -> Path:
        """Unpack."""
        raise NotImplementedError
