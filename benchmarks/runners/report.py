"""The figures as tables, against the targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import Quiet
from benchmarks.report import BEGIN, END, around_marks
from benchmarks.results import Spread
from benchmarks.runners.measure import CASES, Run
from benchmarks.runners.runners import OURS
from benchmarks.tables import table

#: case, the other tool, greatest ratio
TARGETS = (("first", "tox-uv", 0.7), ("unchanged", "tox", 0.7), ("changed", "tox-uv", 0.5), ("matrix", "tox-uv", 0.5))


@dataclass(frozen=True, slots=True)
class Measured:
    """All figures.

    :ivar facts: about the machine and how it was measured, by what they are.
    :ivar versions: by tool: what it is made of.
    :ivar commands: by tool: for one environment, and for all of them.
    :ivar quiet: one look around before each round.
    """

    facts: dict[str, str]
    versions: dict[str, str]
    commands: dict[str, list[str]]
    quiet: list[Quiet]
    runs: list[Run]

    def seconds(self, case: str, tool: str) -> Spread | None:
        """Return how long a tool took."""
        return Spread.of([run.seconds for run in self.runs if (run.case, run.tool) == (case, tool)])

    def ratio(self, case: str, tool: str, other: str) -> Spread | None:
        """Return a tool's time over another's, round by round."""
        others = {run.round: run.seconds for run in self.runs if (run.case, run.tool) == (case, other)}
        own = [run for run in self.runs if (run.case, run.tool) == (case, tool) and run.round in others]
        return Spread.of([run.seconds / others[run.round] for run in own])


def write_report(measured: Measured, page: Path) -> None:
    """Replace what stands between the marks of a page.

    :raises BenchmarkError: the page does not have the marks.
    """
    before, after = around_marks(page)
    body = "\n".join(_body(measured))
    page.write_text(f"{before}{BEGIN}\n\n{body}\n{END}{after}", encoding="utf-8")


def _body(measured: Measured) -> Iterator[str]:
    cases = [case for case in CASES if any(run.case == case for run in measured.runs)]
    tools = [tool for tool in measured.commands if any(run.tool == tool for run in measured.runs)]
    others = [tool for tool in tools if tool not in OURS]
    rounds = len({run.round for run in measured.runs})
    yield f"Medians of {rounds} rounds, with the smallest and the largest; ratios are taken within each round."
    yield from ["", "## Targets", "", *_targets(measured), ""]
    if others:
        yield from ["## Ratios", "", "Below 1: this project is faster.", ""]
        rows = [
            [f"{case}: {tool}", *(measured.ratio(case, tool, other) for other in others)]
            for case in cases
            for tool in tools
            if tool in OURS
        ]
        yield from [*table(["", *(f"/ {other}" for other in others)], rows), ""]
    yield from ["## Seconds", ""]
    yield from table(["", *tools], [[case, *(measured.seconds(case, tool) for tool in tools)] for case in cases])
    yield from ["", "## Versions and machine", ""]
    yield from (f"- {tool}: {versions}" for tool, versions in measured.versions.items())
    yield from (f"- {name}: {value}" for name, value in measured.facts.items())
    busy = Spread.of([quiet.busy for quiet in measured.quiet if quiet.busy is not None])
    if busy:
        yield f"- noise, before each round: others used {busy.median:.0%} of the processor (at most {busy.high:.0%})"
    yield from ["", "## Commands", "", "```text"]
    for tool, lines in measured.commands.items():
        yield from [f"{tool}:", *(f"  {line}" for line in lines)]
    yield from ["```", ""]


def _targets(measured: Measured) -> list[str]:
    rows = []
    for case, other, limit in TARGETS:
        for tool in OURS:
            ratio = measured.ratio(case, tool, other)
            verdict = "not measured" if ratio is None else "reached" if ratio.median <= limit else "**not reached**"
            rows.append([f"{case}: {tool} / {other}", f"≤ {limit}", ratio or "not measured", verdict])
    return table(["target", "limit", "measured", "verdict"], rows)
