"""Executable files of an environment: generated from entry points, or rewritten from a wheel's own scripts.

https://packaging.python.org/en/latest/specifications/entry-points/#use-for-scripts and
https://packaging.python.org/en/latest/specifications/binary-distribution-format/#recommended-installer-features
"""

from __future__ import annotations

import shlex

from pytest_fastenv.installer.entry_points import Script

_PYTHON = b"#!python"
#: What every system reads of a ``#!`` line; longer ones, and those with spaces, need another way.
_SHEBANG_BYTES = 127
_LAUNCHERS = {"win32": "win-ia32", "win-amd64": "win-amd64", "win-arm32": "win-arm", "win-arm64": "win-arm64"}


def shebang(python: str) -> bytes:
    """Return the first lines of a script, without the last line's end.

    Where the interpreter's path is too long or has spaces, the lines are a program for ``/bin/sh`` that starts the
    interpreter and at the same time a string that Python ignores.
    """
    path = python.encode("utf-8", "surrogateescape")
    if len(path) + 3 <= _SHEBANG_BYTES and not any(space in path for space in b" \t"):
        return b"#!" + path
    quoted = shlex.quote(python).encode("utf-8", "surrogateescape")
    return b"#!/bin/sh\n'''exec' " + quoted + b' "$0" "$@"\n' + b"' '''"


def generate(script: Script, python: str, platform: str) -> tuple[str, bytes]:
    """Return file name and content of a script.

    :param python: the environment's interpreter, where it will be.
    :param platform: ``sysconfig.get_platform()`` of the environment; on Windows a launcher is made.
    """
    if platform in _LAUNCHERS:
        return _windows_launcher(script, python, _LAUNCHERS[platform])
    first = script.attribute.partition(".")[0]
    code = f"""\
import sys
from {script.module} import {first}
if __name__ == "__main__":
    sys.exit({script.attribute}())
"""
    return script.name, shebang(python) + b"\n" + code.encode()


def rewrite(content: bytes, python: str) -> bytes:
    """Put the environment's interpreter into a script that begins with ``#!python``; its options are kept."""
    first, newline, rest = content.partition(b"\n")
    options = first.removeprefix(_PYTHON).removeprefix(b"w").strip()
    lead = shebang(python)
    if options and lead.startswith(b"#!/bin/sh"):
        lead = lead.replace(b' "$0"', b" " + options + b' "$0"', 1)
    elif options:
        lead += b" " + options
    return lead + (newline or b"\n") + rest


def _windows_launcher(script: Script, python: str, kind: str) -> tuple[str, bytes]:
    from installer.scripts import Script as Launcher  # takes longer to import than a small wheel to link

    section = "gui" if script.gui else "console"
    return Launcher(script.name, script.module, script.attribute, section).generate(python, kind)  # type: ignore[arg-type]
