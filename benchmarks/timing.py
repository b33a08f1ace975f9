"""Wall and processor time of one run, measured by hyperfine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass

from benchmarks.errors import BenchmarkError
from benchmarks.tools import bare_variables
from benchmarks.workshop import Job


@dataclass(frozen=True, slots=True)
class Timing:
    """One run of one tool in one round."""

    case: str
    tool: str
    round: int
    wall_s: float
    user_s: float
    system_s: float


def hyperfine_version() -> str:
    """Return what hyperfine says of itself.

    :raises BenchmarkError: it is not there.
    """
    if shutil.which("hyperfine") is None:
        raise BenchmarkError("hyperfine is not there: install it (apt-get install hyperfine, brew install hyperfine)")
    return subprocess.run(["hyperfine", "--version"], capture_output=True, text=True, check=True).stdout.strip()


def measure(job: Job, number: int) -> Timing:
    """Run a job once and check what it made.

    What earlier runs wrote is on disk before the clock starts, so that nobody pays for his predecessor.

    :raises BenchmarkError: a command failed, or the environment is not what was asked for.
    """
    os.sync()
    output = job.script.with_suffix(".json")
    command = ["hyperfine", "--runs", "1", "--shell", "none", "--style", "none", "--export-json", str(output)]
    ran = subprocess.run([*command, f"sh '{job.script}'"], check=False, capture_output=True, env=bare_variables())
    if ran.returncode:
        raise BenchmarkError(job.failure)
    job.check()
    result = json.loads(output.read_text(encoding="utf-8"))["results"][0]
    return Timing(job.case.key, job.tool.name, number, result["mean"], result["user"], result["system"])
