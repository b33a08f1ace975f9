"""Search the machine for an interpreter: python-discovery's search, and our own diagnosis when nothing fits.

Imports python-discovery and starts a process for each candidate: not on the warm path.
"""

from __future__ import annotations

import glob
import logging
import os
import re
from collections.abc import Iterator

from python_discovery import PythonInfo, PythonSpec, get_interpreter, iter_interpreters

from pytest_fastenv.errors import InterpreterError, InterpreterNotFoundError
from pytest_fastenv.interpreter.probe import OLDEST, too_old
from pytest_fastenv.interpreter.pyenv import pyenv_versions

# What it cannot ask it tells to the log, which writes to standard error where nobody listens.
logging.getLogger("python_discovery").addHandler(logging.NullHandler())


def search(spec: str) -> str:
    """Return the path of the base interpreter that fits best.

    :param spec: a version, an implementation with a version, or version specifiers, as python-discovery reads them.
    :raises InterpreterNotFoundError: nothing fits, or the text cannot be read.
    :raises InterpreterError: all that fit are older than 3.8.
    """
    try:
        wanted = PythonSpec.from_string_spec(spec)
    except ValueError as error:
        raise InterpreterNotFoundError(
            f"{spec!r} does not say which Python is meant",
            why=str(error),
            hint="write a version (3.12), specifiers (>=3.11,<3.14), an implementation (pypy3.10) or a path",
        ) from None
    refused: list[PythonInfo] = []

    def acceptable(info: PythonInfo) -> bool:
        if tuple(info.version_info[:2]) < OLDEST:
            refused.append(info)
            return False
        # Specifiers say nothing about the build. A free-threaded one has few wheels: only for those who ask for it.
        return wanted.free_threaded is not None or not info.free_threaded

    found = get_interpreter(spec, predicate=acceptable)
    if found is None:
        # pyenv puts only activated versions on PATH, and a version that was named here is as good as activated.
        found = next((info for path in _pyenv_executables() if (info := _fitting(path, wanted, acceptable))), None)
    if found is not None:
        return os.path.abspath(found.system_executable or found.executable)
    if refused:
        info = refused[0]
        raise too_old(info.system_executable or info.executable, ".".join(map(str, info.version_info[:3])))
    raise _not_found(spec)


def _fitting(path: str, wanted: PythonSpec, acceptable: object) -> PythonInfo | None:
    info = PythonInfo.from_exe(path, raise_on_error=False)
    if info is None or not info.satisfies(wanted, impl_must_match=True):
        return None
    return info if callable(acceptable) and acceptable(info) else None


def _pyenv_executables() -> Iterator[str]:
    """Yield the interpreters of pyenv, newest version first."""
    ending = "python.exe" if os.name == "nt" else os.path.join("bin", "python")
    for place in pyenv_versions():
        yield from sorted(glob.glob(os.path.join(glob.escape(place), "*", ending)), key=_version_order, reverse=True)


def _version_order(path: str) -> list[tuple[int, int, str]]:
    words = re.findall(r"\d+|[a-z]+", path.rpartition(f"{os.sep}versions{os.sep}")[2])
    return [(1, int(word), "") if word.isdigit() else (0, 0, word) for word in words]


def _not_found(spec: str) -> InterpreterNotFoundError:
    """Say what there is instead, and where was looked."""
    known: dict[str, str] = {}
    try:
        pyenv = (PythonInfo.from_exe(path, raise_on_error=False) for path in _pyenv_executables())
        candidates = [*iter_interpreters(None), *filter(None, pyenv)]
    except (OSError, RuntimeError) as error:
        raise InterpreterError("the machine's interpreters cannot be listed", why=str(error)) from None
    for info in candidates:
        python = info.system_executable or info.executable
        version = ".".join(map(str, info.version_info[:3])) + ("t" if info.free_threaded else "")
        known.setdefault(os.path.realpath(python), f"{info.implementation} {version}  {python}")
    looked = ["PATH: " + (os.environ.get("PATH") or "(empty)"), *(f"pyenv: {place}" for place in pyenv_versions())]
    there = ["interpreters that are there:", *(f"  {text}" for text in known.values())] if known else ["none was found"]
    return InterpreterNotFoundError(
        f"no Python interpreter fits {spec!r}",
        where="\n".join(looked),
        why="\n".join(there),
        hint="install one, put it on PATH, or give its path",
    )
