"""The tools of a run, wired and opened: here, and nowhere else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pytest_fastenv.index.config import IndexConfig
from pytest_fastenv.index.http import HttpClient
from pytest_fastenv.index.package_index import PackageIndex
from pytest_fastenv.index.retry import Clock
from pytest_fastenv.model.request import IndexOptions
from pytest_fastenv.provisioning.run import Run
from pytest_fastenv.schedule.pools import Pools
from pytest_fastenv.schedule.process_pool import ProcessPool
from pytest_fastenv.schedule.slots import MachineSlots
from pytest_fastenv.tools import Tools

_NO_OPTIONS = IndexOptions()


@asynccontextmanager
async def open_tools(
    run: Run, options: IndexOptions = _NO_OPTIONS, *, clock: Clock | None = None
) -> AsyncIterator[Tools]:
    """Give the tools of a run for a block; then connections are closed and pool processes ended.

    Nothing is connected and no process started before it is needed.

    :param options: what the request's files say about indexes.
    :param clock: by which retries pause.
    :raises UsageError: a value is not accepted; the text names the file or variable.
    """
    policies, store, recorder = run.policies, run.store, run.recorder
    config = IndexConfig.load(policies.index, options, run.environ)
    concurrency = policies.concurrency
    pools = Pools(
        downloads=concurrency.downloads,
        builds=concurrency.builds,
        installs=concurrency.installs,
        serial=concurrency.serial,
    )
    # As many as cores, not what this process may do at once: all processes of the machine must agree on the number.
    slots = MachineSlots(store.root / "slots", os.cpu_count() or 1, recorder, policies.lock_timeout_s)
    async with (
        HttpClient(config.network, config.credentials, clock=clock) as http,
        ProcessPool(concurrency.installs) as processes,
    ):
        index = PackageIndex(config, http, store, pools, recorder)
        yield Tools(store, recorder, http, index, pools, processes, slots, policies.limits, run.environ)


def fetch_text(run: Run, url: str) -> bytes:
    """Return a requirements file from a server. Blocks; not for a thread that runs an event loop.

    :raises NetworkError: it cannot be had.
    """

    async def fetch() -> bytes:
        async with open_tools(run) as tools:
            return await tools.text(url)

    return asyncio.run(fetch())
