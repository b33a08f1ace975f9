"""From a text, or a value of TOML's own types, to a setting's value.

Standard library only: this module is on the warm path.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.settings.values import NamedIndex

if TYPE_CHECKING:
    from pytest_fastenv.settings.options import Option

MOST_SECONDS = 3650 * 86400.0
"""Ten years: what the operating system's and libraries' clocks can take everywhere."""
_DURATION_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
SIZE = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>%|[kMGT]?B|[KMGT]iB)", re.ASCII)
"""A size in bytes, or a share of a disk."""
#: What words of choices stand for, where they are more than words.
_ENUMERATIONS = {"link": LinkMode}


def parse(option: Option, value: Any) -> Any:  # noqa: PLR0911 - one line for each kind
    """Return the value of a setting.

    :param value: as it was given, not ``None``.
    :raises ValueError: it is not accepted; the text says what is expected.
    """
    match option.kind:
        case "text":
            return _text(value)
        case "choice":
            return _choice(option, value)
        case "path":
            return _path(value)
        case "number":
            return _positive(value)
        case "seconds":
            return _seconds(value)
        case "age" | "size":
            return parse_age(value) if option.kind == "age" else parse_size(value)
        case "flag":
            return _flag(value)
        case "lines" | "constraints" | "words":
            return _words(value) if option.kind == "words" else _lines(value)
        case "reports":
            return _reports(value)
        case "variables" | "overlaps":
            return _variables(value) if option.kind == "variables" else _overlaps(value)
        case "names" | "indexes":
            return _names(value) if option.kind == "names" else _indexes(value)
        case _:
            assert_never(option.kind)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        msg = "expected text"
        raise ValueError(msg)
    return value


def _choice(option: Option, value: Any) -> str:
    if value not in option.choices:
        msg = f"expected one of {', '.join(option.choices)}"
        raise ValueError(msg)
    return _ENUMERATIONS.get(option.field, str)(value)


def _positive(value: Any) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r"0*[1-9][0-9]*", text, re.ASCII):
        msg = "expected a positive integer"
        raise ValueError(msg)
    return int(text)


def _seconds(value: Any) -> float:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd]?)", str(value).strip(), re.ASCII)
    if isinstance(value, bool) or not match or not float(match[1]):
        msg = "expected a duration above zero such as 90, 90s, 15m or 2h"
        raise ValueError(msg)
    seconds = float(match[1]) * _DURATION_UNITS_S[match[2]]
    if seconds > MOST_SECONDS:
        msg = "expected a duration of at most 3650d"
        raise ValueError(msg)
    return seconds


def parse_age(value: Any) -> float:
    """Return an age in seconds; infinite for ``forever``.

    :raises ValueError: it is none.
    """
    text = str(value).strip()
    if text == "forever":
        return float("inf")
    if text == "0":
        return 0.0
    try:
        return _seconds(value)
    except ValueError:
        msg = "expected 0, a duration such as 90m or 24h, or forever"
        raise ValueError(msg) from None


def parse_size(value: Any) -> str:
    """Return a size in bytes or a share of a disk, as it was written.

    :raises ValueError: it is neither.
    """
    text = str(value).strip()
    if isinstance(value, bool) or not SIZE.fullmatch(text):
        msg = "expected a size such as 20GB, 500MB or 2GiB, or a share of the disk such as 10%"
        raise ValueError(msg)
    return text


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off", ""}:
        return False
    msg = "expected true or false"
    raise ValueError(msg)


def _path(value: Any) -> Path:
    path = os.path.expanduser(os.fspath(value) if isinstance(value, Path) else _text(value))
    if path.startswith("~"):
        home = re.split(r"[/\\]", path)[0]
        msg = f"expected a path: there is no home directory {home} (./{home} is a directory of that name)"
        raise ValueError(msg)
    return Path(path)


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return tuple(value)
    msg = "expected text or a list of texts"
    raise ValueError(msg)


def _lines(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(line.strip() for line in value.splitlines() if line.strip())
    return _words(value)


def _reports(value: Any) -> tuple[Path, ...]:
    paths = tuple(_path(item) for item in _lines(value))
    for path in paths:
        if path.suffix not in {".html", ".json"}:
            msg = "the ending decides what is written: .html for a timeline, .json for a trace"
            raise ValueError(msg)
    return paths


def _names(value: Any) -> frozenset[str]:
    words = _words(value)
    if not all(re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", word) for word in words):
        msg = "expected names, such as docs or test-all, without commas between them"
        raise ValueError(msg)
    return frozenset(re.sub(r"[-_.]+", "-", word).lower() for word in words)


def _variables(value: Any) -> tuple[str, ...]:
    words = _words(value)
    if not all(re.fullmatch(r"[\w*?()]+", word) for word in words):
        msg = "expected names of variables such as VENDOR_DIR, or patterns such as VENDOR_*"
        raise ValueError(msg)
    return words


def _overlaps(value: Any) -> tuple[str, ...]:
    words = _words(value)
    for word in words:
        # Paths are compared as a wheel's members are written.
        if "\\" in word or not {"", ".", ".."}.isdisjoint(word.split("/")):
            msg = (
                "expected names of projects, or patterns of paths below site-packages or below the environment's "
                f"directory, such as google/_upb/*: {word!r} matches none"
            )
            raise ValueError(msg)
    return words


def _indexes(value: Any) -> tuple[NamedIndex, ...]:
    if not isinstance(value, Mapping):
        msg = "expected a table for each index, by its name: [tool.fastenv.indexes.NAME]"
        raise ValueError(msg)  # noqa: TRY004 - what is wrong with a setting is told so
    return tuple(_named_index(name, index) for name, index in value.items())


def _named_index(name: str, index: Any) -> NamedIndex:
    if not isinstance(index, Mapping) or set(index) != {"url", "only"}:
        msg = f"expected a url and a list of only the projects that are taken from the index {name}, and nothing else"
        raise ValueError(msg)
    only = index["only"]
    if not isinstance(only, (list, tuple)) or not only or not all(isinstance(one, str) for one in only):
        msg = f"expected a list of projects for only of the index {name}: a name, or a pattern such as acme-*"
        raise ValueError(msg)
    for pattern in only:
        if not re.fullmatch(r"[A-Za-z0-9*?](?:[A-Za-z0-9._*?-]*[A-Za-z0-9*?])?", pattern):
            msg = f"expected names of projects, or patterns such as acme-*: {pattern!r} of the index {name} is neither"
            raise ValueError(msg)
    try:
        url = _text(index["url"])
    except ValueError:
        msg = f"expected an address as url of the index {name}"
        raise ValueError(msg) from None
    return NamedIndex(name, url, tuple(re.sub(r"[-_.]+", "-", pattern).lower() for pattern in only))
