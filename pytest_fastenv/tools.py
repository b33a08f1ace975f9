"""What the work of a run is done with, as one value; `pytest_fastenv.provisioning.tools` opens it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_fastenv.archive.limits import Limits
from pytest_fastenv.index.http import HttpClient
from pytest_fastenv.index.package_index import PackageIndex
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.schedule.pools import Pools
from pytest_fastenv.schedule.process_pool import ProcessPool
from pytest_fastenv.schedule.slots import MachineSlots
from pytest_fastenv.store.store import Store


@dataclass(frozen=True, slots=True)
class Tools:
    """Everything that is shared by the work of one run, for one event loop.

    Rooms are given it open and never close it.

    :ivar http: the client that `index` asks with.
    :ivar pools: permits for transfers, builds and installations in this process.
    :ivar processes: do work on files and bytes.
    :ivar slots: permits for builds on this machine, shared by all processes.
    :ivar limits: how much an archive may hold.
    :ivar environ: environment variables of the run.
    """

    store: Store
    recorder: Recorder
    http: HttpClient
    index: PackageIndex
    pools: Pools
    processes: ProcessPool
    slots: MachineSlots
    limits: Limits
    environ: Mapping[str, str]

    @property
    def offline(self) -> bool:
        """Whether the network is not to be used."""
        return self.http.network.offline

    async def text(self, url: str) -> bytes:
        """Return what a server answers; for small files that are no artifacts.

        :raises NetworkError: it cannot be had.
        """
        return (await self.http.get(url)).content
