"""Resolutions that stand: the same request gets the same plan until its maximum age is over.

Two runs an hour apart install the same versions, and a build backend that was released in between does not make every
source distribution build again. A record is keyed by what was asked for, not by which file asked.

::

    resolutions-v1/ab/<key of what was asked>.json
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_fastenv.index.config import IndexConfig
from pytest_fastenv.model.codec import encode_for_key
from pytest_fastenv.model.freshness import Freshness
from pytest_fastenv.model.plan import Plan
from pytest_fastenv.model.request import Request, Wanted
from pytest_fastenv.model.target import Target
from pytest_fastenv.store.buckets import RecordBucket
from pytest_fastenv.store.store import Store


@dataclass(frozen=True, slots=True)
class Resolution:
    """A plan and since when it stands.

    :ivar at: wall clock (`time.time`) when it was begun.
    """

    plan: Plan
    at: float


RESOLUTIONS = RecordBucket(
    name="resolutions", version=1, about="the plans that requests were resolved to", record=Resolution
)


class Resolutions:
    """Keeps resolutions in the store."""

    def __init__(self, store: Store, freshness: Freshness) -> None:
        self._store = store
        self._freshness = freshness

    def find(self, key: str | None) -> Resolution | None:
        """Return a resolution that still stands; offline any age is good."""
        known = self._store.read_record(RESOLUTIONS, key) if key and not self._freshness.upgrade else None
        return known if known is not None and self._freshness.accepts(known.at) else None

    def keep(self, key: str | None, resolution: Resolution) -> None:
        """Remember a resolution."""
        if key is not None:
            self._store.write_record(RESOLUTIONS, key, resolution)


def resolution_key(
    request: Request, target: Target, config: IndexConfig, preferences: Mapping[str, str] | None
) -> str | None:
    """Return the digest of everything a resolution depends on besides the index's answers.

    ``None`` for a request that names a local project to be built: its content must be looked at every time.
    """
    if any(wanted.reference.tree_to_build is not None for wanted in request.wanted):
        return None
    asked = [
        [_plain(wanted) for wanted in request.wanted],
        [_plain(constraint) for constraint in request.constraints],
        [sorted(request.formats.no_binary), sorted(request.formats.only_binary)],
        [request.require_hashes, request.pre, request.prefer_binary, request.config_settings],
        [file.sha256 for file in request.files if any(w.reference.directory for w in request.wanted)],
        [target.identity, config.index_urls, config.find_links],
        sorted((preferences or {}).items()),
    ]
    return hashlib.sha256(json.dumps(asked).encode("utf-8", "surrogatepass")).hexdigest()


def _plain(wanted: Wanted) -> list[object]:
    return [
        wanted.name,
        wanted.specifier,
        wanted.extras,
        wanted.marker,
        encode_for_key(wanted.reference),
        wanted.hashes.values,
        wanted.config_settings,
    ]
