"""The linking of one installation: each distribution, what it has in common with others, and what is told of that.

Imported where everything lies in the store already, so nothing here knows of indexes, downloads or builds.
"""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING, NamedTuple

from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.installer.bytecode import BYTECODE, bytecode_key
from pytest_fastenv.installer.link import Destination, Linked, LinkOrder
from pytest_fastenv.installer.links import Links
from pytest_fastenv.installer.overlaps import OverlapPolicy
from pytest_fastenv.model.events import Recorder, Span
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.model.target import Target
from pytest_fastenv.schedule.pools import Pools
from pytest_fastenv.schedule.process_pool import ProcessPool
from pytest_fastenv.store.store import Store

if TYPE_CHECKING:
    from pytest_fastenv.model.protocols import Staging  # brings plans along, which not everybody has in hand


class Told(NamedTuple):
    """What the span of a link tells.

    :ivar source: where the wheel came from in this run.
    :ivar key: its SHA-256.
    """

    version: str
    source: str
    key: str


class Linking:
    """Links distributions into one environment.

    :ivar warnings: what people should know of the environment.
    """

    def __init__(
        self,
        staging: Staging,
        mode: LinkMode,
        overlaps: OverlapPolicy,
        pools: Pools,
        processes: ProcessPool,
        recorder: Recorder,
    ) -> None:
        self._staging = staging
        self._mode = mode
        self._overlaps = overlaps
        self._recorder = recorder
        self._links = Links(_destination(staging, mode), pools, processes)
        self._orders: list[LinkOrder] = []
        self._methods: set[LinkMode] = set()
        self.warnings: list[str] = []

    async def link(self, order: LinkOrder, files: int, told: Told) -> Linked:
        """Link a distribution; where the store's files are not what they were, nothing is linked, as the answer tells.

        :param files: how many it has.
        :raises ConflictError: it and another one bring different files to one place.
        :raises StoreError: the environment cannot be written.
        """
        self._orders.append(order)
        linked = await self._links.link(order, files)
        if linked.changed:
            self._orders.remove(order)
            return linked
        args: dict[str, str | int] = {"version": told.version, "source": told.source, "key": told.key}
        args |= {"bytes": linked.size_bytes, "files": linked.files}
        self._recorder.add(Span("link", order.name, linked.start_ns, linked.end_ns, args))
        self._methods.update(linked.methods)
        if linked.taken or linked.blocked:
            await in_thread(self._links.judged, order, linked, tuple(self._orders), self._overlaps)
        return linked

    async def settled(self) -> None:
        """Give what several distributions bring to one of them, tell of it, and say what is known of all files."""
        for level, text in await in_thread(self._links.settled, tuple(self._orders), self._overlaps):
            self._recorder.notice(level, text, of="environment")
            if level == "warning":
                self.warnings.append(text)
        self._staging.knows(self._links.known)
        if self._mode.names_a_way and self._methods - {self._mode}:
            found = " and ".join(sorted(self._methods))
            text = f"link method {self._mode} is not possible here for all files: used {found}"
            self._recorder.notice("info", text)


def bytecode_entry(store: Store, sha256: str, target: Target) -> str:
    """Return the store entry with a wheel's compiled modules; empty where there is none."""
    return str(store.lookup(BYTECODE, bytecode_key(sha256, target)) or "")


def _destination(staging: Staging, mode: LinkMode) -> Destination:
    target = staging.target
    scripts = target.schemes["scripts"]
    windows = target.platform.startswith("win")
    python = posixpath.join(staging.final, scripts, "python.exe" if windows else "python")
    return Destination(os.fspath(staging.prefix), os.path.normpath(python), dict(target.schemes), target.platform, mode)
