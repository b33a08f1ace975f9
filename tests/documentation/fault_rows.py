"""Every fault by its number, and the test that tries it: rows of ``fault_rows.txt``.

A program, too: it runs all of these tests and writes the page with their results.

    python tests/documentation/fault_rows.py [NUMBER...]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "tested-faults.md"
_HEAD = """\
# Faults by number, and the tests that try them

[What may go wrong, and what then happens](faults.md) is told for readers; here each fault has a number and a test.
`python tests/documentation/fault_rows.py` runs these tests and writes this page; a test of the documentation sees to it
that the page has all of them, and that they exist.

| # | fault | what happens | test | result |
|---|---|---|---|---|
"""


class Row(NamedTuple):
    """One fault.

    :ivar test: below ``tests/``, with the beginning of its parameters' name where only one of several is meant.
    """

    number: int
    fault: str
    outcome: str
    test: str

    def line(self, result: str) -> str:
        """Return the row of the page."""
        name = f"`tests/{self.test.strip()}{']' if '[' in self.test else ''}`"
        return f"| {self.number} | {self.fault} | {self.outcome} | {name} | {result} |\n"


def rows() -> list[Row]:
    """Read all rows, in the order of their numbers."""
    text = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")
    parts = [line.split(" | ") for line in text.splitlines()]
    return [Row(int(number), fault, outcome, test) for number, fault, outcome, test in parts]


class _Results:
    """What came of each test: the worst of its phases and parameters."""

    def __init__(self) -> None:
        self.by_test: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            self.by_test[report.nodeid] = report.outcome

    def of(self, test: str) -> str:
        """Return the result of a test, with all of its parameters that are meant."""
        found = {outcome for name, outcome in self.by_test.items() if f"{name}[".startswith((test, f"{test}["))}
        return next((word for word in ("failed", "passed", "skipped") if word in found), "not run")


def _kept() -> dict[tuple[int, str], str]:
    """Return the results that the page shows, by number and fault."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    found = re.findall(r"^\| (\d+) \| ([^|]+) \| .* \| ([a-z ]+) \|$", text, re.MULTILINE)
    return {(int(number), fault): result for number, fault, result in found}


def main(numbers: set[int]) -> int:
    """Run the tests, or those of some numbers, and write the page; anything but passed is an error."""
    results, kept, everything = _Results(), _kept(), rows()
    wanted = [row for row in everything if not numbers or row.number in numbers]
    files = sorted({f"{ROOT}/tests/{row.test.partition('[')[0]}" for row in wanted})
    pytest.main(["-q", "-p", "no:cacheprovider", f"--rootdir={ROOT}", f"-c={ROOT}/pyproject.toml", *files], [results])
    found = [
        results.of(f"tests/{row.test}") if row in wanted else kept.get((row.number, row.fault), "not run")
        for row in everything
    ]
    PAGE.write_text(_HEAD + "".join(map(Row.line, everything, found)), encoding="utf-8")
    return 0 if set(found) == {"passed"} else 1


if __name__ == "__main__":
    raise SystemExit(main(set(map(int, sys.argv[1:]))))
