"""What stops a benchmark on purpose."""

from __future__ import annotations


class BenchmarkError(Exception):
    """The benchmark cannot go on; the text says what to do about it."""
