"""The keys of an environment: what their values may be, and how a value comes of two."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, assert_never

from pytest_fastenv.errors import UsageError
from pytest_fastenv.settings.environment_keys import ENVIRONMENT_KEYS, REQUIREMENTS, EnvironmentKey
from pytest_fastenv.settings.layers import Given, Origin, refused, wrong_part
from pytest_fastenv.settings.options import OPTIONS, Option, of_door
from pytest_fastenv.settings.parsers import parse
from pytest_fastenv.settings.tables import setting

Row = Option | EnvironmentKey
Values = dict[str, Given]
"""Values by their keys, as TOML has them, each with its place."""

#: What says which environment is meant, and nothing about one.
_CHOOSING = frozenset({"sources", "environments"})
ROWS: Mapping[str, Row] = {
    **{row.key: row for row in ENVIRONMENT_KEYS},
    REQUIREMENTS: OPTIONS[0],
    **{option.table_key: option for option in of_door("table") if option.field not in _CHOOSING},
}
"""The rows of all keys that an environment may have."""

INHERITED = "{inherited}"
"""In a list: what it would be without this list."""
TAG = r"[^,\s](?:[^,]*[^,\s])?"
VARIABLE_NAME = r"[^=\s]+"
#: A word of a command that is a program, and not a dash or an exclamation mark that belongs to the word behind it.
PROGRAM = r"[^-!]"
_PROGRAM = re.compile(rf"\s*{PROGRAM}", re.DOTALL)
_COMMAND = re.compile(rf"\s*([-!]\s+)?{PROGRAM}", re.DOTALL)
_COMMAND_HINT = (
    'a command is one text ("pytest -q"), or a list of words (["pytest", "-q"]): commands = [["pytest", "-q"]]'
)


def is_list(row: Row) -> bool:
    """Tell whether values of a row are lists, which add up."""
    return row.is_list if isinstance(row, Option) else row.kind in {"words", "tags", "commands"}


def is_table(row: Row) -> bool:
    """Tell whether values of a row are tables, which are put over each other key by key."""
    return row.kind in {"variables", "indexes"} and not is_list(row)


def is_axis(row: Row) -> bool:
    """Tell whether an axis may be called like the key of a row, and sets it: values are texts, or lists of texts."""
    if isinstance(row, EnvironmentKey):
        return row.kind in {"text", "path", "words", "tags"}
    return is_list(row) or row.kind in {"text", "choice", "path"}


def checked(key: str, value: Any, origin: Origin) -> Given:
    """Return a value that is accepted for a key.

    :raises UsageError: it is not.
    """
    row = ROWS[key]
    if isinstance(row, Option):
        _check_setting(row, value, origin)
    else:
        _check(row, value, origin)
    return Given(value, origin)


def _check_setting(option: Option, value: Any, origin: Origin) -> None:
    given = setting(option, value, origin)
    taken = value if given is None else given.value
    if is_list(option):
        taken = [item for item in taken if item != INHERITED]
    try:
        parse(option, taken)
    except ValueError as reason:
        raise refused(origin, wrong_part(option, taken), str(reason)) from None


def _check(row: EnvironmentKey, value: Any, origin: Origin) -> None:
    match row.kind:
        case "text" | "path":
            fits, expected = _is_text(value), "expected text"
        case "flag":
            fits, expected = isinstance(value, bool), "expected true or false"
        case "words":
            fits, expected = isinstance(value, list) and all(map(_is_text, value)), "expected a list of texts"
        case "tags":
            fits = isinstance(value, list) and all(isinstance(tag, str) and re.fullmatch(TAG, tag) for tag in value)
            expected = "expected a list of words without commas: -e tag:A,tag:B names two"
        case "names":
            names = [value] if isinstance(value, str) else value
            fits = isinstance(names, list) and bool(names) and all(map(_is_text, names))
            expected = "expected the name of an environment, or a list of names"
        case "variables":
            names = value if isinstance(value, dict) else {"=": ""}
            fits = all(re.fullmatch(VARIABLE_NAME, name) and isinstance(text, str) for name, text in names.items())
            expected = "expected a table of texts by the names of variables"
        case "commands":
            if not isinstance(value, list):
                raise refused(origin, value, f"expected a list of commands: {_COMMAND_HINT}")
            for position, command in enumerate(value):
                _check_command(command, origin._replace(keys=(*origin.keys, str(position))))
            return
        case "matrix":
            return  # read where its axes are
        case _:
            assert_never(row.kind)
    if not fits:
        raise refused(origin, value, expected)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _check_command(command: Any, origin: Origin) -> None:
    words = [command] if isinstance(command, str) else command
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise refused(origin, command, f"expected a command: {_COMMAND_HINT}")
    if isinstance(command, str):
        begins = _COMMAND.match(command)
    else:
        begins = _PROGRAM.match(words[1] if words[0] in {"-", "!"} and len(words) > 1 else words[0])
    if not begins:
        why = "a command begins with a program; before it - (any exit code will do) or ! (it has to fail), and a space"
        raise UsageError(f"{origin}: {command!r} is no command", where=origin.where, why=why, hint=_COMMAND_HINT)


def over(key: str, below: Given | None, value: Given, *, adds: bool = False) -> Given:
    """Return what comes of a value that stands over another one.

    Tables are put over each other key by key. A list takes the other one's place, with the other one's items where
    `INHERITED` stands in it. Everything else takes the other one's place.

    :param adds: a list is added to the other one.
    """
    row = ROWS[key]
    if is_table(row):
        return value if below is None else Given({**below.value, **value.value}, value.origin)
    if not is_list(row):
        return value
    inherited = [] if below is None else list(below.value)
    if INHERITED in value.value:
        items = [item for one in value.value for item in (inherited if one == INHERITED else [one])]
    else:
        items = [*inherited, *value.value] if adds else list(value.value)
    return Given(items, value.origin)
