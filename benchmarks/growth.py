"""How seconds grow with the number of environments that are made for the workers of a suite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.results import Results, Spread
from benchmarks.tables import table
from benchmarks.worker_figures import ByRound, WorkerFigures, ratio, spread
from benchmarks.worker_runs import IN_TURN, SESSION, WORKER


class Slope(NamedTuple):
    """From few environments to many.

    :ivar times: seconds of the many over seconds of the few.
    :ivar each_s: what each further environment takes.
    """

    times: Spread
    each_s: Spread

    def __str__(self) -> str:
        """Return it for a table."""
        return f"{self.times}; {self.each_s.median:.3f} s for each further one"


class Curve(NamedTuple):
    """One kind of seconds of one tool, by number of environments.

    :ivar until_test: until the first test runs; otherwise for the making of the environments alone.
    """

    tool: str
    until_test: bool
    seconds: dict[int, ByRound]
    one_for_all: bool = False

    @property
    def text(self) -> str:
        """What it is, for a reader."""
        what = "until the first test" if self.until_test else "making them alone"
        return f"{self.tool}, {'one environment for all, ' if self.one_for_all else ''}{what}"

    def slope(self, few: int, many: int) -> Slope | None:
        """Return how it grows, taken within each round; ``None`` where one of the two was not measured."""
        less, more = self.seconds.get(few, {}), self.seconds.get(many, {})
        times = ratio(more, less)
        each_s = spread({number: (more[number] - less[number]) / (many - few) for number in more if number in less})
        return Slope(times, each_s) if times and each_s else None


@dataclass(frozen=True, slots=True)
class Growth:
    """Figures of one set."""

    results: Results
    wanted: str

    @property
    def counts(self) -> list[int]:
        """The numbers of environments that were measured, fewest first."""
        cases = {run.case.rpartition("/") for run in self.results.worker_runs}
        return sorted(int(count) for case, _, count in cases if case == f"{self.wanted}/workers")

    def curves(self) -> Iterator[Curve]:
        """Return all curves: for each tool with workers until the first test, and for all the making alone."""
        runs = [run for run in self.results.worker_runs if run.case.startswith(f"{self.wanted}/workers/")]
        ways = {(run.tool, run.mode) for run in runs}
        for tool in self.results.commands:  # in the order of the other tables, whoever began
            for mode in (WORKER, SESSION):
                if (tool, mode) in ways:
                    yield self.until_test(tool, mode)
            if ways & {(tool, WORKER), (tool, IN_TURN)}:
                yield self.alone(tool)

    def until_test(self, tool: str, mode: str = WORKER) -> Curve:
        """Return the seconds until the first test runs."""
        seconds = {count: self._of(count).first_test(tool, mode) for count in self.counts}
        return Curve(tool, True, _measured(seconds), mode == SESSION)

    def alone(self, tool: str) -> Curve:
        """Return the seconds for making the environments; of a tool that runs no suite its whole commands."""
        seconds = {count: self._of(count).provided(tool) or self._of(count).by_peer(tool) for count in self.counts}
        return Curve(tool, False, _measured(seconds))

    def _of(self, count: int) -> WorkerFigures:
        return WorkerFigures(self.results, f"{self.wanted}/workers/{count}")


def grown_sets(results: Results) -> list[str]:
    """Return the sets whose environments were made for several numbers of workers."""
    names = dict.fromkeys(run.case.partition("/")[0] for run in results.worker_runs)
    return [name for name in names if len(Growth(results, name).counts) > 1]


def growth_section(results: Results, pictures: dict[str, str]) -> Iterator[str]:
    """Return the lines of the section; none where nothing was measured for several numbers.

    :param pictures: file name of the plot by set.
    """
    for wanted in grown_sets(results):
        growth = Growth(results, wanted)
        few, *_, many = growth.counts
        yield from [f"## Growth with the number of environments: {wanted}", ""]
        alt = f"Seconds over the number of environments of {wanted}, a line for each kind of links and one for uv"
        yield from [f"![{alt}]({pictures[wanted]})", ""]
        yield from ["Seconds for so many environments, and how they grow (within each round).", ""]
        head = ["", *map(str, growth.counts), f"{many} / {few}", "each further s"]
        rows = []
        for curve in growth.curves():
            slope = curve.slope(few, many)
            cells = [spread(curve.seconds.get(count, {})) for count in growth.counts]
            each = f"{slope.each_s.median:.3f}" if slope else None
            rows.append([curve.text, *cells, slope.times if slope else None, each])
        yield from [*table(head, rows), ""]


def _measured(seconds: dict[int, ByRound]) -> dict[int, ByRound]:
    return {count: by_round for count, by_round in seconds.items() if by_round}
