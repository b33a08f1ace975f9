"""Resolutions that stand: the same request gets the same plan until its maximum age is over.

Two runs an hour apart install the same versions, and a build backend that was released in between does not make every
source distribution build again. A record is keyed by what was asked for, not by which file asked. What it rests on that
lies on this machine is looked at before it is used: archives, trees, directories of links, variables of builds.

::

    resolutions-v3/ab/<key of what was asked>.json
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pytest_fastenv.filesystem.observations import first_change
from pytest_fastenv.index.config import IndexConfig
from pytest_fastenv.model.digest import key_of
from pytest_fastenv.model.freshness import Freshness
from pytest_fastenv.model.observation import Observation
from pytest_fastenv.model.plan import Distribution, Plan, TreeSource
from pytest_fastenv.model.request import IndexOptions, Request
from pytest_fastenv.model.target import Target
from pytest_fastenv.settings.values import NamedIndex
from pytest_fastenv.store.buckets import RecordBucket, Remaking
from pytest_fastenv.store.store import Store


@dataclass(frozen=True, slots=True)
class Resolution:
    """A plan and since when it stands.

    :ivar at: wall clock (`time.time`) when it was begun.
    :ivar key: under which it is remembered.
    :ivar listed: what directories and indexes on this machine's disks listed then.
    :ivar grounds: what else on this machine the plan rests on (`pytest_fastenv.provisioning.grounds`).
    :ivar warnings: what was told when it was made, and is told whenever it is used.
    """

    plan: Plan
    at: float
    key: str
    listed: tuple[Observation, ...] = ()
    grounds: tuple[Observation, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def observed(self) -> tuple[Observation, ...]:
        """Everything that must be as it was for the plan to stand."""
        return (*self.listed, *self.grounds)


RESOLUTIONS = RecordBucket(
    name="resolutions",
    version=3,
    about="the plans that requests were resolved to",
    remaking=Remaking.ASKED,
    record=Resolution,
    projects=lambda resolution: [one.name for one in resolution.plan.distributions],
)


class Resolutions:
    """Keeps resolutions in the store.

    :param environ: environment variables of the run.
    :param anew: what is recorded of users' own trees is not to be used, and with it no plan that holds one.
    """

    def __init__(self, store: Store, freshness: Freshness, environ: Mapping[str, str], *, anew: bool = False) -> None:
        self._store = store
        self._freshness = freshness
        self._environ = environ
        self._anew = anew

    def find(self, key: str) -> Resolution | None:
        """Return a resolution that still stands; offline any age is good."""
        known = self._store.read_record(RESOLUTIONS, key) if not self._freshness.upgrade else None
        if known is None or not self._freshness.accepts(known.at) or (self._anew and own_trees(known.plan)):
            return None
        return known if first_change(known.observed, self._environ) is None else None

    def keep(self, resolution: Resolution) -> None:
        """Remember a resolution in place of the one before."""
        self._store.write_record(RESOLUTIONS, resolution.key, resolution)


def own_trees(plan: Plan) -> list[tuple[Distribution, TreeSource]]:
    """Return the distributions of a plan that are users' own trees, with the trees."""
    found = ((distribution, distribution.source.own_tree) for distribution in plan.distributions)
    return [(distribution, tree) for distribution, tree in found if tree is not None]


@dataclass(frozen=True, slots=True)
class ResolutionKey:
    """Which questions to the resolver are the same one, as long as indexes answer the same.

    :ivar request: all that is asked for, without what it was read from, and without its index options, which are part
        of the configuration.
    :ivar target: identity of the interpreter.
    :ivar index_urls: in their order.
    :ivar find_links: likewise.
    :ivar named_indexes: those that some projects are taken from, likewise.
    :ivar preferences: versions taken where the request leaves the choice.
    :ivar build_variables: patterns of the variables that builds see, which may tell other metadata by them.
    """

    request: Request
    target: str
    index_urls: tuple[str, ...]
    find_links: tuple[str, ...]
    named_indexes: tuple[NamedIndex, ...]
    preferences: Mapping[str, str]
    build_variables: tuple[str, ...]


def resolution_key(
    request: Request,
    target: Target,
    config: IndexConfig,
    preferences: Mapping[str, str] | None,
    build_variables: tuple[str, ...] = (),
) -> str:
    """Return the digest of everything a resolution depends on besides what is looked at: see `Resolution`."""
    asked = ResolutionKey(
        request=replace(request, observed=(), index=IndexOptions()),
        target=target.identity,
        index_urls=tuple(config.index_urls),
        find_links=tuple(config.find_links),
        named_indexes=tuple(config.named),
        preferences=preferences or {},
        build_variables=build_variables,
    )
    return key_of(asked)
