"""Counts come from spans alone."""

from __future__ import annotations

from pytest_fastenv.model.events import Span
from pytest_fastenv.report.tally import Tally


def test_counting(spans: list[Span]) -> None:
    tally = Tally.of(spans)
    assert (tally.resolved, tally.fetched, tally.fetched_bytes, tally.built, tally.linked) == (3, 2, 2_000_500, 0, 0)
    assert Tally.of([]) == Tally()


def test_what_goes_on() -> None:
    build, slot = Span("build", "spam", 1), Span("slot-wait", "spam", 1)
    lock = Span("lock-wait", "eggs", 1, args={"holder": "process 5 on here since noon"})
    fetch = Span("fetch", "eggs", 1, args={"bytes": 10, "source": "network"})
    tally = Tally.of([build, slot, lock, fetch, Span("resolve", "x", 1), Span("unpack", "x", 1, 2)])
    assert tally.building == [build]
    assert tally.waiting == [lock]
    assert (tally.fetching, tally.fetched, tally.fetched_bytes) == (1, 0, 10)
    assert tally.resolving


def test_interpreters_on_their_way() -> None:
    probe = Span("interpreter", "/usr/bin/python3", 1)
    fetch = Span("interpreter", "CPython 3.12.7", 1, args={"stage": "fetch", "bytes": 10})
    unpacked = Span("interpreter", "CPython 3.13.0", 1, 2, args={"stage": "unpack"})
    tally = Tally.of([probe, fetch, unpacked])
    assert tally.arriving == [fetch]
    assert tally.interpreters == {"CPython 3.12.7", "CPython 3.13.0"}
