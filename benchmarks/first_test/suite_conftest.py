"""The ``conftest.py`` of the suite: it writes down when the first test has passed, on a clock of all processes."""

from __future__ import annotations

import os
import time

import pytest

_written: list[int] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write ``CLOCK_MONOTONIC`` in nanoseconds into the file that ``SUITE_LOG`` names."""
    if report.when == "call" and report.passed and not _written:
        _written.append(time.monotonic_ns())
        with open(os.environ["SUITE_LOG"], "w", encoding="ascii") as file:
            file.write(f"{_written[0]}\n")
