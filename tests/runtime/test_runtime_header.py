"""The line in the header."""

from __future__ import annotations

import pytest

from pytest_fastenv.runtime.header import duration, header_line


def test_new_environment() -> None:
    summary = {
        "distributions": 145, "cached": 120, "fetched": 24, "built": 1, "seconds": 1.42, "python": "CPython 3.12.1",
        "path": "/envs/ab12", "reused": False, "age_s": None, "reason": None,
    }  # fmt: skip
    assert header_line(summary) == (
        "fastenv: 145 distributions (120 cached, 24 fetched, 1 built) in 1.4 s, CPython 3.12.1, /envs/ab12"
    )


def test_environment_used_again() -> None:
    summary = {"distributions": 1, "cached": 1, "seconds": 0.0123, "reused": True, "age_s": 7300, "path": "/envs/ab12"}
    assert header_line(summary) == "fastenv: 1 distribution (reused, resolved 2 h ago) in 12 ms, /envs/ab12"


def test_reason_why_it_was_not_used_again() -> None:
    line = header_line({"distributions": 2, "fetched": 2, "reason": "django/apps.py was changed"})
    assert line == "fastenv: 2 distributions (2 fetched) (made anew: django/apps.py was changed)"


def test_interpreter_that_was_downloaded_for_it() -> None:
    line = header_line(
        {"distributions": 2, "fetched": 2, "python": "CPython 3.13.1", "downloaded": True, "path": "/e/ab"}
    )
    assert line == "fastenv: 2 distributions (2 fetched), CPython 3.13.1 (downloaded), /e/ab"


def test_nothing_known() -> None:
    assert header_line({}) == "fastenv: environment"


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0 s"), (59.9, "59 s"), (60, "1 min"), (7199, "1 h"), (86400 * 3, "3 d")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_was_fetched_in_vain_is_told() -> None:
    line = header_line({"distributions": 2, "fetched": 2, "wasted_bytes": 1_234_567})
    assert line == "fastenv: 2 distributions (2 fetched, 1.2 MB fetched in vain)"
