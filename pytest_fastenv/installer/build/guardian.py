"""Start the processes of `backend_server`, talk to them, and see to their end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.installer.build.channel import END_WAIT_S, LINE_LIMIT_BYTES, Channel, ChannelClosedError
from pytest_fastenv.schedule.descriptors import given_limit
from pytest_fastenv.schedule.outcome import whatever_happens
from pytest_fastenv.schedule.process_groups import OWN_GROUP

_PROGRAM = str(Path(__file__).with_name("backend_server.py"))

HAS_GUARDIAN = hasattr(os, "fork") and hasattr(socket, "send_fds")
#: Apple's frameworks do not survive a fork without exec (CPython's multiprocessing does not fork there either).
FORKS_HOOKS = HAS_GUARDIAN and sys.platform != "darwin"


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
        self.channels: list[Channel] = []

    def others(self, channel: Channel) -> set[int] | None:
        """Return the supervisors of all other hooks; ``None`` while one of them has not told its process id."""
        found = {other.supervisor for other in self.channels if other is not channel}
        return found if 0 not in found else None

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
            self._process.send_signal(signal.SIGCONT)  # what a hook stopped would answer nobody
            ours.setblocking(False)
            streams = await asyncio.open_unix_connection(sock=ours, limit=LINE_LIMIT_BYTES)
        except BaseException as error:
            ours.close()
            if isinstance(error, OSError):
                raise ChannelClosedError from None
            raise
        finally:
            theirs.close()
        self.channels.append(Channel(*streams, self._process.pid, locks))
        return self.channels[-1]

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
                await whatever_happens(channel.sweep(guardian.others(channel)))
                raise
            except BaseException:
                if not channel.started:  # it hangs in the import of the backend, and holds our descriptors
                    self._discard(spec)
                await whatever_happens(channel.end(guardian.others(channel)))
                raise
            finally:
                guardian.channels.remove(channel)
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
        await whatever_happens(in_thread(_wait_for, self._dismissed))
        self._dismissed = []


def _wait_for(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        try:
            process.wait(END_WAIT_S)
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
        limit=LINE_LIMIT_BYTES,
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
