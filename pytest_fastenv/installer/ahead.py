"""Fetch and unpack what the resolver has pinned while it still searches.

The search rarely takes a pin back, so nearly all of this is work that would follow anyway. What was taken back after
its bytes had come is counted, and stays in the store for the next run.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from pytest_fastenv.errors import FastenvError
from pytest_fastenv.installer.unpacked import UnpackedWheel
from pytest_fastenv.installer.wheels import Wheels
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.plan import Distribution, WheelSource


class FetchAhead:
    """Begins with pinned wheels early; the installer claims them. Fulfils `PinObserver`.

    For one event loop; `pinned` and `unpinned` are called on it. A failure is not reported here: whoever needs the
    wheel meets it again.
    """

    def __init__(self, wheels: Wheels) -> None:
        self._wheels = wheels
        self._tasks: dict[Artifact, asyncio.Task[UnpackedWheel]] = {}
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

    def pinned(self, distribution: Distribution) -> None:
        """Begin with a distribution, if it is a wheel and not begun yet."""
        source = distribution.source
        if not isinstance(source, WheelSource):
            return  # its source was fetched for its metadata already, and a build may be a long way to nowhere
        if self._names.get(distribution.name, source.artifact) != source.artifact:
            self.unpinned(distribution.name)
        self._names[distribution.name] = source.artifact
        if source.artifact not in self._tasks or self._tasks[source.artifact].cancelled():
            expect = (distribution.name, distribution.version)
            begun = self._wheels.from_artifact(source.artifact, expect)
            self._tasks[source.artifact] = asyncio.get_running_loop().create_task(begun)

    def unpinned(self, name: str) -> None:
        """Give up what the search took back."""
        artifact = self._names.pop(name, None)
        if artifact is not None and artifact not in self._claimed:
            self._tasks[artifact].cancel()

    async def claim(self, artifact: Artifact) -> UnpackedWheel | None:
        """Return a wheel that was begun ahead, waiting for it if need be; once, for the first who asks.

        :return: ``None`` where nothing of use was begun.
        """
        task = self._tasks.get(artifact)
        if task is None or artifact in self._claimed or task.cancelled():
            return None
        self._claimed.add(artifact)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():  # it is the caller that is cancelled
                raise
            return None
        except FastenvError:
            return None

    async def aclose(self) -> None:
        """Give up what nobody claimed and wait for all of it to end. Idempotent."""
        for task in self._tasks.values():
            task.cancel()
        for task in self._tasks.values():
            with suppress(FastenvError, asyncio.CancelledError):
                await asyncio.wait([task])
                task.exception()
