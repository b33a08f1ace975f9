"""Figures that follow from runs with workers; each is taken within a round, so what slows a whole round cancels out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.results import Results, Spread
from benchmarks.suite import Marks
from benchmarks.worker_runs import IN_TURN, SESSION, WORKER, WorkerRun

ByRound = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """Figures of one case, by round."""

    results: Results
    case: str

    def runs(self, tool: str, mode: str) -> list[WorkerRun]:
        """Return the runs of a tool in a mode."""
        return [run for run in self.results.worker_runs if (run.case, run.tool, run.mode) == (self.case, tool, mode)]

    def wall(self, tool: str, mode: str) -> ByRound:
        """Return the seconds of the whole command."""
        return {run.round: run.wall_s for run in self.runs(tool, mode)}

    def mark(self, tool: str, mode: str, of: Callable[[Marks], float]) -> ByRound:
        """Return a figure that follows from what the suite wrote down."""
        return {run.round: of(run.marks) for run in self.runs(tool, mode) if run.marks}

    def first_test(self, tool: str, mode: str = WORKER) -> ByRound:
        """Return the time until the first test runs."""
        return self.mark(tool, mode, lambda marks: marks.first_test)

    def provided(self, tool: str) -> ByRound:
        """Return the time for the making of the workers' environments alone."""
        return self.mark(tool, WORKER, lambda marks: marks.prepared - marks.preparing)

    def beyond(self, tool: str) -> ByRound:
        """Return how much later the first test runs than with one environment for all."""
        shared = self.first_test(tool, SESSION)
        return {number: own - shared[number] for number, own in self.first_test(tool).items() if number in shared}

    def by_peer(self, tool: str) -> ByRound:
        """Return the time in which a tool that runs no suite makes as many environments, one after the other."""
        return self.wall(tool, IN_TURN)


def spread(values: ByRound) -> Spread | None:
    """Return the spread over all rounds."""
    return Spread.of(list(values.values()))


def ratio(own: ByRound, other: ByRound) -> Spread | None:
    """Return the spread of one over the other."""
    return Spread.of([value / other[number] for number, value in own.items() if number in other])
