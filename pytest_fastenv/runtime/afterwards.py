"""Processes that do what is left to be done when a session is over; nothing waits for them."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import Any, Mapping, Sequence

_APART: dict[str, Any] = (  # of the terminal's signals, and of whatever waits for the session's processes
    {"start_new_session": True} if os.name == "posix" else {"creationflags": 0x00000208}  # DETACHED, NEW_PROCESS_GROUP
)


def start(words: Sequence[str], environ: Mapping[str, str]) -> None:
    """Start a process and leave it to itself; where none can be had, what it would do is not done.

    :param environ: its environment variables; those of Python, which speak of the session, do not count.
    """
    variables = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
    with contextlib.suppress(OSError):  # the installation is gone, or no process is left
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=variables,
            cwd=os.path.abspath(os.sep),
            **_APART,
        )
        process.returncode = 0  # it is not waited for, so Popen shall not warn
