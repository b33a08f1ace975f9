"""What wheels are for, in words: told where none of them is for the interpreter at hand (PEP 425, 600, 656)."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SHOWN = 4
_IMPLEMENTATIONS = {"cp": "CPython", "pp": "PyPy", "py": "Python", "gp": "GraalPy", "jy": "Jython", "ip": "IronPython"}
_PYTHON = re.compile(r"([a-z]{2})([0-9])([0-9]*)(_[0-9]+)?")
_LINUX = re.compile(r"(many|musl)?linux(?:1|2010|2014|_[0-9]+_[0-9]+)?_(.+)")
_MACOS = re.compile(r"macosx_[0-9]+_[0-9]+_(.+)")
_C_LIBRARIES = {"many": " with glibc", "musl": " with musl", None: ""}
_WINDOWS = {"win32": "Windows on x86", "win_amd64": "Windows on x86_64", "win_arm64": "Windows on arm64"}


def made_for(filenames: Iterable[str]) -> str:
    """Say what wheels are for: ``CPython 3.12 and 3.13, macOS on arm64 and Windows on x86_64``.

    :param filenames: of wheels; names that are none are left out.
    """
    pythons: dict[str, None] = {}
    platforms: dict[str, None] = {}
    for filename in filenames:
        parts = filename.lower().removesuffix(".whl").split("-")
        if len(parts) in {5, 6}:
            kind = " (free-threaded)" if re.fullmatch(r"cp[0-9]+t", parts[-2]) else ""
            pythons.update(dict.fromkeys(_python(tag) + kind for tag in parts[-3].split(".")))
            platforms.update(dict.fromkeys(_platform(tag) for tag in parts[-1].split(".")))
    return ", ".join(filter(None, (_listed(list(pythons)), _listed(list(platforms)))))


def _python(tag: str) -> str:
    match = _PYTHON.fullmatch(tag)
    if match is None or match[1] not in _IMPLEMENTATIONS:
        return tag
    minor = f".{match[3]}" if match[3] else ""
    return f"{_IMPLEMENTATIONS[match[1]]} {match[2]}{minor}"


def _platform(tag: str) -> str:
    if tag == "any":
        return "any platform"
    if tag in _WINDOWS:
        return _WINDOWS[tag]
    if (linux := _LINUX.fullmatch(tag)) is not None:
        return f"Linux{_C_LIBRARIES[linux[1]]} on {linux[2]}"
    macos = _MACOS.fullmatch(tag)
    return f"macOS on {macos[1]}" if macos is not None else tag


def _listed(texts: list[str]) -> str:
    more = len(texts) - _SHOWN
    if more > 0:
        return f"{', '.join(texts[:_SHOWN])} and {more} more"
    return " and ".join(filter(None, (", ".join(texts[:-1]), *texts[-1:])))
