"""A run: what settings come to for each room, and what the run works in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from pytest_fastenv.archive.limits import Limits
from pytest_fastenv.index.config import IndexChoice
from pytest_fastenv.installer.build.policy import BackendPolicy
from pytest_fastenv.installer.overlaps import OverlapPolicy
from pytest_fastenv.installer.wheels import WheelPolicy
from pytest_fastenv.interpreter_downloads.policy import DownloadPolicy
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.freshness import Freshness
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How much goes on at once in this process.

    :ivar serial: no two pieces of work overlap.
    """

    downloads: int
    builds: int
    installs: int
    serial: bool = False


@dataclass(frozen=True, slots=True)
class Policies:
    """Settings, taken apart: to each room what it needs.

    :ivar shares_bytecode: environments get the compiled modules that the store has.
    :ivar lock_timeout_s: how long a slot of the machine is waited for.
    """

    concurrency: Concurrency
    freshness: Freshness
    index: IndexChoice
    limits: Limits
    wheels: WheelPolicy
    overlaps: OverlapPolicy
    backends: BackendPolicy
    downloads: DownloadPolicy
    link: LinkMode
    shares_bytecode: bool
    lock_timeout_s: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take settings apart; no room below provisioning sees them whole."""
        return cls(
            concurrency=Concurrency(
                settings.concurrent_downloads, settings.concurrent_builds, settings.concurrent_installs, settings.serial
            ),
            freshness=Freshness(settings.max_age_s, settings.offline, settings.upgrade),
            index=IndexChoice(
                index_url=settings.index_url,
                extra_index_urls=settings.extra_index_urls,
                find_links=settings.find_links,
                indexes=settings.indexes,
                mirror=settings.python_mirror,
                timeout_s=settings.http_timeout_s,
                offline=settings.offline,
                upgrade=settings.upgrade,
                max_age_s=settings.max_age_s,
            ),
            limits=Limits(expanded_bytes=settings.expansion_mib * _MIB, ratio=settings.expansion_ratio),
            wheels=WheelPolicy(settings.strict, settings.unchecked_records),
            overlaps=OverlapPolicy(settings.allow_overlaps, settings.strict),
            backends=BackendPolicy(
                settings.build_timeout_s,
                settings.build_isolation,
                keep=settings.concurrent_builds + 1,
                variables=settings.build_variables,
                anew=settings.recreate or settings.upgrade or settings.max_age_s <= 0,
            ),
            downloads=DownloadPolicy(settings.python_mirror, settings.python_downloads == "auto", settings.offline),
            link=settings.link,
            shares_bytecode=settings.bytecode == "shared",
            lock_timeout_s=settings.lock_timeout_s,
        )

    def asking_anew(self) -> Self:
        """Return the same, with nothing taken from earlier answers; offline nothing can be asked."""
        if self.freshness.offline:
            return self
        freshness, index = replace(self.freshness, upgrade=True), replace(self.index, upgrade=True)
        return replace(self, freshness=freshness, index=index, backends=replace(self.backends, anew=True))


@dataclass(frozen=True, slots=True)
class Run:
    """What a run works in.

    :ivar environ: environment variables: where pip's configuration is looked for, and what builds are given a part of.
    """

    policies: Policies
    store: Store
    environ: Mapping[str, str]

    @classmethod
    def of(cls, settings: Settings, store: Store, environ: Mapping[str, str]) -> Self:
        """Return a run with some settings."""
        return cls(Policies.of(settings), store, environ)

    @property
    def recorder(self) -> Recorder:
        """Hears what happens while it happens."""
        return self.store.recorder
