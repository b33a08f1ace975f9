"""A plot of seconds over the number of environments. Both scales are linear: what is flat is seen to be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from benchmarks import svg
from benchmarks.growth import Curve, Growth
from benchmarks.worker_figures import spread

_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 330, 56, 400
_WIDTH, _HEIGHT = 860, 440
_LABEL = 15


def plot_growth(growth: Growth) -> str:
    """Return the whole SVG document: a solid line for making environments alone, a dashed one until the first test."""
    curves = [curve for curve in growth.curves() if len(curve.seconds) > 1 and not curve.one_for_all]
    scale = _Scale(growth.counts, [seconds for curve in curves for _, seconds in _points(curve)])
    tools = growth.results.commands
    colours = dict(zip(tools, svg.COLOURS * len(tools), strict=False))  # those of the other plot
    explained = "seconds over environments: solid = making them alone, dashed = until the first test (medians)"
    body = [
        svg.text(_LEFT, 16, explained, "start"),
        *_grid(scale, growth.counts),
        *_curves(curves, scale, colours),
        svg.text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, "environments", "middle"),
    ]
    return svg.document(f"Seconds over the number of environments, {growth.wanted}", _WIDTH, _HEIGHT, body)


def _points(curve: Curve) -> list[tuple[int, float]]:
    spreads = [(count, spread(by_round)) for count, by_round in curve.seconds.items()]
    return [(count, one.median) for count, one in spreads if one]


class _Scale:
    """Environments and seconds to places, both from zero."""

    def __init__(self, counts: Sequence[int], seconds: Sequence[float]) -> None:
        self.most = max(counts)
        raw = max(seconds, default=1.0) / 5
        power = 10.0 ** math.floor(math.log10(raw))
        self.step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
        self.top = self.step * math.ceil(max(seconds, default=1.0) / self.step)

    def x(self, count: float) -> float:
        return round(_LEFT + count / self.most * (_WIDTH - _RIGHT - _LEFT), 1)

    def y(self, seconds: float) -> float:
        return round(_BOTTOM - seconds / self.top * (_BOTTOM - _TOP), 1)


def _grid(scale: _Scale, counts: Sequence[int]) -> Iterator[str]:
    for number in range(round(scale.top / scale.step) + 1):
        y = scale.y(number * scale.step)
        yield svg.line(_LEFT, y, _WIDTH - _RIGHT, y, svg.FAINT if number else svg.GRID)
        yield svg.text(_LEFT - 8, y + 4, f"{number * scale.step:g} s", "end")
    shown = float("-inf")
    for count in counts:
        x = scale.x(count)
        yield svg.line(x, _BOTTOM, x, _BOTTOM + 4, svg.GRID)
        if x - shown >= _LABEL:  # 1 and 2 stand near each other
            yield svg.text(x, _BOTTOM + 18, str(count), "middle")
            shown = x


def _curves(curves: Sequence[Curve], scale: _Scale, colours: dict[str, str]) -> Iterator[str]:
    ends = []
    for curve in curves:
        points = [(scale.x(count), scale.y(seconds)) for count, seconds in _points(curve)]
        yield svg.path(points, colours[curve.tool], dashed=curve.until_test)
        yield from (svg.dot(x, y, colours[curve.tool]) for x, y in points)
        ends.append(points[-1])
    heights = svg.apart((y for _, y in ends), _LABEL)
    for curve, (x, _), y in zip(curves, ends, heights, strict=True):
        yield svg.text(x + 10, y + 4, f"{curve.text} {_points(curve)[-1][1]:.1f}", "start", colours[curve.tool])
