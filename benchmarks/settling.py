"""Waiting for what sessions leave to be done when they are over: it is done by others than they."""

from __future__ import annotations

import os
import time
from pathlib import Path

_LIMIT_S = 120.0


def settle(directory: Path) -> None:
    """Wait until no process works in a directory any more, as far as command lines tell; two minutes at most."""
    deadline = time.monotonic() + _LIMIT_S
    while time.monotonic() < deadline and any(os.fsencode(directory) in line for line in _command_lines()):
        time.sleep(0.1)  # they tell nobody when they end


def _command_lines() -> list[bytes]:
    """Return the command lines of all processes but this one (Linux)."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        if path.parent.name == str(os.getpid()):
            continue
        try:
            lines.append(path.read_bytes())
        except OSError:  # it has ended
            continue
    return lines
