"""Rounds in which every tool runs once in each case."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.errors import BenchmarkError
from benchmarks.runners.runners import Runner, environment
from benchmarks.runners.sample import CHANGED, Sample

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
    rounds: int,
    work: Path,
    index_url: str,
    programs: Sequence[Path],
    tell: Callable[[str], None],
) -> Iterator[Run]:
    """Run everything; the tools take turns within a round, and another one begins in each.

    :param work: an empty directory. Each tool has a project of its own in each round, and nothing is removed meanwhile.
    :param programs: directories of interpreters.
    :raises BenchmarkError: a run failed, or ran other tests than it should have.
    """
    for number in range(rounds):
        turn = [*runners[number % len(runners) :], *runners[: number % len(runners)]]
        for runner in turn:
            place = work / f"{number}-{runner.name}"
            for case, seconds in _round(runner, sample, cases, place, index_url, programs):
                tell(f"round {number + 1}: {runner.name}, {case}: {seconds:.2f} s")
                yield Run(case, runner.name, number, seconds)


def _round(
    runner: Runner,
    sample: Sample,
    cases: Sequence[CaseName],
    place: Path,
    index_url: str,
    programs: Sequence[Path],
) -> Iterator[tuple[CaseName, float]]:
    project, cache = place / "project", place / "cache"
    variables = environment(runner, cache, index_url, programs)

    def timed(*, matrix: bool = False) -> float:
        return _timed(runner, sample, project, variables, matrix=matrix)  # the project of that moment

    sample.write(project)
    seconds = timed()
    if "first" in cases:
        yield "first", seconds
    if "unchanged" in cases:
        yield "unchanged", timed()
    if "changed" in cases:
        sample.write(project, CHANGED)
        yield "changed", timed()
    if "matrix" in cases:
        # Caches of packages are what a machine has that runs tests each day: another project fills them.
        project = place / "filling"
        sample.write(project)
        timed(matrix=True)
        if (store := cache / "fastenv").is_dir():
            # The tools keep environments in the project; of ours, which are kept by content, this one must have none.
            shutil.move(store / "environments", place / "environments-of-filling")
        project = place / "matrix"
        sample.write(project)
        yield "matrix", timed(matrix=True)


def _timed(runner: Runner, sample: Sample, project: Path, variables: dict[str, str], *, matrix: bool) -> float:
    command = runner.command(sample, matrix=matrix)
    began = time.perf_counter()
    ran = subprocess.run(["sh", "-c", command], cwd=project, env=variables, check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if ran.returncode:
        lines = (ran.stdout + ran.stderr).splitlines()[-_TAIL_LINES:]
        raise BenchmarkError("\n".join([f"{command} failed in {project}:", *lines]))
    return seconds
