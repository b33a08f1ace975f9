"""The reference of settings says what the table of options says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_fastenv.settings.options import OPTIONS, Option, of_door

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PYTHON = REFERENCE / "python.md"
COMMANDS = {
    "create": "create",
    "lock": "lock",
    "find": "python find",
    "list": "python list",
    "install": "python install",
}
HEAD = """\
| `[tool.fastenv]` | pytest | variable | `fastenv` command | decides |
|---|---|---|---|---|
"""


def table() -> str:
    """Return the table of all options as the page has it."""
    return HEAD + "".join(map(_row, OPTIONS))


def _row(option: Option) -> str:
    cells = [
        f"`{option.table_key}`" if "table" in option.doors else "",
        f"`{option.pytest_flag}`" if "pytest" in option.doors else "",
        f"`{option.variable}`" if option.variable else "",
        ", ".join(f"`{name}`" for door, name in COMMANDS.items() if door in option.doors),
        option.decides.value,
    ]
    return f"| {' | '.join(cells)} |\n".replace("|  |", "| |").replace("|  |", "| |")


def test_the_table_of_all_options_is_that_of_the_code() -> None:
    page = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    assert table() in page, f"paste this into docs/reference/settings.md:\n{table()}"


def described(option: Option) -> list[str]:
    """Return the texts that a description has: the flag with its value, the variable, the words to choose from."""
    flags = [f"`{option.pytest_flag} {option.metavar}".rstrip()] if "pytest" in option.doors else []
    variables = [f"`{option.variable}`"] if option.variable else []
    tables = [f"`[tool.fastenv.{option.table_key}]`"] if option.doors == ("table",) else []
    return [*flags, *variables, *tables, *(f"`{choice}`" for choice in option.choices)]


@pytest.mark.parametrize("option", OPTIONS, ids=repr)
def test_each_option_is_described_with_its_values(option: Option) -> None:
    page = (REFERENCE / "settings.md").read_text(encoding="utf-8").replace(table(), "")
    texts = described(option)
    assert texts
    assert [text for text in texts if text not in page] == []


@pytest.mark.parametrize(("door", "heading"), [(door, f"## `fastenv {name}") for door, name in COMMANDS.items()])
def test_each_command_lists_its_options(door: str, heading: str) -> None:
    page = (REFERENCE / "command.md").read_text(encoding="utf-8")
    section = page[page.index(heading) :].partition("\n## ")[0]
    for option in of_door(door):  # type: ignore[arg-type]
        assert f"`{option.flag} {option.metavar}".rstrip() in section, option
    others = {option.flag for option in OPTIONS if option.key} - {option.flag for option in of_door(door)}  # type: ignore[arg-type]
    assert not [flag for flag in others if f"| `{flag}" in section or f", `{flag}" in section]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.field)
def test_fields_that_are_called_otherwise_than_their_keys_are_listed(option: Option) -> None:
    name = option.key or option.variable.removeprefix("FASTENV_").lower()
    if option.field != name.replace("-", "_"):
        assert f"`{option.field}`" in PYTHON.read_text(encoding="utf-8")
