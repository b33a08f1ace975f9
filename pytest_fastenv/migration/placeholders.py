"""Texts of tox's with what it has replaced, turned back into texts with placeholders."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence

_MARK = re.compile(r"\x01(posargs|env:[^\x01]+)\x01")
_TOKEN = re.compile(r"\ue000([0-9]+)\ue001")
_BETWEEN = "\x02"


def words(marked: Sequence[str], plain: Sequence[str], places: Mapping[str, str]) -> list[str]:
    """Return a command's words with placeholders.

    :param marked: as they are with marks.
    :param plain: as they are without arguments and variables.
    :param places: placeholders by the directories that they stand for.
    """
    return _restored(_BETWEEN.join(marked), _BETWEEN.join(plain), places).split(_BETWEEN)


def text(marked: str, plain: str, places: Mapping[str, str]) -> str:
    """Return a text with placeholders; see `words`."""
    return _restored(marked, plain, places)


def has_marks(value: object) -> bool:
    """Tell whether something in a value depends on arguments or variables."""
    return _MARK.search(repr(value).replace("\\x01", "\x01")) is not None


def _restored(marked: str, plain: str, places: Mapping[str, str]) -> str:
    tokens: list[str] = []

    def kept(placeholder: str) -> str:
        tokens.append(placeholder)
        return f"\ue000{len(tokens) - 1}\ue001"

    defaults = _defaults(marked, plain)

    def mark(found: re.Match[str]) -> str:
        default = defaults.pop(0) if defaults else ""
        if found[1] == "posargs":
            default = shlex.join(default.split(_BETWEEN)) if _BETWEEN in default else _quoted(default)
        shown = _with_places(default, places, kept)
        return kept(f"{{{found[1]}:{_untokened(shown, tokens)}}}" if default else f"{{{found[1]}}}")

    result = _with_places(_MARK.sub(mark, marked), places, kept)
    return _untokened(result, tokens)


def _quoted(text: str) -> str:
    return text if not re.search(r"[\s\"']", text) else shlex.quote(text)


def _with_places(text: str, places: Mapping[str, str], kept: Callable[[str], str]) -> str:
    for directory in sorted(places, key=len, reverse=True):
        pattern = re.escape(directory) + ("" if directory.endswith("-") else r"(?![\w.-])")
        text = re.sub(pattern, kept(places[directory]), text)  # a token has no backslash
    return re.sub(r"(\\*)([{}])", r"\1\1\\\2", text)


def _untokened(text: str, tokens: Sequence[str]) -> str:
    while _TOKEN.search(text):
        text = _TOKEN.sub(lambda found: tokens[int(found[1])], text)
    return text


def _defaults(marked: str, plain: str) -> list[str]:
    """Return what stands in the plain text in place of each mark; empty texts where the two do not fit together."""
    pattern, end = "", 0
    for found in _MARK.finditer(marked):
        before = marked[end : found.start()]
        is_word = before.endswith(_BETWEEN) and marked[found.end() : found.end() + 1] in {"", _BETWEEN}
        if is_word:  # a word that stands for nothing is not there, nor what separates it
            pattern += f"{re.escape(before[:-1])}(?:{_BETWEEN}(.*?))?"
        else:
            pattern += f"{re.escape(before)}(.*?)"
        end = found.end()
    fits = re.fullmatch(pattern + re.escape(marked[end:]), plain, re.DOTALL)
    return [group or "" for group in fits.groups()] if fits else []
