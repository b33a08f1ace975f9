"""A plot of the wall times.

One row for each case and tool: a dot at the median, a line from the fastest to the slowest round. The scale is
logarithmic, because pip and the others are a decade apart, and therefore there are no bars: they would have no foot.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from benchmarks import svg
from benchmarks.results import Results, Spread

_LEFT, _RIGHT, _WIDTH = 250, 70, 860
_ROW, _GAP, _TOP = 18, 12, 44


def plot(results: Results) -> str:
    """Return the whole SVG document."""
    rows = [_spreads(results, case) for case in results.cases]
    height = _TOP + sum(_ROW * len(row) + _GAP for row in rows) + 24
    scale = _Scale([spread for row in rows for _, spread in row])
    colours = dict(zip(results.tools, svg.COLOURS * len(results.tools), strict=False))
    body = [
        svg.text(_LEFT, 16, "seconds (logarithmic): dot = median, line = fastest to slowest round", "start"),
        *_grid(scale, height),
        *_rows(results.cases, rows, scale, colours),
    ]
    title = "Wall time in seconds, logarithmic scale; median, fastest and slowest round"
    return svg.document(title, _WIDTH, height, body)


def _spreads(results: Results, case: str) -> list[tuple[str, Spread]]:
    return [(tool, spread) for tool in results.tools if (spread := results.wall(case, tool))]


class _Scale:
    """Seconds to horizontal places, from a power of ten to a power of ten."""

    def __init__(self, spreads: list[Spread]) -> None:
        self.low = math.floor(math.log10(min((spread.low for spread in spreads), default=1.0)))
        self.high = math.ceil(math.log10(max((spread.high for spread in spreads), default=10.0)))

    def __call__(self, seconds: float) -> float:
        share = (math.log10(seconds) - self.low) / max(self.high - self.low, 1)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _grid(scale: _Scale, height: int) -> Iterator[str]:
    for power in range(scale.low, scale.high + 1):
        for factor in (1, 2, 5):
            if power == scale.high and factor > 1:
                continue
            x = scale(factor * 10.0**power)
            yield svg.line(x, _TOP - 6, x, height - 14, svg.GRID if factor == 1 else svg.FAINT)
            yield svg.text(x, _TOP - 10, f"{factor * 10.0**power:g}", "middle")


def _rows(
    cases: list[str], rows: list[list[tuple[str, Spread]]], scale: _Scale, colours: dict[str, str]
) -> Iterator[str]:
    y = _TOP + _GAP
    for case, row in zip(cases, rows, strict=True):
        yield svg.text(8, y + 4, case, "start", bold=True)
        for tool, spread in row:
            colour = colours[tool]
            yield svg.text(_LEFT - 10, y + 4, tool, "end", colour)
            yield svg.line(scale(spread.low), y, scale(spread.high), y, colour, 3)
            yield svg.dot(scale(spread.median), y, colour)
            yield svg.text(scale(spread.high) + 9, y + 4, f"{spread.median:.2f}", "start", colour)
            y += _ROW
        y += _GAP
