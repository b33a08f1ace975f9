"""The directory in which environments are made, and the scripts that make them.

Every run gets directories of its own, and nothing is removed between two timings: removing tens of thousands of files
takes long, and goes on in the kernel while the next tool is being timed.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.checks import check_environment
from benchmarks.errors import BenchmarkError
from benchmarks.sets import ArtifactSet
from benchmarks.tools import Place, Tool

#: Below this much free space what earlier rounds made is removed, between rounds.
_LOW_SPACE_BYTES = 20 * 2**30
_LOG_TAIL_LINES = 25


@dataclass(frozen=True, slots=True)
class Job:
    """A run that is ready to be started.

    :ivar script: for ``sh``; makes all environments and fails if one of the commands fails.
    """

    case: Case
    tool: Tool
    script: Path
    environments: tuple[Path, ...]

    @property
    def failure(self) -> str:
        """What to say when the script failed: the end of its output."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
        return "\n".join([f"{self.tool.name} failed in {self.case.key} ({self.script}):", *lines[-_LOG_TAIL_LINES:]])

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.script.with_suffix(".log")

    def check(self) -> None:
        """Look into the environments that the script made.

        :raises BenchmarkError: one has not exactly the distributions of the set.
        """
        for environment in self.environments:
            check_environment(environment, self.case.wanted.distributions, self.tool.name)


class Workshop:
    """Makes jobs.

    :param index_url: the only index that any tool is told of.
    """

    def __init__(self, root: Path, index_url: str) -> None:
        self._root = root
        self._index_url = index_url
        self._runs = 0
        self._filled: dict[tuple[str, str], Path] = {}

    def job(self, case: Case, tool: Tool) -> Job:
        """Prepare a run: an empty cache or a filled one, and no environment."""
        if case.state == "cold":
            place = self._place(case.wanted.name, tool.name)
            return self._write(case, tool, place / "cache", place)
        cache = self.fill(case.wanted, tool)
        return self._write(case, tool, cache, self._place(case.wanted.name, tool.name))

    def requirements(self, wanted: ArtifactSet) -> Path:
        """Return the set's requirements file."""
        path = self._root / f"{wanted.name}.txt"
        path.write_text(wanted.requirements(), encoding="utf-8")
        return path

    def make_room(self) -> None:
        """Remove earlier runs if space is low; call between rounds."""
        if shutil.disk_usage(self._root).free < _LOW_SPACE_BYTES:
            for path in self._root.glob("run-*"):
                shutil.rmtree(path)
        os.sync()

    def _place(self, *words: str) -> Path:
        self._runs += 1
        path = self._root / "-".join(["run", f"{self._runs:04}", *words])
        path.mkdir()
        return path

    def fill(self, wanted: ArtifactSet, tool: Tool) -> Path:
        """Return a cache that the tool has filled by making an environment with the set; done once.

        :raises BenchmarkError: it failed.
        """
        key = (wanted.name, tool.name)
        if key not in self._filled:
            place = self._root / f"filled-{wanted.name}-{tool.name}"
            place.mkdir()
            job = self._write(Case(wanted, "cold", 1), tool, place / "cache", place)
            if subprocess.run(["sh", job.script], check=False).returncode:
                raise BenchmarkError(job.failure)
            job.check()
            self._filled[key] = place / "cache"
        return self._filled[key]

    def _write(self, case: Case, tool: Tool, cache: Path, directory: Path) -> Job:
        requirements = self.requirements(case.wanted)
        environments = tuple(directory / f"environment-{number}" for number in range(1, case.processes + 1))
        commands = [tool.command(Place(requirements, cache, environment)) for environment in environments]
        exports = [
            f"export {name}={shlex.quote(value)}" for name, value in tool.variables(self._index_url, cache).items()
        ]
        job = Job(case, tool, directory / "run.sh", environments)
        lines = [f"exec >{shlex.quote(str(job.log))} 2>&1", *exports, *_at_once(commands)]
        job.script.write_text("\n".join([*lines, ""]), encoding="utf-8")
        return job


def _at_once(commands: Sequence[str]) -> list[str]:
    if len(commands) == 1:
        return list(commands)
    started = [line for command in commands for line in (f"{{ {command}; }} &", 'pids="$pids $!"')]
    return ["pids=", *started, "code=0", 'for pid in $pids; do wait "$pid" || code=1; done', "exit $code"]


@contextlib.contextmanager
def open_workshop(parent: Path, index_url: str) -> Iterator[Workshop]:
    """Make a workshop; at the end its files are removed in the background."""
    parent.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="workshop-", dir=parent))
    try:
        yield Workshop(root, index_url)
    finally:
        subprocess.Popen(["rm", "-rf", root], start_new_session=True)
