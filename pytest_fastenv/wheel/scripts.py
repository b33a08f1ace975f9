"""Executable files of an environment: generated from entry points, or rewritten from a wheel's own scripts.

https://packaging.python.org/en/latest/specifications/entry-points/#use-for-scripts and
https://packaging.python.org/en/latest/specifications/binary-distribution-format/#recommended-installer-features
"""

from __future__ import annotations

from pytest_fastenv.wheel.entry_points import Script
from pytest_fastenv.wheel.shebang import shebang

_PYTHON = b"#!python"
_LAUNCHERS = {"win32": "win-ia32", "win-amd64": "win-amd64", "win-arm32": "win-arm", "win-arm64": "win-arm64"}


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
    return shebang(python, options) + (newline or b"\n") + rest


def _windows_launcher(script: Script, python: str, kind: str) -> tuple[str, bytes]:
    from installer.scripts import Script as Launcher  # takes longer to import than a small wheel to link

    section = "gui" if script.gui else "console"
    return Launcher(script.name, script.module, script.attribute, section).generate(python, kind)  # type: ignore[arg-type]
