"""Rounds in which every tool runs once in each case."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.errors import BenchmarkError
from benchmarks.runners.runners import Runner, environment
from benchmarks.runners.sample import Sample

CaseName = Literal["first", "unchanged", "changed", "matrix"]
CASES: dict[CaseName, str] = {
    "first": "one environment, nothing is there, caches of packages neither",
    "unchanged": "the same again",
    "changed": "the same with another version of one requirement",
    "matrix": "all environments, nothing is there but caches of packages, as much at once as the tool can",
}
_TAIL_LINES = 25


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one tool in one round."""

    case: str
    tool: str
    round: int
    seconds: float


def measure(
    runners: Sequence[Runner],
    sample: Sample,
    cases: Sequence[CaseName],
    number: int,
    work: Path,
    index_url: str,
    programs: Sequence[Path],
    tell: Callable[[str], None],
) -> Iterator[Run]:
    """Run a round: the tools take turns at one case after the other, and in each round another one begins.

    :param number: of the round, from 0.
    :param work: each tool has a project of its own below it in each round, and nothing is removed meanwhile.
    :param programs: directories of interpreters.
    :raises BenchmarkError: a run failed, or tests ran in other environments than they should have.
    """
    courses = []
    for runner in [*runners[number % len(runners) :], *runners[: number % len(runners)]]:
        place = work / f"{number}-{runner.name}"
        courses.append(_Course(runner, sample, place, environment(place / "cache", index_url, programs)))
    for case in (one for one in CASES if one in cases):
        for course in courses:
            seconds = course.run(case)
            tell(f"round {number + 1}: {case}, {course.runner.name}: {seconds:.2f} s")
            yield Run(case, course.runner.name, number, seconds)


class _Course:
    """A tool's way through one round."""

    def __init__(self, runner: Runner, sample: Sample, place: Path, variables: Mapping[str, str]) -> None:
        self.runner = runner
        self._sample = sample
        self._place = place
        self._variables = variables

    def run(self, case: CaseName) -> float:
        """Run a case and return how long it took; what has to be there before it is made without a clock."""
        before, after = self._sample.needs.attrs
        match case:
            case "first":
                self._sample.write(self._place / "project", before)
                return self._timed("project", before)
            case "unchanged" | "changed":
                if not (self._place / "project").is_dir():
                    self.run("first")
                if case == "unchanged":
                    return self._timed("project", before)
                self._sample.write(self._place / "project", after)
                return self._timed("project", after)
            case "matrix":
                # Caches of packages are what a machine has that runs tests each day: another project fills them.
                self._sample.write(self._place / "filling", before)
                self._timed("filling", before, matrix=True)
                environments = self._place / "cache" / "fastenv" / "environments"
                if environments.is_dir():
                    # The tools keep environments in the project; ours, which are kept by content, must not be there.
                    shutil.move(environments, self._place / "environments-of-filling")
                self._sample.write(self._place / "matrix", before)
                return self._timed("matrix", before, matrix=True)

    def _timed(self, directory: str, attrs: str, *, matrix: bool = False) -> float:
        project, ran_in = self._place / directory, self._place / "ran"
        ran_in.mkdir(exist_ok=True)
        command = self.runner.command(self._sample, matrix=matrix)
        began = time.perf_counter()
        ran = subprocess.run(command, cwd=project, env=self._variables, check=False, capture_output=True, text=True)
        seconds = time.perf_counter() - began
        told = (ran.stdout + ran.stderr).splitlines()[-_TAIL_LINES:]
        if ran.returncode:
            raise BenchmarkError("\n".join([f"{shlex.join(command)} failed in {project}:", *told]))
        files = [path.name for path in ran_in.iterdir()]
        names = self._sample.environments(files, attrs)
        wanted = sorted(self._sample.names) if matrix else [self._sample.first]
        if names != wanted:
            what = f"{shlex.join(command)} ran tests in {', '.join(names) or 'nothing'}, not in {', '.join(wanted)}:"
            raise BenchmarkError("\n".join([what, *told]))
        for name in files:
            (ran_in / name).unlink()
        return seconds
