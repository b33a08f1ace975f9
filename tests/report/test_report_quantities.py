from __future__ import annotations

import pytest

from pytest_fastenv.report.quantities import bytes_text, seconds_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345, "12 kB"),
        (999_499, "999 kB"),
        (999_999, "1.0 MB"),
        (9_960_000, "10 MB"),
        (122_000_000, "122 MB"),
        (5 * 10**12, "5000 GB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    assert bytes_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (2e-6, "2 µs"), (0.015, "15 ms"), (1.24, "1.2 s"), (95.4, "95 s"), (720, "12 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text
