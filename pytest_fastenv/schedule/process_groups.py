"""Groups of processes: a program leads one of its own, and all that it started ends with it.

Standard library only, without asyncio: a run of commands starts with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

OWN_GROUP: dict[str, Any]
"""How to start a process as the leader of a group of its own: out of reach of the terminal's Ctrl-C from the first
moment on, and ended with all that it started by `end_group`."""
if sys.platform == "win32":
    OWN_GROUP = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
else:
    OWN_GROUP = {"start_new_session": True}


def end_group(pid: int) -> None:
    """End a process that leads a group, and all others in that group; on Windows that process alone."""
    if sys.platform == "win32":
        signal_group(pid, signal.SIGTERM)  # there it ends a process at once
    else:
        signal_group(pid, signal.SIGKILL)


def signal_group(pid: int, number: int) -> None:
    """Send a signal to a process that leads a group, and to all others in that group; on Windows it alone is ended."""
    with suppress(ProcessLookupError, PermissionError):  # it ended in the same moment
        if sys.platform == "win32":
            os.kill(pid, signal.CTRL_BREAK_EVENT if number == signal.SIGINT else signal.SIGTERM)
        else:
            os.killpg(pid, number)


def group_lives(pid: int) -> bool:
    """Tell whether any process is left in the group that a process leads or led; on Windows nobody knows."""
    if sys.platform == "win32":
        return False
    try:
        os.killpg(pid, 0)
    except PermissionError:
        return True
    except ProcessLookupError:
        return False
    return not os.path.isdir("/proc/self") or any(group == pid for group in _living_groups())


def _living_groups() -> Iterator[int]:
    """Yield the groups of all processes that are more than an exit code that nobody has asked for (Linux).

    In a container those of orphans may stay for good.
    """
    for name in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError, ValueError), open(f"/proc/{name}/stat", "rb") as file:
            state, _parent, group = file.read().rpartition(b")")[2].split()[:3]
            if state not in (b"Z", b"X"):
                yield int(group)


def signal_name(code: int) -> str:
    """Return the name of the signal that an exit code below 0 stands for."""
    with suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
