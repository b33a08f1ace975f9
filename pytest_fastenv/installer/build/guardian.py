"""Start the processes of `backend_server`, talk to them, and see to their end."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pytest_fastenv.schedule.descriptors import given_limit
from pytest_fastenv.schedule.outcome import whatever_happens
from pytest_fastenv.schedule.process_groups import OWN_GROUP, end_group

_PROGRAM = str(Path(__file__).with_name("backend_server.py"))
_LINE_LIMIT_BYTES = 4 * 1024 * 1024
_END_WAIT_S = 10.0

HAS_GUARDIAN = hasattr(os, "fork") and hasattr(socket, "send_fds")
#: Apple's frameworks do not survive a fork without exec (CPython's multiprocessing does not fork there either).
FORKS_HOOKS = HAS_GUARDIAN and sys.platform != "darwin"


class ChannelClosedError(Exception):
    """The other side is gone.

    :ivar started: the hook's process id, or 0 when none had been started.
    """

    def __init__(self, started: int = 0) -> None:
        super().__init__(started)
        self.started = started


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """What the hooks of one guardian have in common.

    :ivar python: the build environment's interpreter.
    :ivar variables: environment variables, sorted.
    :ivar preload: modules to import once, separated by commas; empty for none.
    :ivar own_interpreter: start a new interpreter for each hook instead of forking.
    """

    python: Path
    variables: tuple[tuple[str, str], ...]
    preload: str = ""
    own_interpreter: bool = False

    def plain(self) -> ServerSpec:
        """Return the spec of the same hooks without anything imported before."""
        return ServerSpec(self.python, self.variables, "", self.own_interpreter)


class Channel:
    """The connection to one hook's supervisor; closing it ends the hook."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._hook = 0

    @property
    def started(self) -> bool:
        """Whether the hook's process was there."""
        return bool(self._hook)

    async def converse(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send the request and return the report.

        :raises ChannelClosedError: the supervisor ended without one.
        """
        with suppress(ConnectionError):  # reading tells
            self._writer.write(json.dumps(request).encode() + b"\n")
            await self._writer.drain()
        self._hook = (await self._message())["started"]
        return await self._message()

    async def _message(self) -> dict[str, Any]:
        try:
            line = await self._reader.readline()
        except ConnectionError:
            line = b""
        if not line.endswith(b"\n"):
            raise ChannelClosedError(self._hook)
        return cast("dict[str, Any]", json.loads(line))

    async def end(self) -> None:
        """Hang up; return when the supervisor has ended the hook and all that belongs to it, and itself."""
        with suppress(OSError):
            if self._writer.can_write_eof():
                self._writer.write_eof()
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(_END_WAIT_S):
                while await self._reader.read(65536):
                    pass
        self.kill()

    def kill(self) -> None:
        """End the hook's group directly, where its supervisor could not."""
        if self._hook and sys.platform != "win32":  # there its number may be another process's by now
            end_group(self._hook)

    async def close(self) -> None:
        """Give the connection up."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


class Guardian:
    """A process that has a backend imported and forks a supervisor per hook.

    :raises OSError: the interpreter cannot be started.
    """

    def __init__(self, spec: ServerSpec) -> None:
        self._control, theirs = socket.socketpair()
        processes = "new" if spec.own_interpreter else "fork"
        words = ["serve", str(theirs.fileno()), spec.preload, processes, str(given_limit())]
        try:
            self._process = subprocess.Popen(
                [str(spec.python), "-I", _PROGRAM, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd=os.sep,
                env=dict(spec.variables),
                **OWN_GROUP,
            )
        except BaseException:
            self._control.close()
            raise
        finally:
            theirs.close()
        self.users = 0

    @property
    def alive(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    async def open(self, locks: Sequence[int]) -> Channel:
        """Have a supervisor forked that keeps the lock files open.

        :raises ChannelClosedError: the guardian is gone.
        """
        ours, theirs = socket.socketpair()
        try:
            socket.send_fds(self._control, [b"+"], [theirs.fileno(), *locks])
            ours.setblocking(False)
            return Channel(*await asyncio.open_unix_connection(sock=ours, limit=_LINE_LIMIT_BYTES))
        except BaseException as error:
            ours.close()
            if isinstance(error, OSError):
                raise ChannelClosedError from None
            raise
        finally:
            theirs.close()

    def dismiss(self) -> subprocess.Popen[bytes]:
        """Let the process end; return it to be waited for."""
        self._control.close()
        return self._process

    def kill(self) -> None:
        """End a process that does not answer (its import hangs)."""
        self._process.kill()


class Guardians:
    """Guardians by what their hooks have in common; the least recently used idle ones are dismissed.

    :param keep: how many may stay without anything to do.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._guardians: dict[ServerSpec, Guardian] = {}
        self._dismissed: list[subprocess.Popen[bytes]] = []

    @asynccontextmanager
    async def channel(self, spec: ServerSpec, locks: Sequence[int]) -> AsyncIterator[Channel]:
        """Open a channel for one hook around a block; when the block is left early, the hook is ended first.

        :raises OSError: the interpreter cannot be started.
        :raises ChannelClosedError: its process has ended at once.
        """
        if not HAS_GUARDIAN:
            async with _supervisor(spec) as channel:
                yield channel
            return
        guardian = self._take(spec)
        try:
            channel = await guardian.open(locks)
            try:
                yield channel
            except ChannelClosedError:
                channel.kill()
                raise
            except BaseException:
                if not channel.started:  # it hangs in the import of the backend, and holds our descriptors
                    self._discard(spec)
                await whatever_happens(channel.end())
                raise
            finally:
                await channel.close()
        finally:
            guardian.users -= 1

    def _take(self, spec: ServerSpec) -> Guardian:
        guardian = self._guardians.pop(spec, None)
        if guardian is not None and not guardian.alive:
            self._dismissed.append(guardian.dismiss())
            guardian = None
        if guardian is None:
            guardian = Guardian(spec)
        guardian.users += 1
        self._guardians[spec] = guardian  # last: the most recently used
        idle = [key for key, known in self._guardians.items() if not known.users]
        for key in idle[: max(len(idle) - self._keep, 0)]:
            self._dismissed.append(self._guardians.pop(key).dismiss())
        self._dismissed = [process for process in self._dismissed if process.poll() is None]
        return guardian

    def _discard(self, spec: ServerSpec) -> None:
        guardian = self._guardians.pop(spec, None)
        if guardian is not None:
            guardian.kill()
            self._dismissed.append(guardian.dismiss())

    async def aclose(self) -> None:
        """Dismiss all guardians and wait for their end. Idempotent."""
        guardians, self._guardians = self._guardians, {}
        self._dismissed += [guardian.dismiss() for guardian in guardians.values()]
        await whatever_happens(asyncio.to_thread(_wait_for, self._dismissed))
        self._dismissed = []


def _wait_for(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        try:
            process.wait(_END_WAIT_S)
        except subprocess.TimeoutExpired:  # it hangs in the import of a backend
            process.kill()
            process.wait()


@asynccontextmanager
async def _supervisor(spec: ServerSpec) -> AsyncIterator[Channel]:
    """Start a supervisor directly, with pipes for a channel: where processes cannot fork or hand on descriptors."""
    process = await asyncio.create_subprocess_exec(
        str(spec.python),
        "-I",
        _PROGRAM,
        "supervise",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=dict(spec.variables),
        limit=_LINE_LIMIT_BYTES,
        **OWN_GROUP,
    )
    channel = Channel(cast("asyncio.StreamReader", process.stdout), cast("asyncio.StreamWriter", process.stdin))
    try:
        yield channel
    except BaseException:
        await whatever_happens(channel.end())
        raise
    finally:
        await channel.close()
        await whatever_happens(process.wait())
