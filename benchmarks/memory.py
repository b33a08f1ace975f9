"""Peak memory of a run; taken in runs of their own, because looking costs time."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.tools import bare_variables
from benchmarks.workshop import Job

_MONITOR = Path(__file__).with_name("process_tree.py")


@dataclass(frozen=True, slots=True)
class Peak:
    """The most memory that a tool's processes used together.

    :ivar pss_bytes: largest sum of proportional set sizes.
    :ivar without_compiler_bytes: the largest sum of all but a C compiler's, at whatever moment that was.
    :ivar programs: that sum by names of programs, largest first.
    :ivar processes: most processes seen at once, the shell among them.
    :ivar samples: how often was looked.
    """

    case: str
    tool: str
    pss_bytes: int
    without_compiler_bytes: int
    programs: dict[str, int]
    processes: int
    samples: int


def measure_peak(job: Job) -> Peak | None:
    """Run a job while its processes are being watched; ``None`` where there is no ``/proc`` to watch them.

    :raises BenchmarkError: a command failed, or the environment is not what was asked for.
    """
    if not sys.platform.startswith("linux"):
        return None
    output = job.script.with_suffix(".peak.json")
    command = [sys.executable, "-I", "-S", str(_MONITOR), str(output), "sh", str(job.script)]
    if subprocess.run(command, check=False, env=bare_variables()).returncode:
        raise BenchmarkError(job.failure)
    job.check()
    seen = json.loads(output.read_text(encoding="ascii"))
    return Peak(job.case.key, job.tool.name, **seen)
