"""The middle path: what fills an environment is known and lies in the store, so it is linked, and that is all.

Neither index, resolver, build nor HTTP library is imported here, nor is any file of the request read again: that all is
as it was has been looked at (`pytest_fastenv.provisioning.installations`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pytest_fastenv.environment import manifest, supply
from pytest_fastenv.environment.fingerprint import Fingerprint
from pytest_fastenv.environment.places import Missing, Ready
from pytest_fastenv.environment.staging import StagedEnvironment
from pytest_fastenv.installer.linking import Linking
from pytest_fastenv.installer.overlaps import OverlapPolicy
from pytest_fastenv.installer.relink import SpoiltError, check, relink
from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.model.target import Target
from pytest_fastenv.provisioning.answers import Grounds, answered, write_runtime
from pytest_fastenv.provisioning.early import POOL_IMPORTS
from pytest_fastenv.provisioning.installations import Installation
from pytest_fastenv.provisioning.question import Question
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.schedule.descriptors import Shares, free
from pytest_fastenv.schedule.pools import Pools
from pytest_fastenv.schedule.process_pool import ProcessPool
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store

if TYPE_CHECKING:
    from pytest_fastenv.provisioning.tools import SharedTools


async def make_again(
    asked: Question,
    store: Store,
    target: Target,
    known: Installation,
    missing: Missing,
    *,
    shared: SharedTools | None = None,
) -> Ready | None:
    """Return an environment that holds what is known to answer a question.

    :param known: see `find_installation`.
    :param missing: why the environment that the question led to before may not be used.
    :param shared: tools of several environments that are made at once.
    :return: ``None`` where the store does not hold it any more as it was: then all has to be gone through.
    """
    settings = asked.settings
    fingerprint = Fingerprint.kept(known.fingerprint, known.parts)

    async with store.making(), _means(settings, shared) as (pools, processes):

        async def fill(staged: StagedEnvironment) -> Summary:
            overlaps = OverlapPolicy(settings.allow_overlaps, settings.strict)
            linking = Linking(staged, settings.link, overlaps, pools, processes, store.recorder)
            shares = settings.bytecode == "shared"
            await relink(known.links, staged, linking, store, WHEELS, shares_bytecode=shares)
            if known.takes_runtime:
                write_runtime(staged.prefix / target.schemes["purelib"], asked.needs.runtime)
            manifest.write_plan_text(staged.prefix, known.plan.encode())
            count = len(known.links)
            return Summary(distributions=count, cached=count, warnings=known.warnings)

        place = asked.place(store)
        try:
            if missing.reason:  # an edit may have reached the store through a link
                await check(known.links, store, WHEELS, processes)
            ready = await supply.provide(
                place, target, fingerprint, fill, recreate=settings.recreate, previous=missing.previous
            )
        except SpoiltError:
            return None
    grounds = Grounds(known.observed, known.resolved_at, known.pip_settings, known.answer_warnings)
    return answered(asked, store, ready, grounds, missing)


@asynccontextmanager
async def _means(settings: Settings, shared: SharedTools | None) -> AsyncIterator[tuple[Pools, ProcessPool]]:
    """Give permits and processes for a block: those of several environments, or its own."""
    if shared is not None:
        yield shared.pools, shared.processes
        return
    shares = Shares.wanted(downloads=1, builds=1, installs=settings.concurrent_installs).within(free())
    async with ProcessPool(shares.installs, POOL_IMPORTS) as processes:
        yield Pools(shares, serial=settings.serial), processes
