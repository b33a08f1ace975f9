"""The figures as tables, and a plot of the ratios."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.first_test.plot import Drawn, plot
from benchmarks.first_test.rows import Row
from benchmarks.machine import Quiet
from benchmarks.report import BEGIN, END, around_marks
from benchmarks.results import Spread
from benchmarks.tables import table


@dataclass(frozen=True, slots=True)
class Measured:
    """All figures of one run.

    :ivar facts: about the machine and how it was measured, by what they are.
    :ivar seconds: by way, one for each round.
    """

    facts: dict[str, str]
    quiet: list[Quiet]
    seconds: dict[str, list[float]]

    def ratio(self, row: Row) -> Spread | None:
        """Return one way's time over another's, round by round."""
        own, others = self.seconds.get(row.own, []), self.seconds.get(row.other, [])
        return Spread.of([one / other for one, other in zip(own, others, strict=False)])


def write_report(measured: Measured, rows: list[Row], page: Path) -> None:
    """Replace what stands between the marks of a page, and write the plot as an SVG of the same name.

    :raises BenchmarkError: the page does not have the marks.
    """
    before, after = around_marks(page)
    picture = page.with_suffix(".svg")
    drawn = [Drawn(row, ratio) for row in rows if (ratio := measured.ratio(row))]
    picture.write_text(plot(drawn), encoding="utf-8")
    body = "\n".join(_body(measured, rows, picture.name))
    page.write_text(f"{before}{BEGIN}\n\n{body}\n{END}{after}", encoding="utf-8")


def _body(measured: Measured, rows: list[Row], picture: str) -> Iterator[str]:
    yield from (f"- {name}: {value}" for name, value in measured.facts.items())
    busy = Spread.of([quiet.busy for quiet in measured.quiet if quiet.busy is not None])
    work = Spread.of([quiet.work_s for quiet in measured.quiet])
    if busy and work:
        yield (
            f"- noise, before each round: others used {busy.median:.0%} of the processor (at most {busy.high:.0%}), "
            f"and a fixed piece of work took {work.low * 1000:.0f} to {work.high * 1000:.0f} ms"
        )
    yield from ["", "## Ratios", "", "Below 1: this project is faster. Medians of the rounds' ratios.", ""]
    yield from [f"![All ratios against 1 and against what is wanted of each]({picture})", ""]
    yield from table(["what / beside what", "wanted", "measured", "verdict"], [_verdict(measured, row) for row in rows])
    yield from ["", "## Seconds", ""]
    seconds = [[way, str(Spread.of(values) or "")] for way, values in measured.seconds.items()]
    yield from [*table(["way", "s"], seconds), ""]


def _verdict(measured: Measured, row: Row) -> list[str]:
    ratio = measured.ratio(row)
    limit = f"≤ {row.limit}" if row.limit is not None else ""
    if ratio is None:
        return [row.text, limit, "not measured", ""]
    verdict = "" if row.limit is None else "reached" if ratio.median <= row.limit else "**not reached**"
    return [row.text, limit, str(ratio), verdict]
