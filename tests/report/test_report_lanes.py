"""Spans of one lane never overlap, and there are no more lanes than needed."""

from __future__ import annotations

import random
from itertools import pairwise

from pytest_fastenv.model.events import Span
from pytest_fastenv.report.lanes import lane_count, place


def test_kinds_come_in_the_order_of_the_pipeline(spans: list[Span]) -> None:
    groups = place(spans)
    assert list(groups) == ["resolve", "fetch", "build", "link"]
    assert [(item.span.subject, item.lane) for item in groups["fetch"]] == [("numpy", 0), ("spam", 1), ("eggs", 1)]
    assert groups["resolve"][0].start_ns == 0
    assert groups["fetch"][0].start_ns == 100_000_000


def test_what_is_not_finished_ends_with_the_last_known_moment(spans: list[Span]) -> None:
    (link,) = place(spans)["link"]
    assert not link.finished
    assert link.end_ns == 600_000_000


def test_no_spans_no_groups() -> None:
    assert place([]) == {}


def test_lanes_are_as_many_as_overlap_at_most() -> None:
    source = random.Random(5)
    spans = []
    for _ in range(300):
        start = source.randrange(10_000)
        spans.append(Span("unpack", "x", start, start + source.randrange(1, 500)))
    placed = place(spans)["unpack"]
    for lane in range(lane_count(placed)):
        members = [item for item in placed if item.lane == lane]
        assert all(one.end_ns <= two.start_ns for one, two in pairwise(members))
    edges = sorted([(s.start_ns, 1) for s in spans] + [(s.end_ns, -1) for s in spans])
    depth = most = 0
    for _, change in edges:
        depth += change
        most = max(most, depth)
    assert lane_count(placed) == most
