"""How an environment came about, as a value and in one line."""

from __future__ import annotations

import json

import pytest

from pytest_fastenv.runtime.summary import Summary, duration

MADE = Summary(
    distributions=145,
    cached=120,
    fetched=24,
    built=1,
    fetched_bytes=4_000_000,
    seconds=1.42,
    python="CPython 3.12.1",
    path="/envs/ab12",
)


def test_new_environment() -> None:
    assert MADE.line == (
        "fastenv: 145 distributions (120 cached, 24 fetched, 1 built) in 1.4 s, CPython 3.12.1, /envs/ab12"
    )


def test_environment_used_again() -> None:
    summary = Summary(distributions=1, cached=1, seconds=0.0123, reused=True, age_s=7300, path="/envs/ab12")
    assert summary.line == "fastenv: 1 distribution (reused, resolved 2 h ago) in 12 ms, /envs/ab12"


def test_reason_why_it_was_not_used_again() -> None:
    line = Summary(distributions=2, fetched=2, reason="django/apps.py was changed").line
    assert line == "fastenv: 2 distributions (2 fetched) in 0 ms (made anew: django/apps.py was changed)"


def test_interpreter_that_was_downloaded_for_it() -> None:
    line = Summary(distributions=2, fetched=2, python="CPython 3.13.1", downloaded=True, path="/e/ab").line
    assert line == "fastenv: 2 distributions (2 fetched) in 0 ms, CPython 3.13.1 (downloaded), /e/ab"


def test_what_was_fetched_in_vain_is_told() -> None:
    line = Summary(distributions=2, fetched=2, wasted_bytes=1_234_567).line
    assert line == "fastenv: 2 distributions (2 fetched, 1.2 MB fetched in vain) in 0 ms"


def test_it_comes_back_from_json() -> None:
    """Also what another version of this package wrote, which knows less or more."""
    assert Summary.from_json(json.loads(json.dumps(MADE.to_json()))) == MADE
    assert Summary.from_json({"distributions": 3, "colour": "green"}) == Summary(distributions=3)


def test_nothing_in_it_steers_a_terminal() -> None:
    odd = "a\x1b[2J\nfastenv: \u202eb"
    summary = Summary(python=odd, path=odd, reason=odd, warnings=(odd,), pip_settings=(odd,))
    lines = [summary.line, *summary.warning_lines, *summary.details]
    assert [line for line in lines if not line.isprintable()] == []
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0 s"), (59.9, "59 s"), (60, "1 min"), (7199, "1 h"), (86400 * 3, "3 d")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
