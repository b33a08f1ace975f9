"""The JSON schema of ``fastenv.toml`` and ``[tool.fastenv]``, for editors: made from the tables of keys.

It accepts what the reader accepts, as far as a schema can tell: not whether an environment that is extended, an axis or
a file is there. Draft 7, which editors know. Not on the warm path.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, assert_never

from pytest_fastenv.matrix.axes import AXIS, EXCLUDE, NAME_KEY, WORD
from pytest_fastenv.matrix.inheritance import ALL, NAME
from pytest_fastenv.matrix.keys import INHERITED, PROGRAM, ROWS, TAG, VARIABLE_NAME, Row, is_axis, is_list
from pytest_fastenv.settings.environment_keys import (
    DEFAULTS,
    ENVIRONMENTS,
    EXTENDS,
    MATRIX,
    EnvironmentKey,
)
from pytest_fastenv.settings.options import OPTIONS, Option, of_door
from pytest_fastenv.settings.parsers import MOST_SECONDS

Schema = dict[str, Any]

FILE = Path(__file__).with_name("fastenv.schema.json")
"""The schema as it is shipped."""

_STRING: Schema = {"type": "string"}
_TEXT: Schema = {"type": "string", "pattern": r"\S"}
_NAMES = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"
_PATTERNS_OF_NAMES = r"^[A-Za-z0-9*?]([A-Za-z0-9._*?-]*[A-Za-z0-9*?])?$"
_DURATION = r"(?=[^1-9]*[1-9])[0-9]+(\.[0-9]+)?\s*[smhd]?"
#: What the items of lists look like, by the kind of the list.
_ITEMS = {
    "names": _NAMES,
    "variables": r"^[\w*?()]+$",
    "overlaps": r"^(?!(.*/)?\.{0,2}(/|$))[^\\]+$",
    "reports": r"^\s*$|[^/]\.(html|json)\s*$",
}
_WORD: Schema = {"type": "string", "pattern": f"^{WORD}$"}
_ENVIRONMENT = {"$ref": "#/definitions/environment"}
_OVERLAY = {"$ref": "#/definitions/overlay"}


def schema() -> Schema:
    """Return the schema, as JSON can hold it."""
    settings = {option.table_key: option for option in of_door("table")}
    defaults = {key: row for key, row in ROWS.items() if key in DEFAULTS}
    environment = {key: _described(row, _value(row)) for key, row in ROWS.items()}
    overlay = {key: value for key, value in environment.items() if key not in {EXTENDS.key, MATRIX.key}}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "https://pytest-fastenv.invalid/fastenv.schema.json",
        "title": "pytest-fastenv: fastenv.toml, and [tool.fastenv] of pyproject.toml",
        "type": "object",
        "properties": {
            **{key: _described(option, _or_nothing(option)) for key, option in settings.items()},
            **{key: _described(row, _inheriting_nothing(row)) for key, row in defaults.items()},
            ENVIRONMENTS: {
                "description": "Environments by name",
                "type": "object",
                "propertyNames": {"pattern": f"^{NAME}$", "not": {"const": ALL}},
                "additionalProperties": _ENVIRONMENT,
            },
        },
        "additionalProperties": False,
        "definitions": {
            "environment": {"type": "object", "properties": environment, "additionalProperties": False},
            "overlay": {"type": "object", "properties": overlay, "additionalProperties": False},
            "command": _command(),
            "matrix": _matrix(),
        },
    }


def tool_schema(_tool_name: str) -> Schema:
    """Return the schema of ``[tool.fastenv]`` to validate-pyproject, which asks for it by an entry point."""
    return schema()


def write() -> None:
    """Write the file that is shipped."""
    FILE.write_text(json.dumps(schema(), indent=1) + "\n", encoding="utf-8")


def _described(row: Row, value: Schema) -> Schema:
    return {"description": row.help, **value}


def _or_nothing(option: Option) -> Schema:
    """Return what ``[tool.fastenv]`` may have: an empty text says nothing there."""
    is_default = option is OPTIONS[0] or option in ROWS.values()  # what environments take over
    value = _inheriting_nothing(option) if is_default else _value(option)
    if option.kind in {"text", "path", "choice", "age", "seconds"}:
        return {"anyOf": [{"const": ""}, value]}
    return value


def _inheriting_nothing(row: Row) -> Schema:
    value = _value(row)
    if not is_list(row):
        return value
    return {**value, "items": {"allOf": [{"not": {"const": INHERITED}}, value["items"]]}}


def _value(row: Row) -> Schema:
    return _setting(row) if isinstance(row, Option) else _of_environment(row)


def _setting(option: Option) -> Schema:  # noqa: PLR0911 - one for each kind
    match option.kind:
        case "text" | "path" | "size":
            return _TEXT
        case "choice":
            return {"enum": list(option.choices)}
        case "flag":
            return {"type": "boolean"}
        case "number":
            return {"type": "integer", "minimum": 1}
        case "seconds" | "age":
            pattern = _DURATION if option.kind == "seconds" else f"0|forever|{_DURATION}"
            zero = {"minimum" if option.kind == "age" else "exclusiveMinimum": 0}
            number = {"type": "number", **zero, "maximum": MOST_SECONDS}
            return {"anyOf": [{"type": "string", "pattern": rf"^\s*({pattern})\s*$"}, number]}
        case "lines" | "constraints" | "words" | "reports" | "names" | "variables" | "overlaps":
            return {"type": "array", "items": _item(option)}
        case "indexes":
            return {"type": "object", "additionalProperties": _index()}
        case _:
            assert_never(option.kind)


def _of_environment(row: EnvironmentKey) -> Schema:  # noqa: PLR0911 - one for each kind
    match row.kind:
        case "text" | "path":
            return _TEXT
        case "flag":
            return {"type": "boolean"}
        case "words":
            return {"type": "array", "items": _TEXT}
        case "tags":
            return {"type": "array", "items": {"type": "string", "pattern": f"^{TAG}$"}}
        case "names":
            return {"anyOf": [_TEXT, {"type": "array", "minItems": 1, "items": _TEXT}]}
        case "variables":
            names = {"pattern": f"^{VARIABLE_NAME}$"}
            return {"type": "object", "propertyNames": names, "additionalProperties": _STRING}
        case "commands":
            return {"type": "array", "items": {"$ref": "#/definitions/command"}}
        case "matrix":
            table = {"$ref": "#/definitions/matrix"}
            return {"anyOf": [table, {"type": "array", "items": table}]}
        case _:
            assert_never(row.kind)


def _item(option: Option) -> Schema:
    """Return what an item of a list may be; in an environment also the mark for all that is inherited."""
    if option.kind not in _ITEMS:
        return _STRING
    return {"anyOf": [{"const": INHERITED}, {"type": "string", "pattern": _ITEMS[option.kind]}]}


def _index() -> Schema:
    projects = {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": _PATTERNS_OF_NAMES}}
    properties = {"url": _TEXT, "only": projects}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _command() -> Schema:
    program = {"type": "string", "pattern": rf"^\s*{PROGRAM}"}
    marked = {"type": "array", "minItems": 2, "items": [{"enum": ["-", "!"]}, program], "additionalItems": _STRING}
    return {
        "anyOf": [
            {"type": "string", "pattern": rf"^\s*([-!]\s+)?{PROGRAM}"},
            {"type": "array", "minItems": 1, "items": [program], "additionalItems": _STRING},
            marked,
        ]
    }


def _matrix() -> Schema:
    words = {"anyOf": [_STRING, {"type": "array", "minItems": 1, "items": _STRING}]}
    excluded = {"type": "object", "minProperties": 1, "additionalProperties": words}
    return {
        "type": "object",
        "properties": {
            EXCLUDE: {
                "description": "Combinations that are left out",
                "anyOf": [excluded, {"type": "array", "items": excluded}],
            },
            NAME_KEY: {"description": 'How the environments are called: "{name}-{python}"', **_STRING},
            **{key: _described(row, _axis(row)) if is_axis(row) else False for key, row in ROWS.items()},
        },
        "propertyNames": {"pattern": f"^{AXIS}$"},
        "additionalProperties": _axis(None),
        "not": {"propertyNames": {"enum": [EXCLUDE, NAME_KEY]}},
    }


def _axis(row: Row | None) -> Schema:
    """Return what an axis may be: one that is called like a key, or any other, which adds requirements."""
    row = row or OPTIONS[0]
    value = _value(row)
    words = dict(value.get("items", _STRING) if is_list(row) else value)
    given = [value, words, _OVERLAY] if is_list(row) else [value, _OVERLAY]
    says_it = {"allOf": [_OVERLAY, {"required": [next(key for key, one in ROWS.items() if one is row)]}]}
    table: Schema = {"type": "object", "minProperties": 1, "propertyNames": _WORD}
    pattern = _words_pattern(row)
    if pattern is None:
        table["additionalProperties"] = {"anyOf": given}
    else:
        table["patternProperties"] = {pattern: {"anyOf": given}}
        table["additionalProperties"] = {"anyOf": [*given[:-1], says_it]}
    return {"anyOf": [{"type": "array", "minItems": 1, "items": {"allOf": [_WORD, words]}}, table]}


def _words_pattern(row: Row) -> str | None:
    """Return what the name of a value has to look like, where it is the value of a key itself; ``None`` for any."""
    if isinstance(row, Option) and row.choices:
        return f"^({'|'.join(row.choices)})$"
    return _ITEMS.get(row.kind) if isinstance(row, Option) else None
