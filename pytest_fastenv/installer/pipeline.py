"""The installer: one graph in which every distribution moves on as soon as it can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pytest_fastenv.installer.unpacked import UnpackedWheel
from pytest_fastenv.installer.wheels import Wheels
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.plan import Plan, SdistSource, TreeSource
from pytest_fastenv.model.protocols import Draft
from pytest_fastenv.schedule.pools import Pools
from pytest_fastenv.schedule.workers import FileWorkers
from pytest_fastenv.settings import Settings


class Builder(Protocol):
    """Builds wheels from source (the build part of this room does; tests bring their own)."""

    async def build(self, source: SdistSource | TreeSource, name: str, version: str) -> UnpackedWheel:
        """Return the wheel of a source: from the store, or built now. Records the ``build`` span itself."""


@dataclass(frozen=True, slots=True)
class InstallReport:
    """What an installation did, in numbers for the summary."""

    distributions: int
    cached: int
    fetched: int
    built: int
    fetched_bytes: int


class Installer:
    """Executes plans. (Under construction.)"""

    def __init__(
        self,
        wheels: Wheels,
        builder: Builder,
        pools: Pools,
        workers: FileWorkers,
        recorder: Recorder,
        settings: Settings,
    ) -> None:
        self._wheels = wheels
        self._builder = builder
        self._pools = pools
        self._workers = workers
        self._recorder = recorder
        self._settings = settings

    async def install(self, plan: Plan, draft: Draft) -> InstallReport:
        """Fill a draft with a plan's distributions."""
        raise NotImplementedError
