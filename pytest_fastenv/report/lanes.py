"""Spans in lanes: one group per kind, and as many lanes in it as spans of the kind overlapped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, get_args

from pytest_fastenv.model.events import Kind, Span

KINDS: tuple[Kind, ...] = get_args(Kind)


class Placed(NamedTuple):
    """A span with its place; times are nanoseconds since the first span began.

    :ivar lane: from 0, within its kind; spans of one lane never overlap.
    :ivar finished: false for work that was under way when the report was written.
    """

    span: Span
    lane: int
    start_ns: int
    end_ns: int
    finished: bool


def place(spans: Iterable[Span]) -> dict[Kind, list[Placed]]:
    """Place spans; kinds in the order of the pipeline, those without spans left out, each by time of beginning.

    What is not finished ends where the last known moment is.
    """
    ordered = sorted(spans, key=lambda span: (span.start_ns, span.end_ns))
    if not ordered:
        return {}
    first_ns = ordered[0].start_ns
    last = max(max(span.start_ns, span.end_ns) for span in ordered)
    groups: dict[Kind, list[Placed]] = {}
    for kind in KINDS:
        members = [span for span in ordered if span.kind == kind]
        if members:
            groups[kind] = _place_one_kind(members, first_ns, last)
    return groups


def lane_count(placed: Sequence[Placed]) -> int:
    """Return how many lanes a group has."""
    return 1 + max(item.lane for item in placed)


def _place_one_kind(spans: list[Span], first_ns: int, last: int) -> list[Placed]:
    free_at: list[int] = []  # by lane: when its last span ended
    placed = []
    for span in spans:
        end = span.end_ns or last
        lane = next((number for number, at in enumerate(free_at) if at <= span.start_ns), len(free_at))
        if lane == len(free_at):
            free_at.append(end)
        else:
            free_at[lane] = end
        placed.append(Placed(span, lane, span.start_ns - first_ns, end - first_ns, bool(span.end_ns)))
    return placed
