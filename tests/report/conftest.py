from __future__ import annotations

import pytest

from pytest_fastenv.model.events import Span

MS = 1_000_000


@pytest.fixture
def spans() -> list[Span]:
    """A small run: two overlapping fetches, a build that failed, a link that was not finished."""
    return [
        Span("fetch", "numpy", 1000 * MS, 1300 * MS, {"version": "2.0", "bytes": 2_000_000, "source": "network"}),
        Span("fetch", "spam", 1100 * MS, 1200 * MS, {"version": "1.0", "bytes": 500, "source": "network"}),
        Span("fetch", "eggs", 1250 * MS, 1350 * MS, {"source": "cache"}),
        Span("resolve", "3 requirements", 900 * MS, 1000 * MS, {"distributions": 3}),
        Span("build", "spam", 1200 * MS, 1500 * MS, {"version": "1.0", "error": "BuildError"}),
        Span("link", "numpy", 1400 * MS, 0),
    ]
