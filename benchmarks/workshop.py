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
        return failure(self.case, self.tool, self.script)

    def check(self) -> None:
        """Look into the environments that the script made.

        :raises BenchmarkError: one has not exactly the distributions of the set.
        """
        for environment in self.environments:
            check_environment(environment, self.case.wanted.distributions, self.tool.name)


def failure(case: Case, tool: Tool, script: Path) -> str:
    """Say that a script failed, with the end of its output."""
    log = script.with_suffix(".log")
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return "\n".join([f"{tool.name} failed in {case.key} ({script}):", *lines[-_LOG_TAIL_LINES:]])


class Workshop:
    """Makes jobs.

    :param index_url: the only index that any tool is told of.
    :ivar root: where it all lies.
    """

    def __init__(self, root: Path, index_url: str) -> None:
        self.root = root
        self._index_url = index_url
        self._runs = 0
        self._filled: dict[tuple[str, str], Path] = {}

    def job(self, case: Case, tool: Tool, *, in_turn: bool = False) -> Job:
        """Prepare a run: an empty cache or a filled one, and no environment.

        :param in_turn: one command after the other instead of all at once.
        """
        place = self.place(case.wanted.name, tool.name)
        cache = place / "cache" if case.state == "cold" else self.fill(case.wanted, tool)
        return self._write(case, tool, cache, place, in_turn=in_turn)

    def suite(self, case: Case, tool: Tool, scope: str, suite: Path) -> Path:
        """Prepare a run of a suite with workers, with a filled cache; return the script for ``sh``."""
        assert tool.suite is not None
        place = self.place(case.wanted.name, tool.name, scope)
        cache = self.fill(case.wanted, tool)
        command = tool.suite(Place(self.requirements(case.wanted), cache, place), case.processes, scope)
        script = place / "run.sh"
        _write_script(script, self._exports(tool, cache), [f"cd {shlex.quote(str(suite))}", f"exec {command}"])
        return script

    def requirements(self, wanted: ArtifactSet) -> Path:
        """Return the set's requirements file."""
        path = self.root / f"{wanted.name}.txt"
        path.write_text(wanted.requirements(), encoding="utf-8")
        return path

    def make_room(self) -> None:
        """Remove earlier runs if space is low; call between rounds."""
        if shutil.disk_usage(self.root).free < _LOW_SPACE_BYTES:
            for path in self.root.glob("run-*"):
                shutil.rmtree(path)
        os.sync()

    def place(self, *words: str) -> Path:
        """Make a new directory for a run."""
        self._runs += 1
        path = self.root / "-".join(["run", f"{self._runs:04}", *words])
        path.mkdir()
        return path

    def fill(self, wanted: ArtifactSet, tool: Tool) -> Path:
        """Return a cache that the tool has filled by making an environment with the set; done once.

        :raises BenchmarkError: it failed.
        """
        key = (wanted.name, tool.name)
        if key not in self._filled:
            place = self.root / f"filled-{wanted.name}-{tool.name}"
            place.mkdir()
            job = self._write(Case(wanted, "cold", 1), tool, place / "cache", place)
            if subprocess.run(["sh", job.script], check=False).returncode:
                raise BenchmarkError(job.failure)
            job.check()
            self._filled[key] = place / "cache"
        return self._filled[key]

    def _write(self, case: Case, tool: Tool, cache: Path, directory: Path, *, in_turn: bool = False) -> Job:
        requirements = self.requirements(case.wanted)
        environments = tuple(directory / f"environment-{number}" for number in range(1, case.processes + 1))
        commands = [tool.command(Place(requirements, cache, environment)) for environment in environments]
        job = Job(case, tool, directory / "run.sh", environments)
        _write_script(
            job.script,
            self._exports(tool, cache),
            [f"{one} || exit 1" for one in commands] if in_turn else _at_once(commands),
        )
        return job

    def _exports(self, tool: Tool, cache: Path) -> list[str]:
        variables = tool.variables(self._index_url, cache)
        return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]


def _write_script(script: Path, exports: Sequence[str], commands: Sequence[str]) -> None:
    lines = [f"exec >{shlex.quote(str(script.with_suffix('.log')))} 2>&1", *exports, *commands, ""]
    script.write_text("\n".join(lines), encoding="utf-8")


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
        quiet = subprocess.DEVNULL  # whoever reads our output through a pipe must not wait for it
        subprocess.Popen(["rm", "-rf", root], start_new_session=True, stdout=quiet, stderr=quiet)
