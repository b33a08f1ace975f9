"""How old an answer may be."""

from __future__ import annotations

import time

import pytest

from pytest_fastenv.model.freshness import Freshness

HOUR_S = 3600.0


@pytest.mark.parametrize(
    ("freshness", "age_s", "accepted"),
    [
        (Freshness(HOUR_S), 60.0, True),
        (Freshness(HOUR_S), HOUR_S + 1, False),
        (Freshness(0.0), 0.0, False),
        (Freshness(float("inf")), 1e9, True),
        (Freshness(HOUR_S), -60.0, False),
        (Freshness(HOUR_S, offline=True), 1e9, True),
        (Freshness(HOUR_S, upgrade=True), 60.0, False),
        (Freshness(HOUR_S, offline=True, upgrade=True), 1e9, True),
    ],
)
def test_what_is_accepted(freshness: Freshness, age_s: float, accepted: bool) -> None:
    assert freshness.accepts(time.time() - age_s) is accepted


@pytest.mark.parametrize("at", [None, "yesterday", []])
def test_what_is_no_time_is_asked_again(at: object) -> None:
    assert not Freshness(float("inf")).accepts(at)
