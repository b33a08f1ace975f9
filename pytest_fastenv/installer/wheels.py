"""Wheels: each at most once fetched and unpacked on this machine."""

from __future__ import annotations

from pathlib import Path

from pytest_fastenv.installer.unpacked import Origin, UnpackedWheel
from pytest_fastenv.model.artifact import Artifact


class Wheels:
    """(Under construction.)"""

    async def from_artifact(self, artifact: Artifact, expect: tuple[str, str] | None = None) -> UnpackedWheel:
        """Return a wheel."""
        raise NotImplementedError

    async def from_file(
        self, path: Path, expect: tuple[str, str] | None = None, *, origin: Origin
    ) -> UnpackedWheel:
        """Return a wheel."""
        raise NotImplementedError
