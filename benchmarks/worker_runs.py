"""An environment for each worker of a suite: until its first test runs, and how much disk they take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

from benchmarks import disk
from benchmarks.cases import Case
from benchmarks.disk import Space
from benchmarks.errors import BenchmarkError
from benchmarks.suite import Marks, SuiteLog, read_log, write_suite
from benchmarks.tools import Tool, bare_variables
from benchmarks.workshop import Workshop, failure

#: How environments come about: for each worker, one for all, by as many commands one after the other.
WORKER, SESSION, IN_TURN = "worker", "session", "in turn"
_REMOVAL_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class WorkerRun:
    """One run of the suite in one round; or, by a tool that only makes environments, as many of them.

    :ivar wall_s: the whole command, with a suite also its tests.
    :ivar marks: when what happened in the suite; ``None`` where none was run.
    :ivar removed_s: from the start of the command until nothing is left of the workers' environments, which may be
        later than its end.
    """

    case: str
    tool: str
    mode: str
    round: int
    wall_s: float
    marks: Marks | None = None
    removed_s: float | None = None


@dataclass(frozen=True, slots=True)
class Disk:
    """Disk space of one environment and of those of all workers, hard links counted once.

    :ivar every: of all workers together.
    :ivar with_session: all of them, and the one that they are copies of.
    """

    case: str
    tool: str
    one: Space
    every: Space
    with_session: Space

    @property
    def share(self) -> float:
        """How many times the space of one environment all take."""
        return self.every.bytes / self.one.bytes

    @property
    def share_of_files(self) -> float:
        """The same without what directories take."""
        return (self.every.bytes - self.every.directories) / (self.one.bytes - self.one.directories)

    @classmethod
    def of(cls, case: str, tool: str, spaces: Mapping[str, Sequence[int]]) -> Disk:
        """Return it with spaces as they are in JSON."""
        one, every, with_session = (Space(*spaces[name]) for name in ("one", "every", "with_session"))
        return cls(case, tool, one, every, with_session)


class WorkerCase:
    """Runs a case with workers in all its ways.

    :param tools: those that run a suite, and those that only make environments.
    :param shared: names of those that run it with one environment for all, too.
    """

    def __init__(self, workshop: Workshop, case: Case, tools: Sequence[Tool], shared: Collection[str]) -> None:
        self.case = case
        self._workshop = workshop
        self._suite = workshop.root / "suite"
        modes = [(tool, (WORKER, SESSION)[: 1 + (tool.name in shared)] if tool.suite else (IN_TURN,)) for tool in tools]
        self.ways = [(tool, mode) for tool, own in modes for mode in own]

    def prepare(self, done: set[tuple[str, str, str]]) -> None:
        """Run the suite in each way once: then the session's environment stands, and bytecode is there.

        :param done: ways of sets that are prepared; those of this case come to it.
        """
        if not self._suite.exists():
            write_suite(self._suite)
        for tool, mode in self.ways:
            way = (self.case.wanted.name, tool.name, mode)
            if way in done:
                continue
            done.add(way)
            if tool.suite:
                self._run_suite(tool, mode)
            else:
                self._workshop.fill(self.case.wanted, tool)

    def measure(self, tool: Tool, mode: str, number: int) -> WorkerRun:
        """Run once in one way.

        :raises BenchmarkError: it failed, or the workers are not where they should be.
        """
        if tool.suite:
            wall_s, log, removed_s = self._run_suite(tool, mode)
            return WorkerRun(self.case.key, tool.name, mode, number, wall_s, log.marks, removed_s)
        job = self._workshop.job(self.case, tool, in_turn=True)
        begun_ns = _run(job.script, {}, lambda: job.failure)
        wall_s = (time.monotonic_ns() - begun_ns) / 1e9
        job.check()
        return WorkerRun(self.case.key, tool.name, mode, number, wall_s)

    def measure_disk(self, tool: Tool) -> Disk:
        """Measure the environments of a run while they are there.

        :raises BenchmarkError: it failed, or the environments do not have the same in them.
        """
        if tool.suite:
            output = self._workshop.place("disk") / "disk.json"
            cache = self._workshop.fill(self.case.wanted, tool)
            command = [sys.executable, "-I", "-S", disk.__file__, str(output), str(cache)]
            self._run_suite(tool, WORKER, SUITE_AT_END=json.dumps(command))
            found = json.loads(output.read_text(encoding="ascii"))
            self._check(tool, found.pop("distributions"))
            return Disk.of(self.case.key, tool.name, found)
        job = self._workshop.job(self.case, tool)
        _run(job.script, {}, lambda: job.failure)
        job.check()
        shared = str(self._workshop.fill(self.case.wanted, tool))
        environments = [str(path) for path in job.environments]
        one, every = disk.space(environments[:1], shared), disk.space(environments, shared)
        return Disk(self.case.key, tool.name, one, every, every)

    def _run_suite(self, tool: Tool, mode: str, **variables: str) -> tuple[float, SuiteLog, float]:
        script = self._workshop.suite(self.case, tool, mode, self._suite)
        log = script.with_suffix(".events")
        variables["SUITE_LOG"] = str(log)
        begun_ns = _run(script, variables, lambda: failure(self.case, tool, script))
        wall_s = (time.monotonic_ns() - begun_ns) / 1e9
        ran = read_log(log, begun_ns)
        removed_s = (_removed_ns(set(ran.prefixes.values()) if mode == WORKER else set()) - begun_ns) / 1e9
        count = len(set(ran.prefixes.values()))
        expected = 1 if mode == SESSION else self.case.processes
        if len(ran.prefixes) != self.case.processes or count != expected:
            raise BenchmarkError(f"{tool.name}, scope {mode}: {len(ran.prefixes)} workers in {count} environments")
        return wall_s, ran, removed_s

    def _check(self, tool: Tool, found: Sequence[Sequence[str]]) -> None:
        """Compare what is installed: everything that was asked for, and the same for all workers."""
        of_session = {_distribution(name) for name in found[0]}
        missing = set(self.case.wanted.distributions.items()) - of_session
        if missing or any({_distribution(name) for name in names} != of_session for names in found[1:]):
            raise BenchmarkError(f"{tool.name} made other environments; missing in the session's: {sorted(missing)}")


def prepare(cases: Sequence[WorkerCase]) -> None:
    """Prepare cases, those with few workers first: what stands for one number of workers does for all.

    :raises BenchmarkError: a run failed.
    """
    done: set[tuple[str, str, str]] = set()
    for one in sorted(cases, key=lambda one: one.case.processes):
        one.prepare(done)


def _distribution(dist_info: str) -> tuple[str, str]:
    name, _, version = dist_info.rpartition("-")
    return canonicalize_name(name), str(Version(version))


def _run(script: Path, variables: Mapping[str, str], failure_text: Callable[[], str]) -> int:
    """Run a script to its end; return when it was started, on the clock that the suite uses."""
    os.sync()
    begun_ns = time.monotonic_ns()
    if subprocess.run(["sh", script], check=False, env={**bare_variables(), **variables}).returncode:
        raise BenchmarkError(failure_text())
    return begun_ns


def _removed_ns(prefixes: Iterable[str]) -> int:
    """Wait until nothing is left of some environments, and of what lies beside them; return when that is.

    So nobody has to carry what another run left to be removed.

    :raises BenchmarkError: something stays.
    """
    for directory in {os.path.dirname(prefix) for prefix in prefixes}:
        deadline = time.monotonic() + _REMOVAL_TIMEOUT_S
        while os.path.exists(directory):
            if time.monotonic() > deadline:
                raise BenchmarkError(f"environments of workers are not removed: {directory}")
            time.sleep(0.02)  # the process that removes them tells nobody
    return time.monotonic_ns()
