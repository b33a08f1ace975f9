"""A path as each shell writes it: activation scripts of the skeleton hold its path, and get another one."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Occurrence(NamedTuple):
    """Where a text holds the path, quotes included.

    :ivar style: key of `STYLES`: how to write another path there.
    """

    begin: int
    end: int
    style: str


def _sh(path: str) -> str:
    return "'" + path.replace("'", "'\"'\"'") + "'"


def _csh(path: str) -> str:
    return _sh(path).replace("\\", "'\\\\'").replace("!", "'\\!'")


def _fish(path: str) -> str:
    return "'" + re.sub(r"['\\]", r"\\\g<0>", path) + "'"


def _nushell(path: str) -> str:
    fence = "#" * (max((len(run) for run in re.findall("#+", path)), default=0) + 1)
    return f"r{fence}'{path}'{fence}"


def _powershell(path: str) -> str:
    return "'" + re.sub("['\u2018-\u201b]", r"\g<0>\g<0>", path) + "'"


def _batch(path: str) -> str:
    """Inside ``@set "NAME=…"``: a percent sign is doubled; there is no other escape, nor a quote in a Windows path."""
    return path.replace("%", "%%")


#: How to write a path, by the name of the shell (``plain``: as it is).
STYLES: dict[str, Callable[[str], str]] = {
    "sh": _sh,
    "csh": _csh,
    "fish": _fish,
    "nushell": _nushell,
    "powershell": _powershell,
    "batch": _batch,
    "python": ascii,
    "plain": str,
}

_BY_ENDING = {
    "activate": "sh",
    ".csh": "csh",
    ".fish": "fish",
    ".nu": "nushell",
    ".ps1": "powershell",
    ".bat": "batch",
    ".py": "python",
    ".xsh": "python",
}


def occurrences(name: str, text: str, path: str) -> Iterator[Occurrence]:
    """Yield where a script holds a path in any of the ways that generators of scripts write it, in order.

    :param name: the script's file name; its ending tells the shell.
    """
    style = next((style for ending, style in _BY_ENDING.items() if name.lower().endswith(ending)), "plain")
    forms = {STYLES[style](path)}
    if style not in {"plain", "batch"}:  # there, quotes around a path are not part of it
        forms |= {_sh(path), shlex.quote(path), ascii(path), json.dumps(path), f'"{path}"', f"'{path}'", path}
    for match in re.finditer("|".join(map(re.escape, sorted(forms, key=len, reverse=True))), text):
        yield Occurrence(match.start(), match.end(), style)


def replaced(text: str, found: list[Occurrence], path: str) -> str:
    """Return the text with another path wherever the first one was found."""
    parts, position = [], 0
    for begin, end, style in found:
        parts += [text[position:begin], STYLES[style](path)]
        position = end
    return "".join((*parts, text[position:]))
