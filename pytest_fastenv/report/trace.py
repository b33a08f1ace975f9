"""A trace of a run in the Trace Event Format of Chromium, for Perfetto and ``chrome://tracing``.

Each span is one complete event (``ph: X``) named by its kind, with ``ts`` and ``dur`` in microseconds since the first
span began. ``args`` has ``distribution`` (the span's subject) and, where they are known, ``version``, ``bytes``,
``source`` (``network``, ``cache``, ``built``, ``waited``), ``key``, ``holder``, ``environment`` (by name, where several
are made at once), ``error``. A kind is shown as a
process, its lanes as threads; events of one lane never overlap.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pytest_fastenv.model.events import Span
from pytest_fastenv.report.lanes import Placed, lane_count, place


def trace(spans: Iterable[Span], meta: Mapping[str, Any]) -> str:
    """Return the trace as JSON text.

    :param meta: what to say about the run as a whole; plain values.
    """
    events = ",\n".join(json.dumps(event) for event in _events(spans))  # an event a line, for people with grep
    other = json.dumps({name: _plain(value) for name, value in meta.items()})
    return f'{{"displayTimeUnit": "ms", "otherData": {other},\n"traceEvents": [\n{events}\n]}}\n'


def _events(spans: Iterable[Span]) -> Iterator[dict[str, Any]]:
    for number, (kind, placed) in enumerate(place(spans).items(), 1):
        yield _name("process_name", number, 0, {"name": kind})
        yield _name("process_sort_index", number, 0, {"sort_index": number})
        for lane in range(lane_count(placed)):
            yield _name("thread_name", number, lane, {"name": f"{kind} {lane + 1}"})
        yield from (_event(item, number) for item in placed)


def _event(item: Placed, pid: int) -> dict[str, Any]:
    args: dict[str, Any] = {"distribution": item.span.subject, **item.span.args}
    if not item.finished:
        args["unfinished"] = True
    return {
        "name": item.span.kind,
        "cat": item.span.kind,
        "ph": "X",
        "ts": item.start_ns / 1000,
        "dur": (item.end_ns - item.start_ns) / 1000,
        "pid": pid,
        "tid": item.lane,
        "args": args,
    }


def _name(what: str, pid: int, tid: int, args: dict[str, Any]) -> dict[str, Any]:
    return {"name": what, "ph": "M", "ts": 0, "pid": pid, "tid": tid, "args": args}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
