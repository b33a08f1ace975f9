"""What is to be built, and the key under which the machine knows it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from packaging.utils import canonicalize_name

from pytest_fastenv.model.plan import BuildSource
from pytest_fastenv.model.target import Target

_KEY_VERSION = 2


@dataclass(frozen=True, slots=True)
class Job:
    """One source to be built for one target.

    :ivar key: digest of everything that a build may read (see `key_of`).
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

    @property
    def kind(self) -> str:
        """How its hooks' names end: ``wheel`` or ``editable``."""
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


def key_of(source: BuildSource, content: str, target: Target, variables: Sequence[tuple[str, str]]) -> str:
    """Return the digest of everything that decides what a build gives.

    Besides the source and its config settings: the interpreter and the platform, and the environment variables that
    compilers and backends heed. The build requirements are part of the source; which releases they stood for is kept
    in the record of the build.

    :param content: SHA-256 of an archive; a tree's own digest.
    """
    parts: dict[str, Any] = {
        "version": _KEY_VERSION,
        "content": content,
        "source": source.build_identity,
        "variables": variables,
        "target": [target.implementation, target.version, target.soabi, target.platform, target.free_threaded],
        "externals": sorted(target.externals.items()),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def normalized(name: str | None) -> str | None:
    """Return a normalized project name (PEP 503); empty is unknown."""
    return canonicalize_name(name) if name else None
