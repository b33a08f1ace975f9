"""Permits for the three resources that work competes for: the network, the compilers, the file system.

A permit is held only while its own resource is used: a download's ends with the last byte, a build's wraps one backend
process and nothing else. Waiting for other work while holding one can deadlock.

Around these are *places*: a task that is to open a lock file or a file of its own takes one first, and keeps it while
they are open, so that a plan of a thousand distributions has no more of them open than one of fifty. There are places
for build environments that are made, in them for sources that are read or built, in these for artifacts on their way
into the store. A task that has one waits for places further in, for locks and for permits, never for one further out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from pytest_fastenv.schedule.descriptors import Shares
from pytest_fastenv.schedule.permits import Permits


class Pools:
    """Three independent limits, or one permit for everything; and places around them.

    :param shares: how many of each.
    :param serial: one permit for all three together: no two pieces of work overlap.
    :ivar builds: how many builds at once.
    :ivar peak: most permits ever held at once, by pool: ``download``, ``build``, ``install``.
    :ivar given: how many permits for work were given so far, of all pools together.
    """

    def __init__(self, shares: Shares, *, serial: bool = False) -> None:
        self.serial = serial
        self.builds = 1 if serial else shares.builds
        limits = {"download": shares.downloads, "build": shares.builds, "install": shares.installs}
        if min(limits.values()) < 1:
            msg = f"a pool needs at least one permit: {limits}"
            raise ValueError(msg)
        shared = Permits(1)
        self._permits = {name: shared if serial else Permits(limit) for name, limit in limits.items()}
        self._one = shared if serial else None
        self._held = dict.fromkeys(limits, 0)
        self.peak: dict[str, int] = dict.fromkeys(limits, 0)
        self.given = 0
        self._artifacts = Permits(shares.artifacts)
        self._sources = Permits(shares.sources)
        self._build_environments = Permits(shares.build_environments)

    def download(self, *, priority: float = 0.0) -> AbstractAsyncContextManager[None]:
        """Hold a permit to transfer around a block; a higher priority goes first, equal ones in order of asking."""
        return self._hold("download", priority)

    def build(self, *, priority: float = 0.0) -> AbstractAsyncContextManager[None]:
        """Hold a permit to run one build backend; see `download`."""
        return self._hold("build", priority)

    def install(self, *, priority: float = 0.0) -> AbstractAsyncContextManager[None]:
        """Hold a permit to unpack or link; see `download`."""
        return self._hold("install", priority)

    def artifact(self, *, priority: float = 0.0) -> AbstractAsyncContextManager[None]:
        """Have a place for an artifact that is brought into the store, around the lock of its key; see `download`."""
        return _place(self._artifacts, priority)

    def source(self) -> AbstractAsyncContextManager[None]:
        """Have a place for a source that is read or built, around the lock of its key."""
        return _place(self._sources)

    def build_environment(self) -> AbstractAsyncContextManager[None]:
        """Have a place for a build environment that is made, around the lock of its key."""
        return _place(self._build_environments)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Hold the one permit of a serial run around work that belongs to no pool; else hold nothing.

        For small work (a page of an index), and for the search for versions, which all other work follows from.
        """
        if self._one is None:
            yield
            return
        await self._one.take()
        try:
            yield
        finally:
            self._one.give_back()

    def held(self, pool: str) -> int:
        """Return how many permits of a pool are held now."""
        return self._held[pool]

    def waiting(self, pool: str) -> int:
        """Return how many wait for a permit of a pool now; in a serial run for the one permit."""
        return self._permits[pool].waiting

    @asynccontextmanager
    async def _hold(self, pool: str, priority: float) -> AsyncIterator[None]:
        permits = self._permits[pool]
        await permits.take(priority)
        self._held[pool] += 1
        self.given += 1
        self.peak[pool] = max(self.peak[pool], self._held[pool])
        try:
            yield
        finally:
            self._held[pool] -= 1
            permits.give_back()


@asynccontextmanager
async def _place(permits: Permits, priority: float = 0.0) -> AsyncIterator[None]:
    await permits.take(priority)
    try:
        yield
    finally:
        permits.give_back()
