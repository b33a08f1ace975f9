"""Complete events in microseconds, named by their kind, with everything known in their args."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from pytest_fastenv.model.events import Span
from pytest_fastenv.report.trace import trace


def read(spans: list[Span], **meta: Any) -> dict[str, Any]:
    document = json.loads(trace(spans, meta))
    assert isinstance(document, dict)
    return document


def test_each_span_is_one_complete_event(spans: list[Span]) -> None:
    events = [event for event in read(spans)["traceEvents"] if event["ph"] == "X"]
    assert len(events) == len(spans)
    numpy = next(event for event in events if event["args"]["distribution"] == "numpy")
    assert numpy == {
        "name": "fetch",
        "cat": "fetch",
        "ph": "X",
        "ts": 100_000.0,
        "dur": 300_000.0,
        "pid": 2,
        "tid": 0,
        "args": {"distribution": "numpy", "version": "2.0", "bytes": 2_000_000, "source": "network"},
    }
    assert next(event for event in events if event["name"] == "build")["args"]["error"] == "BuildError"
    assert next(event for event in events if event["name"] == "link")["args"]["unfinished"] is True


def test_events_of_one_lane_do_not_overlap_and_lanes_have_names(spans: list[Span]) -> None:
    events = read(spans)["traceEvents"]
    lanes: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for event in events:
        if event["ph"] == "X":
            lanes.setdefault((event["pid"], event["tid"]), []).append(event)
    for members in lanes.values():
        for one, two in pairwise(members):
            assert one["ts"] + one["dur"] <= two["ts"]
    named = {(event["pid"], event["tid"]) for event in events if event["name"] == "thread_name"}
    assert named == set(lanes)
    names = [event["args"]["name"] for event in events if event["name"] == "process_name"]
    assert names == ["resolve", "fetch", "build", "link"]


def test_what_is_said_about_the_run_is_plain() -> None:
    document = read([], python="CPython 3.12.1", path=Path("/a"), seconds=1.5, reused=False)
    assert document["otherData"] == {
        "python": "CPython 3.12.1",
        "path": str(Path("/a")),
        "seconds": 1.5,
        "reused": False,
    }
    assert document["traceEvents"] == []


def test_what_has_parts_keeps_them() -> None:
    document = read([], environments={"one": {"versions": {"lib": "1.0"}, "path": Path("/a")}}, warnings=("a", "b"))
    assert document["otherData"] == {
        "environments": {"one": {"versions": {"lib": "1.0"}, "path": str(Path("/a"))}},
        "warnings": ["a", "b"],
    }
