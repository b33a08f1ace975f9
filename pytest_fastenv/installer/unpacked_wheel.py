"""A wheel in the store, unpacked and checked: what is linked into environments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from pytest_fastenv.installer.manifest import TREE
from pytest_fastenv.model.plan import BuildSource
from pytest_fastenv.store.sealed import unseal

Provenance = Literal["cache", "network", "built"]


@dataclass(frozen=True, slots=True)
class WheelFacts:
    """What unpacking found out about a wheel; kept beside it, so that cached bytes get the same verdict.

    :ivar name: as METADATA writes it, not normalized.
    :ivar version: as METADATA writes it.
    :ivar dist_info: name of the ``.dist-info`` directory.
    :ivar data: name of the ``.data`` directory; empty when the wheel has none.
    :ivar files: number of files in the tree.
    :ivar size_bytes: of all files together.
    :ivar metadata_sha256: of METADATA; compared with what an index announced (PEP 658).
    :ivar warnings: what is odd but accepted; told to the user each time the wheel is used.
    :ivar pth_code: ``.pth`` files that run code when the interpreter starts.
    :ivar record_fault: why RECORD was not accepted, when the project is exempt from the check; else empty.
    """

    name: str
    version: str
    dist_info: str
    root_is_purelib: bool
    data: str
    files: int
    size_bytes: int
    metadata_sha256: str
    warnings: tuple[str, ...] = ()
    pth_code: tuple[str, ...] = ()
    record_fault: str = ""

    @classmethod
    def load(cls, path: Path) -> WheelFacts | None:
        """Read the facts of a store entry; ``None`` when they are not there or not whole."""
        try:
            return cls.from_json(json.loads(unseal(path.read_bytes())))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> WheelFacts:
        """Make the value from what `json` gives back for its fields."""
        lists = {key: tuple(value[key]) for key in ("warnings", "pth_code")}
        return cls(**{**value, **lists})


@dataclass(frozen=True, slots=True)
class UnpackedWheel:
    """A wheel in the store.

    :ivar sha256: of the wheel file: its identity.
    :ivar entry: its directory in the store (bucket ``wheels-v1``): ``tree/``, ``manifest.json``, ``wheel.json``.
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

    @property
    def tree(self) -> Path:
        """The directory with the wheel's files; never to be changed."""
        return self.entry / TREE

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


class Builder(Protocol):
    """Builds wheels from source (the build part of this room does)."""

    async def build(self, source: BuildSource, name: str, version: str) -> UnpackedWheel:
        """Return the wheel of a source: from the store, or built now; records its own spans."""
