"""A plot of all rows: each ratio against 1, where both take as long, and against what is wanted of it.

The scale is logarithmic, so that half and twice as long stand equally far from 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmarks import svg
from benchmarks.first_test.rows import Row
from benchmarks.results import Spread

_LEFT, _RIGHT, _WIDTH = 470, 130, 1000
_ROW, _TOP = 22, 60
_REACHED, _MISSED, _NO_TARGET = "#0b6e4f", "#c4620a", "#555555"


class Drawn(NamedTuple):
    """A row with its ratio."""

    row: Row
    ratio: Spread


def plot(drawn: Sequence[Drawn]) -> str:
    """Return the whole SVG document."""
    height = _TOP + _ROW * len(drawn) + 24
    scale = _Scale(drawn)
    explained = "ratio (logarithmic), left of 1: this project is faster"
    marks = "dot = median, line = lowest to highest round, upright mark = what is wanted"
    body = [
        svg.text(8, 16, explained, "start"),
        svg.text(8, 32, marks, "start"),
        *_grid(scale, height),
        *_rows(drawn, scale),
    ]
    return svg.document("Ratios of all rows, against 1 and against what is wanted", _WIDTH, height, body)


class _Scale:
    """Ratios to horizontal places, with some room around all of them and around 1."""

    def __init__(self, drawn: Sequence[Drawn]) -> None:
        limits = [one.row.limit for one in drawn if one.row.limit is not None]
        self.low = min([0.5, *limits, *(one.ratio.low for one in drawn)]) / 1.2
        self.high = max([2.0, *limits, *(one.ratio.high for one in drawn)]) * 1.2

    def __call__(self, ratio: float) -> float:
        share = math.log(ratio / self.low) / math.log(self.high / self.low)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _grid(scale: _Scale, height: float) -> Iterator[str]:
    for power in range(math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high)) + 1):
        for factor in (1, 2, 5):
            ratio = float(f"{factor}e{power}")
            if scale.low <= ratio <= scale.high:
                x = scale(ratio)
                whole = ratio == 1
                colour = svg.INK if whole else svg.FAINT
                yield svg.line(x, _TOP - 6, x, height - 14, colour)
                yield svg.text(x, _TOP - 10, f"{ratio:g}", "middle", bold=whole)


def _rows(drawn: Sequence[Drawn], scale: _Scale) -> Iterator[str]:
    y = _TOP + _ROW // 2
    for row, ratio in drawn:
        colour = _NO_TARGET
        words = f"{ratio.median:.2f}"
        if row.limit is not None:
            colour = _REACHED if ratio.median <= row.limit else _MISSED
            words += f" (≤ {row.limit})"
            yield svg.line(scale(row.limit), y - 8, scale(row.limit), y + 8, colour, 2)
        yield svg.text(_LEFT - 10, y + 4, row.text.replace("`", ""), "end")
        yield svg.line(scale(ratio.low), y, scale(ratio.high), y, colour, 3)
        yield svg.dot(scale(ratio.median), y, colour)
        yield svg.text(scale(scale.high) + 8, y + 4, words, "start", colour)
        y += _ROW
