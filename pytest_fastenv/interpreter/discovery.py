"""Find the interpreter that was asked for, and remember it.

A remembered answer is used after a few `os.stat` calls: this is on the warm path, where nothing beyond the standard
library is imported and no process is started.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from pytest_fastenv.errors import InterpreterError, InterpreterNotFoundError
from pytest_fastenv.interpreter.pyenv import pyenv_versions
from pytest_fastenv.interpreter.record import from_record, stamp, to_record
from pytest_fastenv.model.target import Target
from pytest_fastenv.store.buckets import Bucket
from pytest_fastenv.store.store import Store
from pytest_fastenv.version import __version__

_IMPLEMENTATION_AT = re.compile(r"([A-Za-z]+)@(.+)")


def find_target(spec: str | None, store: Store) -> Target:
    """Return the interpreter for a request.

    ====================  ==========================================================================================
    ``None``              the running interpreter's base, also when this runs inside a virtual environment
    a path                an executable, or a virtual environment's directory (its base is meant)
    ``3.12``, ``3.12.4``  a version; the fields that are left out are free
    ``3.13t``             a free-threaded build; without the ``t`` it is an ordinary one
    ``>=3.11,<3.14``      version specifiers (PEP 440)
    ``pypy3.10``          another implementation; also ``cpython@3.12``, ``cpython>=3.12``
    ====================  ==========================================================================================

    The running interpreter comes first if it fits, then ``PATH`` from left to right, then what other tools have
    installed. Interpreters older than 3.8 are passed over.

    Blocks; the first time it starts processes. Later the answer comes from the store for as long as the interpreter's
    file (size, mtime) and the directories that were searched are the same.

    :raises InterpreterNotFoundError: nothing fits, or nothing is there; the text tells what was looked at.
    :raises InterpreterError: the interpreter does not start, or is too old to run pytest.
    """
    if spec is None or not spec.strip():
        if not sys.executable:
            raise InterpreterError(
                "the running interpreter does not know its own path",
                hint="name one with --fastenv-python",
            )
        return _at_path(sys.executable, store)
    spec = spec.strip()
    path = _as_path(spec)
    return _at_path(path, store) if path is not None else _by_search(spec, store)


def _as_path(spec: str) -> str | None:
    """Return the executable that is meant, if the text is a path rather than a version."""
    separators = {os.sep, os.altsep} - {None}
    if not any(separator in spec for separator in separators if separator) and not spec.startswith("~"):
        return None
    path = os.path.abspath(os.path.expanduser(spec))
    if os.path.isdir(path):
        inside = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
        return os.path.join(path, *inside)
    return path


def _at_path(executable: str, store: Store) -> Target:
    """Return the target for an executable, from the store while the file and its base are the ones probed."""
    executable = os.path.abspath(executable)
    key = _key("path", executable)
    record = store.read_record(Bucket.INTERPRETERS, key)
    if record is not None:
        target = _still_good(record, executable)
        if target is not None:
            return target
    from pytest_fastenv.interpreter.probe import examine  # starts a process: not on the warm path

    before = _path_stamps(executable)
    if before is None:
        raise InterpreterNotFoundError(
            f"there is no Python interpreter at {executable}",
            hint="give the path of an executable, or of a virtual environment's directory",
        )
    with store.recorder.span("interpreter", executable, key=key) as span:
        probed = examine(Path(executable))
        span.args["version"] = probed.target.version
    # A version manager's shim answers for another file, and may answer for a third one tomorrow.
    if os.path.realpath(probed.executable) == os.path.realpath(executable):
        base = stamp(probed.target.python)
        record = {"stamps": before, "base": base, "host": _host(), "target": to_record(probed.target)}
        store.write_record(Bucket.INTERPRETERS, key, record)
    return probed.target


def _still_good(record: dict[str, Any], executable: str) -> Target | None:
    if record.get("host") != _host() or record.get("stamps") != _path_stamps(executable):
        return None
    try:
        target = from_record(record["target"])
    except (KeyError, ValueError):
        return None
    return target if record.get("base") == stamp(target.python) else None


def _by_search(spec: str, store: Store) -> Target:
    """Return the target for a version, implementation or specifier, from the store while nothing searched changed."""
    wanted = _IMPLEMENTATION_AT.sub(r"\1\2", spec)
    key = _key("spec", wanted, *_search_variables())
    places = _places()
    record = store.read_record(Bucket.INTERPRETERS, key)
    if record is not None and record.get("places") == places and isinstance(record.get("python"), str):
        known = store.read_record(Bucket.INTERPRETERS, _key("path", record["python"]))
        target = _still_good(known, record["python"]) if known is not None else None
        if target is not None:
            return target
    from pytest_fastenv.interpreter.search import search  # imports python-discovery: not on the warm path

    python = search(wanted)
    target = _at_path(python, store)
    store.write_record(Bucket.INTERPRETERS, key, {"places": places, "python": python})
    return target


def _key(*parts: str) -> str:
    return hashlib.sha256(json.dumps([__version__, *parts]).encode()).hexdigest()


def _path_stamps(executable: str) -> list[Any] | None:
    """Return the stamps of an executable and of the ``pyvenv.cfg`` that says which base it has."""
    own = stamp(executable)
    if own is None:
        return None
    here = os.path.dirname(executable)
    return [own, *(stamp(os.path.join(place, "pyvenv.cfg")) for place in (here, os.path.dirname(here)))]


def _host() -> list[str | None]:
    """Return what decides about wheel tags apart from the interpreter: the store may be carried to another machine."""
    if not hasattr(os, "uname"):
        return [sys.platform]
    names = os.uname()
    release = names.release if sys.platform == "darwin" else None
    libc = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else None
    return [sys.platform, names.machine, release, libc]


_MANAGERS = ("PYENV_ROOT", "MISE_DATA_DIR", "ASDF_DATA_DIR")


def _search_variables() -> list[str]:
    """Return the variables that a search depends on, and the directory where version managers begin theirs."""
    names = ("PATH", "PYENV_VERSION", "UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME", "HOME", *_MANAGERS)
    return [sys.executable, os.getcwd(), *(os.environ.get(name, "") for name in names)]


def _places() -> list[list[Any]]:
    """Return the mtimes of all directories and files that a search looks into: something new there may fit better."""
    places = [place for place in os.environ.get("PATH", "").split(os.pathsep) if os.path.isabs(place)]
    places += [os.path.join(place, "python") for place in _tool_data_directories()]
    places += pyenv_versions()
    places += [os.path.join(os.environ[name], "version") for name in _MANAGERS if name in os.environ]
    here = os.getcwd()
    while True:
        places.append(os.path.join(here, ".python-version"))
        parent = os.path.dirname(here)
        if parent == here:
            break
        here = parent
    found = []
    for place in dict.fromkeys(places):
        try:
            found.append([place, os.stat(place).st_mtime_ns])
        except OSError:
            continue
    return found


def _tool_data_directories() -> list[str]:
    if place := os.environ.get("UV_PYTHON_INSTALL_DIR"):
        return [os.path.dirname(place)]
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return [os.path.join(data, "uv")]
