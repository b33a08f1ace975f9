"""The connection to the supervisor of one hook (`backend_server`): what is said over it, and its end."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.installer.build import remains

LINE_LIMIT_BYTES = 4 * 1024 * 1024
END_WAIT_S = 10.0
WAKE_EVERY_S = 5.0


class ChannelClosedError(Exception):
    """The other side is gone.

    :ivar started: the hook's process id, or 0 when none had been started.
    """

    def __init__(self, started: int = 0) -> None:
        super().__init__(started)
        self.started = started


class Channel:
    """The connection to one hook's supervisor; closing it ends the hook.

    :param guardian: the process that forked the supervisor; else this one.
    :param locks: descriptors of lock files that the hook's processes hold, too.
    :ivar left: what could not be ended, for people: name and process id.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        guardian: int = 0,
        locks: Sequence[int] = (),
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._guardian = guardian or os.getpid()
        self._locks = locks
        self._scratch = ""
        self._hook = 0
        self.supervisor = 0
        self.left: list[str] = []

    @property
    def started(self) -> bool:
        """Whether the hook's process was there."""
        return bool(self._hook)

    async def converse(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send the request and return the report.

        :raises ChannelClosedError: the supervisor ended without one.
        """
        self._scratch = os.path.dirname(request["result"])
        with suppress(ConnectionError):  # reading tells
            self._writer.write(json.dumps(request).encode() + b"\n")
            await self._writer.drain()
        self.supervisor = (await self._message())["supervisor"]
        self._hook = (await self._message())["started"]
        return await self._message()

    async def _message(self) -> dict[str, Any]:
        reading = asyncio.ensure_future(self._reader.readline())
        try:
            while not (await asyncio.wait([reading], timeout=WAKE_EVERY_S))[0]:
                await self._wake()
            line = reading.result()
        except ConnectionError:
            line = b""
        finally:
            reading.cancel()
        if not line.endswith(b"\n"):
            raise ChannelClosedError(self._hook)
        return cast("dict[str, Any]", json.loads(line))

    async def _wake(self) -> None:
        """Let a supervisor go on that was stopped, by what it looks after or by somebody else."""
        if self.supervisor:
            await in_thread(remains.wake, self.supervisor, self._guardian)

    async def end(self, others: Collection[int] | None = None) -> None:
        """Hang up; return when the hook and all that belongs to it have ended, or are known to be `left`.

        :param others: supervisors of other hooks of the same guardian, as far as all of them are known.
        """
        with suppress(OSError):
            if self._writer.can_write_eof():
                self._writer.write_eof()
        await self._wake()
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(END_WAIT_S):
                while await self._reader.read(65536):
                    pass
        await self.sweep(others)

    async def sweep(self, others: Collection[int] | None = None) -> None:
        """End what is left of the hook directly, where its supervisor could not; see `end`."""
        if self.supervisor:
            guardian, locks = self._guardian, self._locks
            hook = remains.Hook(self.supervisor, self._hook, guardian, others, locks, self._scratch)
            self.left = await in_thread(remains.end, hook)

    async def close(self) -> None:
        """Give the connection up."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
