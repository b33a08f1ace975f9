"""The page of faults by number has the rows that there are, and these name tests that exist."""

from __future__ import annotations

import re

import pytest
from fault_rows import PAGE, ROOT, Row, rows

_LINE = re.compile(r"^(\| \d+ \| [^|]+ \| [^|]+ \| `[^`]+` \|) (passed|skipped|failed|not run) \|\n", re.MULTILINE)


def test_the_page_has_every_row_in_order() -> None:
    shown = _LINE.findall(PAGE.read_text(encoding="utf-8"))
    expected = [row.line("").removesuffix("  |\n") for row in rows()]
    assert [line for line, _ in shown] == expected
    assert {result for _, result in shown} == {"passed"}


def test_no_number_is_left_out() -> None:
    numbers = [row.number for row in rows()]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(1, numbers[-1] + 1))


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.number} {row.fault[:30]}")
def test_each_row_names_a_test_that_exists(row: Row) -> None:
    path, _, name = row.test.partition("::")
    function, _, parameters = name.partition("[")
    text = (ROOT / "tests" / path).read_text(encoding="utf-8")
    assert f"def {function}(" in text
    assert f'"{parameters}' in text  # each begins the name of some parameters
