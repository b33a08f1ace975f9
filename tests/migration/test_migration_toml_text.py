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


def test_nothing_in_it_steers_a_terminal() -> None:
    hostile = "a\x1b[2J\x9b1A\u202e\u2066\u200b\u2028\x85\U000e0041b"
    text = table([hostile], {hostile: [hostile], "key": {hostile: hostile}}, [hostile])
    assert [letter for letter in text if not letter.isprintable() and letter != "\n"] == []
    assert tomllib.loads(text) == {hostile: {hostile: [hostile], "key": {hostile: hostile}}}
