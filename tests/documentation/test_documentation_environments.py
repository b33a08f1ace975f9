"""The page about environments by name says what the tables of keys say, and its examples are right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_fastenv.matrix.selection import declared
from pytest_fastenv.settings.environment_keys import ENVIRONMENT_KEYS, REQUIREMENTS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "environments.md").read_text(encoding="utf-8")
KINDS = {
    "text": "text", "flag": "`true` or `false`", "path": "path", "words": "list of texts",
    "tags": "list of words",
    "commands": "list of commands",
    "variables": "table of texts", "names": "name, or list of names", "matrix": "table of axes, or list of them",
}  # fmt: skip


def table() -> str:
    """Return the table of all keys as the page has it."""
    rows = [f"| `{REQUIREMENTS}` | list of texts | yes | What it holds: sources of each kind |"]
    rows += [
        f"| `{row.key}` | {KINDS[row.kind]} | {'yes' if row.is_default else ''} | {row.help} |".replace("|  |", "| |")
        for row in ENVIRONMENT_KEYS
    ]
    return "\n".join(["| key | value | in `[tool.fastenv]` | |", "|---|---|---|---|", *rows])


def test_the_table_of_keys_is_that_of_the_code() -> None:
    assert table() in PAGE, f"paste this into docs/reference/environments.md:\n{table()}"


def examples() -> list[str]:
    return re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_what_the_first_example_declares(tmp_path: Path) -> None:
    first, *changing = examples()
    (tmp_path / "pyproject.toml").write_text("\n".join([first, *changing]), encoding="utf-8")
    environments = declared(tmp_path)
    assert list(environments) == ["test-py312-django4", "test-py312-django5", "test-py313-django5", "lint"]
    assert [name for name, environment in environments.items() if environment.allow_failure] == ["test-py313-django5"]
    assert environments["lint"].layer["sources"].value == ["ruff", "mypy"]


@pytest.mark.parametrize("axis", re.findall(r"^\| `(\w+ = [{\[].*?)`[ ;]", PAGE, re.MULTILINE))
def test_each_axis_that_is_shown(tmp_path: Path, axis: str) -> None:
    text = f"[envs.a]\ndescription = 'x {{matrix:lib:}}'\n[envs.a.matrix]\n{axis}\n"
    (tmp_path / "fastenv.toml").write_text(text, encoding="utf-8")
    assert len(declared(tmp_path)) == 2
