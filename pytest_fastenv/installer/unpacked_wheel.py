"""A wheel in the store, unpacked and checked: what is linked into environments."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pytest_fastenv.installer.build.metadata import read_dist_info
from pytest_fastenv.installer.manifest import MANIFEST, TREE, Manifest, WheelFacts
from pytest_fastenv.model.digest import key_of
from pytest_fastenv.model.metadata import CoreMetadata

Provenance = Literal["cache", "network", "built"]


@dataclass(frozen=True, slots=True)
class UnpackedWheel:
    """A wheel in the store.

    :ivar sha256: of the wheel file: its identity.
    :ivar entry: its directory in the store (see `pytest_fastenv.installer.manifest`).
    :ivar provenance: where it came from in this run: ``cache`` when it was there already.
    :ivar fetched_bytes: what was transferred for it in this run.
    :ivar fresh: this run wrote the entry itself, so its files need not be compared with what was written.
    """

    sha256: str
    entry: Path
    facts: WheelFacts
    provenance: Provenance
    fetched_bytes: int = 0
    fresh: bool = False

    def named(self, filename: str) -> UnpackedWheel:
        """Return the same wheel as that of a file: what is told of it names that, and not one with the same bytes."""
        return replace(self, facts=self.facts.told_of(filename))

    @property
    def tree(self) -> Path:
        """The directory with the wheel's files; never to be changed."""
        return self.entry / TREE

    @property
    def content(self) -> str:
        """A digest of what the wheel installs; times and order in its archive do not count."""
        manifest = Manifest.load(os.fspath(self.entry / MANIFEST))
        if manifest is None:
            return self.sha256
        return key_of(sorted(manifest.lines), sorted(manifest.paths[number] for number in manifest.executable))

    @property
    def name(self) -> str:
        """The project's name as METADATA writes it."""
        return self.facts.name

    @property
    def version(self) -> str:
        """The version as METADATA writes it."""
        return self.facts.version

    @property
    def dist_info(self) -> str:
        """Name of the ``.dist-info`` directory."""
        return self.facts.dist_info

    @property
    def root_is_purelib(self) -> bool:
        """Whether the wheel's root goes to purelib rather than platlib."""
        return self.facts.root_is_purelib

    def read_metadata(self) -> CoreMetadata:
        """Read the core metadata from its files.

        :raises MetadataError: they are not there, or cannot be read.
        """
        return read_dist_info(self.tree / self.dist_info)
