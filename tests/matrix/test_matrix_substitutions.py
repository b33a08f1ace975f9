"""Placeholders in commands, variables and directories."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.matrix.declaration import Command
from pytest_fastenv.matrix.substitutions import VALUES, Substitutions

PLACE = "commands of py312"
_VALUES = {name: f"/place of/{name}" for name in VALUES} | {"env_name": "py312"}
_VARIABLES = {"OPTIONS": "-q --color=yes", "EMPTY": "", "NAME": "OPTIONS", "QUOTED": "-k 'a or b'"}


def _substitutions(posargs: list[str] | None = None, *, is_terminal: bool = False, root: str = ".") -> Substitutions:
    return Substitutions(_VALUES, _VARIABLES.get, posargs=posargs, is_terminal=is_terminal, root=root)


@pytest.mark.parametrize("name", [*VALUES, *(other for others in VALUES.values() for other in others)])
def test_every_value_has_its_names(name: str) -> None:
    meant = next(one for one, others in VALUES.items() if name in (one, *others))
    assert _substitutions().text(f"<{{{name}}}>", PLACE) == f"<{_VALUES[meant]}>"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("{env:EMPTY:x}", ""),
        ("{env:MISSING}", ""),
        ("{env:MISSING:a{/}b}", f"a{os.sep}b"),
        ("{env:MISSING:{env:OTHER:{env_name}}}", "py312"),
        ("{env:{env:NAME}}", "-q --color=yes"),
        (r"{env:MISSING:http\://x}", "http://x"),
        ("{env:MISSING:http://x}", "http://x"),
        (r"{env:MISSING:\{\}}", "{}"),
        ("a{:}b", f"a{os.pathsep}b"),
        ("{tty:on:off}", "off"),
        ("{tty:on}", ""),
        ("{posargs:a b}", "a b"),
        ("{} {1: 2} {'a': 1} {a b} {x!r} }", "{} {1: 2} {'a': 1} {a b} {x!r} }"),
        (r"\{env_name}", "{env_name}"),
        (r"\\{env_name}", "\\py312"),
        (r"\\\{env_name}", "\\{env_name}"),
        (r"a\b\\c", r"a\b\\c"),
        (r"f\{x\}", "f{x}"),
        ("", ""),
    ],
)
def test_a_text(text: str, meant: str) -> None:
    assert _substitutions().text(text, PLACE) == meant


def test_a_terminal_decides() -> None:
    assert _substitutions(is_terminal=True).text("{tty:--color={env_name}:off}", PLACE) == "--color=py312"


@pytest.mark.parametrize(
    ("posargs", "words"),
    [
        (None, ["pytest", "tests", "unit tests"]),
        ([], ["pytest"]),
        (["-k", "a or b", "", "it's", "{env_name}"], ["pytest", "-k", "a or b", "", "it's", "{env_name}"]),
    ],
)
def test_arguments_are_words_of_their_own(posargs: list[str] | None, words: list[str]) -> None:
    text = Command(("pytest {posargs:tests 'unit tests'}",), split=True)
    assert _substitutions(posargs).words(text, PLACE) == words
    one_by_one = Command(("pytest", "{posargs:tests 'unit tests'}"))
    assert _substitutions(posargs).words(one_by_one, PLACE) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{env_python} -m pytest", ["/place of/env_python", "-m", "pytest"]),
        ("x={env_dir}/y", ["x=/place of/env_dir/y"]),
        ("pytest {env:OPTIONS} {env:EMPTY} {env:QUOTED}", ["pytest", "-q", "--color=yes", "-k", "a or b"]),
        ('sh -c "echo {posargs}"', ["sh", "-c", "echo a b"]),
        ("python -c 'print({})'", ["python", "-c", "print({})"]),
        ("pytest # no comment", ["pytest", "#", "no", "comment"]),
        ("pytest --x=", ["pytest", "--x="]),
    ],
)
def test_a_text_is_split_as_a_shell_would(text: str, words: list[str]) -> None:
    assert _substitutions(["a", "b"]).words(Command((text,), split=True), PLACE) == words


def test_words_of_a_list_are_not_split() -> None:
    words = Command(("a b", "{env:OPTIONS}", "<{posargs}>", "{posargs}-{posargs}"))
    assert _substitutions(["x", "y z"]).words(words, PLACE) == ["a b", "-q --color=yes", "<x 'y z'>", "x 'y z'-x 'y z'"]


def test_files_are_found_by_pattern(tmp_path: Path) -> None:
    for name in ("b c.txt", "a.txt", "no.py"):
        (tmp_path / name).touch()
    substitutions = _substitutions(root=str(tmp_path))
    found = [str(tmp_path / "a.txt"), str(tmp_path / "b c.txt")]
    assert substitutions.words(Command(("cat {glob:*.txt}",), split=True), PLACE) == ["cat", *found]
    assert substitutions.words(Command(("cat {glob:*.md:none at all}",), split=True), PLACE) == [
        "cat", "none", "at", "all",
    ]  # fmt: skip


def test_use_of_arguments_is_noted() -> None:
    substitutions = _substitutions(["x"])
    substitutions.text("{env_name} {tty:{posargs}:}", PLACE)
    assert not substitutions.uses_posargs
    substitutions.text("{env:MISSING:{posargs}}", PLACE)
    assert substitutions.uses_posargs


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{env_nam}", "did you mean {env_name}?"),
        ("{surprise}", "known are {env_name}"),
        ("{surprise:x}", "{surprise:x} stands for nothing"),
        ("{env}", "{env:NAME}"),
        ("{env:}", "{env:NAME}"),
        ("{tty}", "{tty:ON:OFF}"),
        ("{env_dir:x}", "{env_dir} has no default"),
        ("{toxworkdir}", "{env_tmp_dir}"),
        ("{basepython}", "{env_python}"),
        ("{env:MISSING:{oops}}", "{oops} stands for nothing"),
        ("{env:NAME", "a brace is not closed"),
        ("{posargs:{env_name}", "a brace is not closed"),
    ],
)
def test_what_is_not_known_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        _substitutions().text(f"x {text}", PLACE)
    assert told in raised.value.diagnosis()
    assert raised.value.where == PLACE


def test_a_quotation_that_is_not_closed() -> None:
    with pytest.raises(UsageError, match="cannot be split into words"):
        _substitutions().words(Command(("pytest -k 'a",), split=True), PLACE)
