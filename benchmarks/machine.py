"""The machine that is measured on, and how quiet it is."""

from __future__ import annotations

import hashlib
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

_WORK = bytes(64 * 2**20)


def describe(directory: Path, python: str) -> dict[str, str]:
    """Return what a reader has to know of the machine, by what it is.

    :param directory: where environments are made.
    """
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "file system": file_system(directory),
        "interpreter": python,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def file_system(directory: Path) -> str:
    """Return the kind of file system that a directory lies on."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return "unknown"
    place = directory.resolve()
    fitting = [(point, kind) for point, kind in mounts if place.is_relative_to(point)]
    return max(fitting, key=lambda mount: len(mount[0]))[1] if fitting else "unknown"


@dataclass(frozen=True, slots=True)
class Quiet:
    """How quiet the machine is at the beginning of a round, while the benchmark itself does nothing.

    :ivar busy: share of all cores' time, 0 to 1, that others used for half a second; ``None`` where it cannot be read.
    :ivar work_s: time for a fixed piece of work on one core: its spread over the rounds is the machine's own.
    """

    busy: float | None
    work_s: float


def look_around() -> Quiet:
    """Watch for half a second, then do the fixed piece of work."""
    before = _ticks()
    time.sleep(0.5)  # what others use of the processor is counted over a time
    after = _ticks()
    busy = None
    if before and after and after[1] > before[1]:
        busy = (after[0] - before[0]) / (after[1] - before[1])
    begun = time.perf_counter()
    hashlib.sha256(_WORK).digest()
    return Quiet(busy, time.perf_counter() - begun)


def _ticks() -> tuple[int, int] | None:
    """Return busy and all clock ticks of all cores since the start of the system; stolen ones count as busy."""
    try:
        first = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0]
    except OSError:
        return None
    ticks = [int(word) for word in first.split()[1:9]]
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, sum(ticks)
