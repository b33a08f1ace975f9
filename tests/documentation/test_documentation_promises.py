"""The page of promises names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "promises.md"


def test_each_promise_names_tests_that_exist() -> None:
    rows = re.findall(r"^\| ([^|]+) \| (`tests/[^|]+`) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) > 15
    for promise, tests in rows:
        for path, name in re.findall(r"`([^`:]+)::([^`]+)`", tests):
            assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), promise
