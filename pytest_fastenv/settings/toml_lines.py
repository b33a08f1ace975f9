"""Where keys stand in a TOML file: `tomllib` does not tell, and a diagnosis names the line.

Read only for a message. The file is TOML, as `tomllib` has seen by then, so only what separates keys from values is
looked at: strings, comments, brackets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Keys = tuple[str, ...]
"""The keys that lead to a value, the position for what stands in an array: ``("envs", "a", "matrix", "0")``."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}(?!")'
    r"|'''.*?'{3,5}(?!')"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_KEY = re.compile(rf"{_STRING.pattern}|[A-Za-z0-9_-]+", re.DOTALL)
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_PLAIN = re.compile(r"[^,\]}#\n]*")


def line_of(text: str, keys: Keys) -> int:
    """Return the line that a value's key stands in, or the item of an array; one-based, 0 where it is not found.

    For a table the line of its header, or the first one that makes it.

    :param text: valid TOML.
    """
    try:
        return _Lines(text).found.get(keys, 0)
    except (IndexError, ValueError):  # TOML of a kind that is not known here: no line is better than a wrong one
        return 0


class _Lines:
    def __init__(self, text: str) -> None:
        self.found: dict[Keys, int] = {}
        self._text = text.replace("\r\n", "\n")
        self._at = 0
        self._lengths: dict[Keys, int] = {}
        self._document()

    def _document(self) -> None:
        table: Keys = ()
        while self._skip() < len(self._text):
            start = self._at
            if self._text[start] == "[":
                table = self._header(start)
            else:
                self._pair(table)

    def _header(self, start: int) -> Keys:
        is_array = self._text.startswith("[[", start)
        self._at += 1 + is_array
        *outer, last = self._dotted()
        self._at = self._text.index("]", self._at) + 1 + is_array
        keys: Keys = ()
        for key in outer:
            keys = self._current((*keys, key))
            self._note(keys, start)
        keys = (*keys, last)
        if is_array:
            self._note(keys, start)
            position = self._lengths[keys] = self._lengths.get(keys, -1) + 1
            keys = (*keys, str(position))
        self.found[keys] = self._line(start)
        return keys

    def _current(self, keys: Keys) -> Keys:
        """Return the keys of a table; of an array of tables the last one's."""
        return (*keys, str(self._lengths[keys])) if keys in self._lengths else keys

    def _pair(self, table: Keys) -> None:
        start = self._at
        keys = table
        for key in self._dotted():
            keys = (*keys, key)
            self._note(keys, start)
        self._at = self._text.index("=", self._at) + 1
        self._value(keys)

    def _dotted(self) -> list[str]:
        keys: list[str] = []
        while True:
            self._skip()
            match = _KEY.match(self._text, self._at)
            if match is None:
                raise ValueError
            keys.append(_unquoted(match[0]))
            dot = _DOT.match(self._text, match.end())
            self._at = dot.end() if dot else match.end()
            if dot is None:
                return keys

    def _value(self, keys: Keys) -> None:
        self._skip()
        opening = self._text[self._at]
        if match := _STRING.match(self._text, self._at):
            self._at = match.end()
        elif opening not in "[{":
            self._at = _plain_end(self._text, self._at)
        else:
            self._at += 1
            self._items(keys, "]" if opening == "[" else "}")

    def _items(self, keys: Keys, closing: str) -> None:
        position = 0
        self._skip()
        while self._text[self._at] != closing:
            if closing == "]":
                self._note((*keys, str(position)), self._at)
                self._value((*keys, str(position)))
            else:
                self._pair(keys)
            position += 1
            self._skip()
            if self._text[self._at] == ",":
                self._at += 1
                self._skip()
        self._at += 1

    def _skip(self) -> int:
        match = _BLANK.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at

    def _note(self, keys: Keys, at: int) -> None:
        self.found.setdefault(keys, self._line(at))

    def _line(self, at: int) -> int:
        return self._text.count("\n", 0, at) + 1


def _unquoted(key: str) -> str:
    if not key.startswith(('"', "'")):
        return key
    import tomllib

    value: Mapping[str, str] = tomllib.loads(f"key = {key}")
    return value["key"]


def _plain_end(text: str, at: int) -> int:
    match = _PLAIN.match(text, at)
    return match.end() if match else at
