"""File names of python-build-standalone's archives, and which of several archives of one interpreter is preferred.

``cpython-3.12.7+20241016-x86_64-unknown-linux-gnu-install_only.tar.gz``: version, date of the release, the system as a
target triple, and the kind of build. https://gregoryszorc.com/docs/python-build-standalone/main/distributions.html
"""

from __future__ import annotations

import re
from typing import NamedTuple

_NAME = re.compile(
    r"cpython-(?P<version>[0-9]+\.[0-9]+\.[0-9]+(?:(?:a|b|rc)[0-9]+)?)"
    r"\+(?P<date>[0-9]{8})(?:T[0-9]{4})?"
    r"-(?P<arch>x86_64|aarch64|armv7|i686|ppc64le|riscv64|s390x)"
    r"-(?P<system>unknown-linux-(?:gnu|musl)(?:eabihf)?|apple-darwin|pc-windows-msvc)"
    r"-(?P<words>[a-z0-9_+-]+)\.tar\.(?:gz|zst)",
    re.ASCII,
)
_DATE = re.compile(r"[+-]([0-9]{8})(?:T[0-9]{4})?(?=[-.])", re.ASCII)
#: Builds that cannot do what an environment needs: a static one loads no extension modules.
_UNFIT = frozenset({"debug", "static"})
#: The first release whose builds for musl are not static unless their name says so.
_MUSL_IS_DYNAMIC = "20250311"
_OPTIMIZED = ("noopt", "lto", "pgo")


class Named(NamedTuple):
    """What a file name says, in fields named as in `pytest_fastenv.interpreter_downloads.offer.Offer`."""

    implementation: str
    version: str
    free_threaded: bool
    os: str
    arch: str
    libc: str


def named(filename: str) -> Named | None:
    """Return what a file name says, or ``None`` when it is not an interpreter that could be used.

    Not usable are other kinds of files, debug builds, static builds, and builds for newer processors than the
    architecture in general (``x86_64_v3``), since this machine's processor is not known here.
    """
    match = _NAME.fullmatch(filename)
    if match is None:
        return None
    words = _words(match["words"])
    if _UNFIT & words or not ({"full", "install_only", "install_only_stripped"} & words):
        return None
    system = match["system"]
    if "musl" in system and match["date"] < _MUSL_IS_DYNAMIC:
        return None
    os = {"apple-darwin": "macos", "pc-windows-msvc": "windows"}.get(system, "linux")
    libc = "" if os != "linux" else "musl" if "musl" in system else "gnu"
    arch = "x86" if match["arch"] == "i686" else match["arch"]
    return Named("cpython", match["version"], "freethreaded" in words, os, arch, libc)


def preference(filename: str) -> tuple[str, int]:
    """Return a key that orders archives of the same interpreter: the greatest is the best.

    The latest release comes first; then the smallest archive: without debugging symbols before with them, both before
    the full ones, which hold everything needed to link an interpreter anew and are ten times as large.
    """
    found = _DATE.search(filename)
    words = _words(filename)
    if "install_only_stripped" in words:
        kind = 5
    elif "install_only" in words:
        kind = 4
    else:
        kind = sum(_OPTIMIZED.index(word) for word in _OPTIMIZED if word in words)
    return (found[1] if found else "", kind)


def _words(text: str) -> set[str]:
    return set(re.split(r"[-+.]", text))
