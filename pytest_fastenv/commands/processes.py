"""Commands as processes: each leads a group of its own, and all of them can be ended from another thread.

Where this process ends, so do they, with all that they started and that did not begin a session of its own.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_fastenv.schedule.process_groups import OWN_GROUP, end_group, group_lives, signal_group

_POLL_S = 0.02
#: How long what was left behind has to end.
_LEFT_S = 2.0


class Stopped(Exception):
    """No command is started any more, or this one was ended because the run is."""


class Processes:
    """The commands that run now, whichever environments they belong to; used by several threads.

    :param patience_s: how long a command has after Ctrl-C, and once more after SIGTERM, before the next harder signal.
    """

    def __init__(self, patience_s: float = 10.0) -> None:
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._left: dict[int, str] = {}
        self._is_stopped = False

    def run(self, owner: str, argv: Sequence[str], *, cwd: Path, environ: Mapping[str, str], **streams: Any) -> int:
        """Run a command to its end and return its exit code: 128 and the signal's number where a signal ended it.

        :param owner: the environment that it belongs to.
        :param streams: ``stdin``, ``stdout``, ``stderr`` of `subprocess.Popen`.
        :raises Stopped: the run is over; nothing is left of the command's leading process.
        :raises OSError: it does not start.
        """
        with self._lock:
            if self._is_stopped:
                raise Stopped
            process = subprocess.Popen(list(argv), cwd=cwd, env=dict(environ), **streams, **OWN_GROUP)
            self._running[process.pid] = process
        code = process.wait()
        with self._lock:
            if group_lives(process.pid):
                self._left[process.pid] = owner
            del self._running[process.pid]
            if self._is_stopped:
                raise Stopped
        return code if code >= 0 else 128 - code

    def end_left(self, owner: str) -> bool:
        """End what an environment's commands have left behind in their groups.

        :return: whether there was anything.
        """
        with self._lock:
            left = [pid for pid, theirs in self._left.items() if theirs == owner]
        alive = [pid for pid in left if group_lives(pid)]
        for pid in alive:
            signal_group(pid, signal.SIGTERM)
        if not self._wait(alive, time.monotonic() + _LEFT_S):
            for pid in alive:
                end_group(pid)
        with self._lock:
            for pid in left:
                self._left.pop(pid, None)
        return bool(alive)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Start no further command, and end those that run, with all that they started.

        They get the signal, after a while SIGTERM, after another while SIGKILL. Blocks until they have ended; may be
        called again, also while it runs: what a `KeyboardInterrupt` interrupts is finished by `kill`.
        """
        with self._lock:
            self._is_stopped = True
        for each in dict.fromkeys((number, signal.SIGTERM)):
            for pid in self._groups():
                signal_group(pid, each)
            if self._wait(self._groups(), time.monotonic() + self._patience_s):
                return
        self.kill()

    def kill(self) -> None:
        """Start no further command, and end those that run at once, with all that they started."""
        with self._lock:
            self._is_stopped = True
        for pid in self._groups():
            end_group(pid)
        self._wait(self._groups(), time.monotonic() + self._patience_s)

    def _groups(self) -> list[int]:
        with self._lock:
            return [*self._running, *self._left]

    def _wait(self, pids: Sequence[int], until: float) -> bool:
        """Wait for the end of groups; say whether all have ended."""
        while any(pid in self._running or group_lives(pid) for pid in pids):
            if time.monotonic() > until:
                return False
            time.sleep(_POLL_S)  # the kernel does not tell when the last of a group has ended
        return True
