"""What is written is read as it was meant."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from pytest_fastenv.migration.toml_text import table


@pytest.mark.parametrize(
    "value",
    [
        "plain", 'quotes " and \\ and \n lines', "umläut ☃", "\x7f\x00\x1b", "",
        True, False, 3, [], ["a", "b"], [["a"], ["b", "c"]],
        {"A": "x", "with space": "y", "a.b": "z"}, ["x" * 60, "y" * 60], {"A": "x" * 60, "B": "y" * 60},
    ],
)  # fmt: skip
def test_values_are_read_as_they_were(value: Any) -> None:
    text = table(["tool", "a.b"], {"key": value, "other key": 1}, ["a remark\nof two lines", ""])
    assert tomllib.loads(text) == {"tool": {"a.b": {"key": value, "other key": 1}}}
