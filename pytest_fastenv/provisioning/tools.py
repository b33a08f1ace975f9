"""The tools of a run, wired and opened: here, and nowhere else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

from pytest_fastenv.index.config import IndexConfig
from pytest_fastenv.index.http import HttpClient
from pytest_fastenv.index.package_index import PackageIndex
from pytest_fastenv.index.retry import Clock
from pytest_fastenv.model.request import IndexOptions
from pytest_fastenv.provisioning.early import POOL_IMPORTS
from pytest_fastenv.provisioning.run import Run
from pytest_fastenv.schedule.descriptors import Shares, free
from pytest_fastenv.schedule.event_loop import run_briefly
from pytest_fastenv.schedule.pools import Pools
from pytest_fastenv.schedule.process_pool import ProcessPool
from pytest_fastenv.schedule.slots import MachineSlots
from pytest_fastenv.tools import Tools

_NO_OPTIONS = IndexOptions()


class SharedTools:
    """Tools of several runs at once, in one event loop: permits, connections and pool processes are the same for all.

    An asynchronous context manager; leaving it closes connections and ends pool processes. Nothing is connected and
    no process started before it is needed. How much goes on at once is what the settings say, and less where this
    process may have few files open.

    :param run: says how much goes on at once; its store and recorder are those of all.
    :param clock: by which retries pause.
    :ivar pools: permits.
    :ivar processes: the pool.
    """

    def __init__(self, run: Run, *, clock: Clock | None = None) -> None:
        self._run = run
        self._clock = clock
        self._stack = AsyncExitStack()
        self._opened: dict[object, Tools] = {}
        self._opening = asyncio.Lock()
        # As many as cores, not what this process may do at once: all processes of the machine must agree on the number.
        directory, count = run.store.root / "slots", os.cpu_count() or 1
        self._slots = MachineSlots(directory, count, run.recorder, run.policies.lock_timeout_s)
        self._shares: Shares
        self.pools: Pools
        self.processes: ProcessPool
        self._requests: asyncio.Semaphore

    async def __aenter__(self) -> Self:
        concurrency = self._run.policies.concurrency
        wanted = Shares.wanted(
            downloads=concurrency.downloads, builds=concurrency.builds, installs=concurrency.installs
        )
        self._shares = wanted.within(free())
        self.pools = Pools(self._shares, serial=concurrency.serial)
        self._requests = asyncio.Semaphore(self._shares.requests)
        self.processes = await self._stack.enter_async_context(ProcessPool(self._shares.installs, POOL_IMPORTS))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def tools(self, run: Run, options: IndexOptions = _NO_OPTIONS) -> Tools:
        """Return a run's tools. Runs that ask the same indexes in the same way share what they know of them, too.

        :param options: what the request's files say about indexes.
        :raises UsageError: a value is not accepted; the text names the file or variable.
        """
        limits, environ = run.policies.limits, run.environ
        # By what it is made of: credentials are objects of their own each time.
        known = (run.policies.index, options, limits, tuple(sorted(environ.items())))
        async with self._opening:
            if known not in self._opened:
                config = IndexConfig.load(run.policies.index, options, environ)
                client = HttpClient(
                    config.network,
                    config.credentials,
                    clock=self._clock,
                    limit=self._requests,
                    idle=self._shares.requests,
                )
                http = await self._stack.enter_async_context(client)
                store, recorder = self._run.store, self._run.recorder
                index = PackageIndex(config, http, store, self.pools, recorder)
                self._opened[known] = Tools(
                    store, recorder, http, index, self.pools, self.processes, self._slots, limits, environ
                )
        return self._opened[known]


@asynccontextmanager
async def open_tools(
    run: Run, options: IndexOptions = _NO_OPTIONS, *, clock: Clock | None = None
) -> AsyncIterator[Tools]:
    """Give the tools of one run for a block; see `SharedTools`.

    :raises UsageError: a value is not accepted; the text names the file or variable.
    """
    async with SharedTools(run, clock=clock) as shared:
        yield await shared.tools(run, options)


def fetch_text(run: Run, url: str) -> bytes:
    """Return a requirements file from a server. Blocks; not for a thread that runs an event loop.

    :raises NetworkError: it cannot be had.
    """

    async def fetch() -> bytes:
        async with open_tools(run) as tools:
            return await tools.text(url)

    return run_briefly(fetch())
