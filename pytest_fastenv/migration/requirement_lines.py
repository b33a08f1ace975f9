"""Lines of tox's ``deps``, which are lines of a requirements file, as keys of an environment."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_FILES = {"-r": "requirements", "--requirement": "requirements", "-c": "constraints", "--constraint": "constraints"}
_OPTION = re.compile(r"(--?[A-Za-z][\w-]*)(?:\s*=\s*|\s+)?(.*)", re.DOTALL)
_SHORT = re.compile(r"(-[a-zA-Z])(?=[^\s=-])(.*)")
#: What tox left as it is written; ``${NAME}`` is a variable's, in requirements files.
_REFERENCE = re.compile(r"(?<!\$)\{[^{}\s]+\}")

Remark = tuple[str, str]


def requirement_keys(lines: Iterable[str], root: str, places: Mapping[str, str]) -> tuple[dict[str, Any], list[Remark]]:
    """Return what lines say, by key, and what could not be said, with the reason.

    :param root: the project's directory; below it paths are written relative to it.
    :param places: placeholders of directories, which have no meaning among requirements.
    """
    values: dict[str, Any] = {}
    remarks: list[Remark] = []

    def path(text: str) -> str:
        return os.path.relpath(text, root) if text.startswith(os.path.join(root, "")) else text

    for line in lines:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if reference := _REFERENCE.search(text):
            remarks.append((f"deps: {text}", f"{reference[0]} refers to nothing"))
        elif any(place != root and place in text for place in places):
            remarks.append((f"deps: {text}", "it names a directory of tox's"))
        elif text.startswith("-"):
            _option(text, path, values, remarks)
        elif re.search(r"\s--(hash|config-settings?|global-option)", text):
            remarks.append((f"deps: {text}", "put it into a requirements file, and name that"))
        else:
            values.setdefault("requirements", []).append(_source(text, root))
    return values, remarks


def _option(text: str, path: Callable[[str], str], values: dict[str, Any], remarks: list[Remark]) -> None:
    short = _SHORT.fullmatch(text)
    found = short or _OPTION.fullmatch(text)
    name, value = (found[1], found[2].strip()) if found else (text, "")
    value = shlex.split(value)[0] if value[:1] in {"'", '"'} else value
    if name in _FILES and value:
        values.setdefault(_FILES[name], []).append(path(value))
    elif name in {"-e", "--editable"} and path(value) in {".", "./"}:
        remarks.append((f"deps: {text}", "the project here comes as the key project says"))
    elif name in {"-e", "--editable"}:
        values.setdefault("requirements", []).append(path(value))
        remarks.append((f"-e before {value}", "it is installed as a wheel: only the project here can be editable"))
    else:
        remarks.append((f"deps: {text}", "put it into a requirements file, and name that"))


def _source(text: str, root: str) -> str:
    """Return a requirement as a source: a path below the project's directory is relative to that."""
    prefix = os.path.join(root, "")
    return f".{os.sep}{text.removeprefix(prefix)}" if text.startswith(prefix) else text
