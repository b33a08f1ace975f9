"""Resolutions that stand: the same request gets the same plan until its maximum age is over.

Two runs an hour apart install the same versions, and a build backend that was released in between does not make every
source distribution build again. A record is keyed by what was asked for, not by which file asked.

::

    resolutions-v1/ab/<key of what was asked>.json
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pytest_fastenv.index.config import IndexConfig
from pytest_fastenv.model.digest import key_of
from pytest_fastenv.model.freshness import Freshness
from pytest_fastenv.model.plan import Plan
from pytest_fastenv.model.request import IndexOptions, Request
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


@dataclass(frozen=True, slots=True)
class ResolutionKey:
    """Which questions to the resolver are the same one, as long as indexes answer the same.

    :ivar request: all that is asked for, without what it was read from, and without its index options, which are part
        of the configuration.
    :ivar trees: digests of what was read, where a project's directory is asked for: its metadata is among that.
    :ivar target: identity of the interpreter.
    :ivar index_urls: in their order.
    :ivar find_links: likewise.
    :ivar preferences: versions taken where the request leaves the choice.
    """

    request: Request
    trees: tuple[str, ...]
    target: str
    index_urls: tuple[str, ...]
    find_links: tuple[str, ...]
    preferences: Mapping[str, str]


def resolution_key(
    request: Request, target: Target, config: IndexConfig, preferences: Mapping[str, str] | None
) -> str | None:
    """Return the digest of everything a resolution depends on besides the index's answers.

    ``None`` for a request that names a local project to be built: its content must be looked at every time.
    """
    if any(wanted.reference.tree_to_build is not None for wanted in request.wanted):
        return None
    has_trees = any(wanted.reference.directory for wanted in request.wanted)
    asked = ResolutionKey(
        request=replace(request, files=(), variables=(), index=IndexOptions()),
        trees=tuple(file.sha256 for file in request.files) if has_trees else (),
        target=target.identity,
        index_urls=tuple(config.index_urls),
        find_links=tuple(config.find_links),
        preferences=preferences or {},
    )
    return key_of(asked)
