"""Fetch, unpack and build what the resolver has pinned while it still searches.

The search rarely takes a pin back, so nearly all of this is work that would follow anyway. What was taken back after
its bytes had come is counted, and stays in the store for the next run. Builds are begun only for what no search can
take back; whoever needs their wheels joins them at the builder.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import assert_never

from pytest_fastenv.errors import FastenvError
from pytest_fastenv.installer.unpacked_wheel import Builder, UnpackedWheel
from pytest_fastenv.installer.wheels import Wheels
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.plan import Distribution, SdistSource, TreeSource, WheelSource
from pytest_fastenv.schedule.outcome import Admission


class FetchAhead:
    """Begins with pinned wheels early; the installer claims them. Fulfils `PinObserver`.

    For one event loop; `pinned` and `unpinned` are called on it. A failure is not reported before the wheel is claimed.
    """

    def __init__(self, wheels: Wheels, builder: Builder) -> None:
        self._wheels = wheels
        self._builder = builder
        self._builds: dict[SdistSource, asyncio.Task[UnpackedWheel]] = {}
        self._tasks: dict[Artifact, asyncio.Task[UnpackedWheel]] = {}
        self._admissions: dict[Artifact, Admission] = {}
        self._names: dict[str, Artifact] = {}
        self._claimed: set[Artifact] = set()

    @property
    def wasted_bytes(self) -> int:
        """How much was transferred for wheels that nobody claimed."""
        return sum(
            task.result().fetched_bytes
            for artifact, task in self._tasks.items()
            if artifact not in self._claimed and task.done() and not task.cancelled() and task.exception() is None
        )

    def pinned(self, distribution: Distribution, *, certain: bool = False) -> None:
        """Begin with a distribution that is not begun yet: to fetch a wheel; to build a source, if it is certain."""
        match distribution.source:
            case WheelSource(artifact):
                self._fetch(artifact, distribution)
            case SdistSource() as source:
                if certain and source not in self._builds:
                    begun = self._builder.build(source, distribution.name, distribution.version)
                    self._builds[source] = asyncio.get_running_loop().create_task(begun)
            case TreeSource():
                return
            case _:
                assert_never(distribution.source)

    def _fetch(self, artifact: Artifact, distribution: Distribution) -> None:
        if self._names.get(distribution.name, artifact) != artifact:
            self.unpinned(distribution.name)
        self._names[distribution.name] = artifact
        if artifact not in self._tasks or self._tasks[artifact].cancelled():
            expect = (distribution.name, distribution.version)
            admission = self._admissions[artifact] = Admission()
            fetched = self._wheels.from_artifact(artifact, expect, admission=admission)
            self._tasks[artifact] = asyncio.get_running_loop().create_task(fetched)

    def unpinned(self, name: str) -> None:
        """Give up what the search took back."""
        artifact = self._names.pop(name, None)
        if artifact is not None and artifact not in self._claimed:
            self._tasks[artifact].cancel()

    async def claim(self, artifact: Artifact, admission: Admission | None = None) -> UnpackedWheel | None:
        """Return a wheel that was begun ahead, waiting for it if need be; once, for the first who asks.

        :param admission: a transfer that has no permit yet when it closes is not begun.
        :return: ``None`` where nothing of use was begun, or it failed before anybody needed it.
        :raises FastenvError: it failed now.
        """
        task = self._tasks.get(artifact)
        if task is None or artifact in self._claimed or _has_failed(task):
            return None
        self._claimed.add(artifact)
        if admission is not None:
            admission.lead(self._admissions[artifact])
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():  # it is the caller that is cancelled
                raise
            return None

    async def settled(self) -> list[FastenvError]:
        """Wait until the builds that were begun have ended, and return the failures among them."""
        if self._builds:
            await asyncio.wait(self._builds.values())
        errors = [task.exception() for task in self._builds.values() if not task.cancelled()]
        return [error for error in errors if isinstance(error, FastenvError)]

    async def aclose(self) -> None:
        """Give up what nobody claimed and wait for all of it to end. Idempotent."""
        tasks = [*self._tasks.values(), *self._builds.values()]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(FastenvError, asyncio.CancelledError):
                await asyncio.wait([task])
                task.exception()


def _has_failed(task: asyncio.Task[UnpackedWheel]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
