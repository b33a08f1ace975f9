"""Console and GUI scripts that a wheel's ``entry_points.txt`` asks for.

Format: https://packaging.python.org/en/latest/specifications/entry-points/
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pytest_fastenv.archive.member_paths import shown
from pytest_fastenv.errors import ScriptError

_WRAPPER_ENDINGS = (".exe", "-script.pyw", "-script.py", ".pya")
_GROUPS = {"console_scripts": False, "gui_scripts": True}
_NAME = re.compile(r"[\w.-](?:[\w .-]*[\w.-])?")
_REFERENCE = re.compile(r"(\w+(?:\.\w+)*)\s*:\s*(\w+(?:\.\w+)*)\s*(?:\[[\w\s,.-]*\])?")
#: What makes the environment an environment: nothing that is installed may take these names.
_RESERVED = re.compile(
    r"(?:python|pypy)w?[0-9.]*t?(?:-config)?(?:\.exe)?|(?:de)?activate(?:_this\.py|\..*)?|pyvenv\.cfg", re.IGNORECASE
)


class Script(NamedTuple):
    """One script: ``name`` calls ``attribute`` of ``module``."""

    name: str
    module: str
    attribute: str
    gui: bool


def parse_scripts(text: str, archive: str) -> list[Script]:
    """Return the scripts of an ``entry_points.txt``, other groups left aside.

    :param archive: the wheel's name, for messages.
    :raises ScriptError: a name or a target is not accepted, or a name stands for two functions in its group.
    """
    scripts: dict[tuple[bool, str], Script] = {}
    gui: bool | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[" and line[-1] == "]":
            gui = _GROUPS.get(line[1:-1].strip())
        elif gui is not None:
            script = _parse(line, archive, number, gui=gui)
            if scripts.setdefault((gui, script.name), script) != script:
                raise _refused(archive, number, f"the script {shown(script.name)} comes twice, for different functions")
    return list(scripts.values())


def started_by(filename: str) -> str:
    """Return the name of the script that a file in ``.data/scripts`` starts.

    Old wheels have, beside entry points, what setuptools once made of them for Windows: ``x.exe`` and ``x-script.py``.
    """
    for ending in _WRAPPER_ENDINGS:
        if filename.lower().endswith(ending):
            return filename[: -len(ending)]
    return filename


def check_script_name(name: str, archive: str) -> None:
    """Refuse a name that would replace a part of the environment itself.

    :raises ScriptError: it would.
    """
    if _RESERVED.fullmatch(name):
        raise ScriptError(
            f"{archive}: a script may not be named {shown(name)}",
            where=archive,
            why="the name is reserved: it belongs to the virtual environment itself",
        )


def _parse(line: str, archive: str, number: int, *, gui: bool) -> Script:
    name, separator, target = (part.strip() for part in line.partition("="))
    if not separator:
        raise _refused(archive, number, f"{shown(line)} is no entry point")
    if not _NAME.fullmatch(name) or name in {".", ".."}:
        raise _refused(archive, number, f"{shown(name)} does not do as the name of a script")
    check_script_name(name, archive)
    match = _REFERENCE.fullmatch(target)
    if not match:
        raise _refused(archive, number, f"{shown(name)} has the target {shown(target)}, which is not module:function")
    return Script(name, match[1], match[2], gui)


def _refused(archive: str, number: int, reason: str) -> ScriptError:
    return ScriptError(f"{archive}: {reason}", where=f"entry_points.txt, line {number}, in {archive}")
