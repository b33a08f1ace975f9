"""Make an interpreter that was built elsewhere say where it lies now, and name this machine's compilers.

An interpreter finds its own library by landmarks beside its executable, so it starts from any place. But some of its
files repeat what was given to ``configure`` on the machine that built it: a prefix such as ``/install``, and programs
that are on no other machine. Builds of extension modules read them.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

#: What archives of python-build-standalone are configured with, where their own variables do not say it.
_USUAL_PREFIX = "/install"
#: Prefixes that the machine's own programs and libraries share: nothing can be told from them.
_SHARED_PREFIXES = frozenset({"", "/", "/usr"})
#: Variables that begin with a compiler, and the name that every Unix has it by.
_COMPILERS = {
    "CC": "cc",
    "MAINCC": "cc",
    "LINKCC": "cc",
    "LDSHARED": "cc",
    "BLDSHARED": "cc",
    "CPP": "cc",
    "CXX": "c++",
    "LDCXXSHARED": "c++",
}
_COMPILER = re.compile(r"(?:.*[/-])?(?:clang|gcc|cc|clang\+\+|g\+\+|c\+\+)(?:-\d+)?")
_TOOLS = frozenset({"AR", "NM", "OBJCOPY", "RANLIB", "READELF", "STRIP"})
_TOOL = re.compile(r"(?:.*[/-])?(ar|nm|objcopy|ranlib|readelf|strip)(?:-\d+)?")
_VARIABLES = "build_time_vars"
_LONGEST_SHEBANG = 127  # bytes that Linux reads of the first line


def relocate(installation: str, final: str) -> None:
    """Rewrite what holds the path or the programs of the machine that built an interpreter. Blocks.

    The variables of ``sysconfig``, the files of pkg-config, scripts in ``bin``. ``EXTERNALLY-MANAGED`` goes, since no
    other tool manages the interpreter (PEP 668). Where there is nothing of that, as on Windows, nothing
    is done.

    :param installation: the directory as it lies now.
    :param final: the path by which it will be reached.
    :raises OSError: something cannot be read or written.
    """
    data = list(_variable_files(installation))
    prefixes = {_USUAL_PREFIX, *(prefix for path in data for prefix in _prefixes(path))} - _SHARED_PREFIXES
    pattern = _pattern(prefixes - {final})
    for path in data:
        _rewrite(path, partial(_variables, pattern=pattern, final=final))
    for path in _files(f"{installation}/lib/pkgconfig", ".pc"):
        _rewrite(path, lambda text: _replaced(text, pattern, re.sub(r"([\s\\#$])", r"\\\1", final)))
    for path in _files(f"{installation}/bin", ""):
        _rewrite_script(path, partial(_script, pattern=pattern, final=final))
    for directory in _libraries(installation):
        mark = f"{directory}/EXTERNALLY-MANAGED"
        if os.path.lexists(mark):
            os.unlink(mark)


def _libraries(installation: str) -> Iterator[str]:
    """Yield the directories of the standard library: ``lib/python3.13``, ``lib/python3.13t``, ``lib/pypy3.11``."""
    place = f"{installation}/lib"
    if os.path.isdir(place):
        yield from (f"{place}/{name}" for name in sorted(os.listdir(place)) if re.match(r"(python|pypy)\d", name))


def _variable_files(installation: str) -> Iterator[str]:
    """Yield the files with what ``configure`` found out: a module, since 3.14 also JSON (PEP 739 for the second)."""
    for directory in _libraries(installation):
        for name in sorted(os.listdir(directory)):
            if re.fullmatch(r"_sysconfigdata_.*\.py|_sysconfig_vars_.*\.json|build-details\.json", name):
                yield f"{directory}/{name}"


def _files(directory: str, ending: str) -> list[str]:
    """Return the regular files of a directory; what a link leads to is found by its own name."""
    if not os.path.isdir(directory):
        return []
    paths = [f"{directory}/{name}" for name in sorted(os.listdir(directory)) if name.endswith(ending)]
    return [path for path in paths if os.path.isfile(path) and not os.path.islink(path)]


def _prefixes(path: str) -> Iterator[str]:
    """Yield the directories that an interpreter was configured to lie in."""
    with open(path, encoding="utf-8") as file:
        values = _read(path, file.read())
    for name in ("prefix", "exec_prefix", "base_prefix"):
        value = values.get(name) if isinstance(values, dict) else None
        if isinstance(value, str) and os.path.isabs(value):
            yield value.rstrip("/")


def _pattern(prefixes: set[str]) -> re.Pattern[str]:
    """Match a prefix where a path begins: a word, a quoted one, behind ``=`` or an option such as ``-L``."""
    paths = "|".join(re.escape(prefix) for prefix in sorted(prefixes, key=len, reverse=True)) or r"(?!)"
    return re.compile(rf"""(?:^|(?<=[\s"'=:,])|(?<=-[LIF]))(?:{paths})(?=[/\s"':,;)]|$)""", re.MULTILINE)


def _replaced(text: str, pattern: re.Pattern[str], final: str) -> str:
    return pattern.sub(lambda _match: final, text)


def _rewrite(path: str, change: Callable[[str], str]) -> None:
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    changed = change(text)
    if changed != text:
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(changed)


def _rewrite_script(path: str, change: Callable[[str], str]) -> None:
    """Rewrite a script; what lies beside it is left alone, and so is what is no text."""
    with open(path, "rb") as file:
        if file.read(2) != b"#!":
            return
    try:
        _rewrite(path, change)
    except UnicodeDecodeError:
        return


def _script(text: str, pattern: re.Pattern[str], final: str) -> str:
    """Return a script with other paths; a first line that no system would read becomes one of ``sh``."""
    shebang, newline, rest = text.partition("\n")
    program = shebang[2:].lstrip()
    python = pattern.match(program)
    rest = _replaced(rest, pattern, final)
    if not python:
        return f"{shebang}{newline}{rest}"
    words = f"{final}{program[python.end() :]}"
    if len(os.fsencode(words)) + 2 <= _LONGEST_SHEBANG and " " not in final:
        return f"#!{words}{newline}{rest}"
    # For sh the quotes vanish and the command is executed; for Python the lines are a string.
    command = shlex.quote(words.strip())
    return f"#!/bin/sh\n'''exec' {command} \"$0\" \"$@\"\n' '''\n{rest}"


def _read(path: str, text: str) -> Any:
    """Return the variables that a file holds, or ``None`` for one of another shape."""
    try:
        if path.endswith(".json"):
            return json.loads(text)
        (statement,) = ast.parse(text).body  # nothing beside them, which would be lost
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == _VARIABLES:
            return ast.literal_eval(statement.value)
    except (ValueError, SyntaxError):
        return None
    return None


def _variables(text: str, pattern: re.Pattern[str], final: str) -> str:
    """Return the text of a file with variables, each with this machine's paths and programs."""
    is_json = text.lstrip()[:1] == "{"
    values = _read(".json" if is_json else ".py", text)
    if not isinstance(values, dict):
        return _replaced(text, pattern, final)  # not of a shape that is known: the paths at least
    changed = _value("", values, pattern, final)
    if changed == values:
        return text
    if is_json:
        return f"{json.dumps(changed, indent=2)}\n"
    lines = "".join(f" {name!r}: {value!r},\n" for name, value in changed.items())
    return f"# What the interpreter was built with, in the words of this machine.\n{_VARIABLES} = {{\n{lines}}}\n"


def _value(name: str, value: Any, pattern: re.Pattern[str], final: str) -> Any:
    if isinstance(value, dict):
        return {key: _value(key, inner, pattern, final) for key, inner in value.items()}
    if isinstance(value, list):
        return [_value("", inner, pattern, final) for inner in value]
    if not isinstance(value, str):
        return value
    # A path alone is taken as it is; among other words it has to be one word for the shell that splits them.
    is_path = pattern.match(value) is not None and not re.search(r"\s", value)
    text = _replaced(value, pattern, final if is_path else shlex.quote(final))
    return _program(name, _without_sdk(text))


def _program(name: str, text: str) -> str:
    """Return a command with this machine's name of its program."""
    word, space, rest = text.partition(" ")
    if name in _COMPILERS and _COMPILER.fullmatch(word):
        return f"{_COMPILERS[name]}{space}{rest}"
    tool = _TOOL.fullmatch(word) if name in _TOOLS else None
    return f"{tool[1]}{space}{rest}" if tool else text


def _without_sdk(text: str) -> str:
    """Leave out the building machine's SDK of macOS: the compiler knows this machine's."""
    if "-isysroot" not in text:
        return text
    return re.sub(r"\s*-isysroot\s*(\S+)", lambda match: match[0] if os.path.isdir(match[1]) else "", text).strip()
