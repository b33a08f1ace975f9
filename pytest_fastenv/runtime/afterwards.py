"""Processes that do what is left to be done when a session is over; nothing waits for them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import Any, Mapping, Sequence

from .unfollowed import unfollowed

_APART: dict[str, Any] = (  # of the terminal's signals, and of whatever waits for the session's processes
    {"start_new_session": True} if os.name == "posix" else {"creationflags": 0x00000208}  # DETACHED, NEW_PROCESS_GROUP
)
#: A child of nobody's: what this process becomes may wait for all of its children.
_WAIT = """\
import json, os, select, subprocess, sys, time
if os.fork():
    os._exit(0)
try:
    if hasattr(os, "pidfd_open"):
        select.select([os.pidfd_open(int(sys.argv[1]))], [], [])
    else:
        while True:
            os.kill(int(sys.argv[1]), 0)
            time.sleep(0.5)
except (OSError, ValueError):
    pass
for words in json.loads(sys.argv[2]):
    subprocess.call(words)
"""


def start(words: Sequence[str], environ: Mapping[str, str]) -> None:
    """Start a process and leave it to itself; where none can be had, what it would do is not done.

    :param environ: its environment variables; those of Python, which speak of the session, do not count.
    """
    process = _start(words, environ)
    if process is not None:
        process.returncode = 0  # it is not waited for, so Popen shall not warn


def start_apart(words: Sequence[str], environ: Mapping[str, str]) -> None:
    """Run a program that leaves a process behind and ends; that process is nobody's child.

    :param environ: see `start`.
    """
    process = _start(words, environ)
    if process is not None:
        process.wait()


def start_after_this(commands: Sequence[Sequence[str]], environ: Mapping[str, str]) -> None:
    """Have programs run, one after the other, when this process has ended, whatever it has become by then.

    :param environ: see `start`.
    """
    if not commands:
        return
    words = [sys.executable, "-I", "-S", "-c", _WAIT, str(os.getpid()), json.dumps([list(words) for words in commands])]
    start_apart(words, environ)


def _start(words: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes] | None:
    variables = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
    with contextlib.suppress(OSError), unfollowed():  # the installation is gone, or no process is left
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=variables,
            cwd=os.path.abspath(os.sep),
            **_APART,
        )
    return None
