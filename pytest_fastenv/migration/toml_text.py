"""TOML with comments, written for people (https://toml.io/en/v1.0.0)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_fastenv.errors import printable

_WIDTH = 100


def table(keys: Sequence[str], values: Mapping[str, Any], remarks: Sequence[str] = ()) -> str:
    """Return a table: its header, its values, and remarks as comments above them.

    :param keys: those that lead to it; none for the top of a file.
    :param values: texts, booleans, numbers, lists, and dictionaries of them.
    """
    lines = [comment(remark) for remark in remarks]
    lines += [f"[{'.'.join(map(_key, keys))}]"] if keys else []
    lines += [line for key, value in values.items() for line in _lines(_key(key), value)]
    return "\n".join(lines) + "\n"


def comment(text: str) -> str:
    """Return a text as lines of a comment, with what could steer a terminal as escapes."""
    return "\n".join(f"# {printable(line)}".rstrip() for line in text.splitlines() or [""])


def _lines(key: str, value: Any) -> Iterator[str]:
    is_long = len(f"{key} = {_value(value)}") > _WIDTH
    if isinstance(value, Mapping) and is_long:
        for name, item in value.items():
            yield from _lines(f"{key}.{_key(name)}", item)
    elif isinstance(value, list) and (
        len(f"{key} = {_value(value)}") > _WIDTH or any(isinstance(i, list) for i in value)
    ):
        yield f"{key} = ["
        yield from (f"    {_value(item)}," for item in value)
        yield "]"
    else:
        yield f"{key} = {_value(value)}"


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)


def _letter(letter: str) -> str:
    """Return a letter of a text, as an escape of TOML where it could steer the terminal that it is shown on."""
    code = ord(letter)
    return letter if letter.isprintable() else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return "".join(map(_letter, json.dumps(value, ensure_ascii=False)))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(name)} = {_value(item)}' for name, item in value.items())} }}"
    return str(value)
