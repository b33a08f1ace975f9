"""Texts of tox's with what it has replaced, turned back into texts with placeholders."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

_MARK = re.compile(r"\x01(posargs|env:[^\x01]+)\x01")
_POSARGS = re.compile(r"\x01posargs\x01")
_VARIABLE = re.compile(r"\x01(env:[^\x01]+)\x01")
_TOKEN = re.compile(r"\ue000([0-9]+)\ue001")
_BETWEEN = "\x02"


class Asked(NamedTuple):
    """What tox made of one text, or of one command's words, asked three times.

    :ivar marked: with marks in place of arguments and of variables.
    :ivar variables: with marks in place of variables, and no arguments.
    :ivar plain: with neither.
    """

    marked: str
    variables: str
    plain: str

    @classmethod
    def of_words(cls, marked: Sequence[str], variables: Sequence[str], plain: Sequence[str]) -> Asked:
        """Return a command's words as texts."""
        return cls(*map(_BETWEEN.join, (marked, variables, plain)))


def words(asked: Asked, places: Mapping[str, str]) -> list[str]:
    """Return a command's words with placeholders.

    :param places: placeholders by the directories that they stand for.
    """
    return text(asked, places).split(_BETWEEN)


def text(asked: Asked, places: Mapping[str, str]) -> str:
    """Return a text with placeholders; see `words`."""
    tokens: list[str] = []

    def token(placeholder: str) -> str:
        tokens.append(placeholder)
        return f"\ue000{len(tokens) - 1}\ue001"

    arguments = iter(_defaults(asked.marked, asked.variables, _POSARGS))
    variables = iter(_defaults(asked.variables, asked.plain, _VARIABLE))

    def argument(_: re.Match[str]) -> str:
        default = next(arguments)
        if not default:
            return token("{posargs}")
        shown = " ".join(map(_quoted, default.split(_BETWEEN))) if _BETWEEN in default else _quoted(default)
        return f"{token('{posargs:')}{shown}{token('}')}"

    def variable(found: re.Match[str]) -> str:
        default = next(variables)
        return f"{token(f'{{{found[1]}:')}{default}{token('}')}" if default else token(f"{{{found[1]}}}")

    result = _VARIABLE.sub(variable, _POSARGS.sub(argument, asked.marked))
    for directory in sorted(places, key=len, reverse=True):
        pattern = re.escape(directory) + ("" if directory.endswith("-") else r"(?![\w.-])")
        result = re.sub(pattern, token(places[directory]), result)  # a token has no backslash
    result = re.sub(r"(\\*)([{}])", r"\1\1\\\2", result)
    return _TOKEN.sub(lambda found: tokens[int(found[1])], result)


def one_text(words: Sequence[str]) -> str:
    """Return a command as one text, which is split when its variables are known: each may be several words, or none."""
    return " ".join(word if "{" in word and not re.search(r"[\"'\\]", word) else _quoted(word) for word in words)


def has_marks(value: object) -> bool:
    """Tell whether something in a value depends on arguments or variables."""
    return _MARK.search(repr(value).replace("\\x01", "\x01")) is not None


def _quoted(text: str) -> str:
    return text if not re.search(r"[\s\"']", text) else shlex.quote(text)


def _defaults(marked: str, plain: str, mark: re.Pattern[str]) -> Iterator[str]:
    """Yield what stands in one text in place of each mark of another one; empty texts where they do not fit together.

    There are as many as anybody asks for.
    """
    pattern, end = "", 0
    for found in mark.finditer(marked):
        before = marked[end : found.start()]
        is_word = before.endswith(_BETWEEN) and marked[found.end() : found.end() + 1] in {"", _BETWEEN}
        if is_word:  # a word that stands for nothing is not there, nor what separates it
            pattern += f"{re.escape(before[:-1])}(?:{_BETWEEN}(.*?))?"
        elif not before and marked[found.end() : found.end() + 1] == _BETWEEN and found.start() == 0:
            pattern += f"(?:(.*?){_BETWEEN})?"
            end = found.end() + 1
            continue
        else:
            pattern += f"{re.escape(before)}(.*?)"
        end = found.end()
    fits = re.fullmatch(pattern + re.escape(marked[end:]), plain, re.DOTALL)
    yield from ((group or "" for group in fits.groups()) if fits else ())
    while True:
        yield ""
