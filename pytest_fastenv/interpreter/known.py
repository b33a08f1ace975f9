"""What an executable is: asked once, and known from then on for as long as its file is the same.

Standard library only until a process has to be started: this is on the warm path.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from pytest_fastenv.errors import FastenvError, InterpreterError, InterpreterNotFoundError, UnusableInterpreterError
from pytest_fastenv.interpreter.installed import installed
from pytest_fastenv.interpreter.record import from_record, host_facts, stamp, to_record
from pytest_fastenv.model.target import Target
from pytest_fastenv.store.buckets import Bucket
from pytest_fastenv.store.store import Store
from pytest_fastenv.version import __version__

FAILURES_STAND_S = 3600.0
"""How long a file is not asked again after it gave no answer: what it lacks may come without a change of it."""


class Refused(NamedTuple):
    """An executable that cannot be used.

    :ivar version: what it is, where it is an interpreter that is too old.
    """

    executable: str
    error: InterpreterError
    version: str = ""


def at_path(executable: str, store: Store) -> Target:
    """Return the target for an executable, or for the base of the virtual environment that it lies in.

    :raises InterpreterNotFoundError: there is no such file.
    :raises InterpreterError: it does not start, is no Python, or is too old.
    """
    executable = os.path.abspath(executable)
    found = _downloaded(executable, store) or _remembered(executable, store)
    if isinstance(found, Target):
        return found
    before = _path_stamps(executable)
    if before is None:
        raise InterpreterNotFoundError(
            f"there is no Python interpreter at {executable}",
            hint="give the path of an executable, or of a virtual environment's directory",
        )
    return _ask(executable, before, store)


def known(executable: str, store: Store) -> Target | Refused | None:
    """Return what is known of an executable without starting it; ``None``: it has to be asked (`ask`)."""
    return _downloaded(executable, store) or _remembered(executable, store)


def ask(executable: str, store: Store) -> Target | Refused:
    """Start an executable, and keep its answer. Safe in several threads, for different executables.

    A file that is no interpreter is remembered as well, for an hour; not a script, which may do something else the next
    time, nor a file that could not be started now or was too slow, which says little about it.
    """
    before = _path_stamps(executable)
    try:
        if before is None:
            raise InterpreterError(f"there is nothing at {executable} any more")
        return _ask(executable, before, store)
    except UnusableInterpreterError as error:
        if error.is_final and not _is_script(executable):
            record = {"stamps": before, "host": host_facts(), "at": time.time(), "refused": told(error)}
            store.write_record(Bucket.INTERPRETERS, key("path", executable), {**record, "version": error.version})
        return Refused(executable, error, error.version)
    except InterpreterError as error:
        return Refused(executable, error)


def key(*parts: str) -> str:
    """Return the key of a record about interpreters; another version of this package has others."""
    return hashlib.sha256(json.dumps([__version__, *parts]).encode()).hexdigest()


def told(error: FastenvError) -> dict[str, str | None]:
    """Return the text of a diagnosis, for a record."""
    return {name: getattr(error, name) for name in ("what", "where", "why", "hint")}


def refusal(record: dict[str, Any]) -> InterpreterError:
    """Return the error whose text a record has.

    :raises KeyError: it has none.
    :raises TypeError: what it has is something else.
    """
    return InterpreterError(**record["refused"])


def still_stands(record: dict[str, Any]) -> bool:
    """Tell whether what was found missing an hour ago at most may still be taken for missing."""
    at = record.get("at")
    return isinstance(at, float) and 0 <= time.time() - at < FAILURES_STAND_S


def _downloaded(executable: str, store: Store) -> Target | None:
    """Return the target of an executable in the store: it says what it is by itself, whatever its file's times."""
    if not executable.startswith(f"{store.root}{os.sep}{Bucket.PYTHONS.value}{os.sep}"):
        return None
    real = os.path.realpath(executable)
    return next((target for target in installed(store) if os.path.realpath(target.python) == real), None)


def _remembered(executable: str, store: Store) -> Target | Refused | None:
    """Return what a record says, as long as the file and its base are the ones that were asked."""
    record = store.read_record(Bucket.INTERPRETERS, key("path", executable))
    if record is None or record.get("host") != host_facts() or record.get("stamps") != _path_stamps(executable):
        return None
    if "refused" in record:
        return _refused(executable, record) if still_stands(record) else None
    try:
        target = from_record(record["target"])
    except (KeyError, ValueError):
        return None
    return target if record.get("base") == stamp(target.python) else None


def _refused(executable: str, record: dict[str, Any]) -> Refused | None:
    try:
        return Refused(executable, refusal(record), str(record["version"]))
    except (KeyError, TypeError):
        return None


def _ask(executable: str, before: list[Any], store: Store) -> Target:
    from pytest_fastenv.interpreter.probe import examine  # starts a process: not on the warm path

    place = key("path", executable)
    with store.recorder.span("interpreter", executable, key=place) as span:
        probed = examine(Path(executable))
        span.args["version"] = probed.target.version
    # A version manager's shim answers for another file, and may answer for a third one tomorrow.
    if os.path.realpath(probed.executable) == os.path.realpath(executable):
        base = stamp(probed.target.python)
        record = {"stamps": before, "base": base, "host": host_facts(), "target": to_record(probed.target)}
        store.write_record(Bucket.INTERPRETERS, place, record)
    return probed.target


def _path_stamps(executable: str) -> list[Any] | None:
    """Return the stamps of an executable and of the ``pyvenv.cfg`` that says which base it has."""
    own = stamp(executable)
    if own is None:
        return None
    here = os.path.dirname(executable)
    return [own, *(stamp(os.path.join(place, "pyvenv.cfg")) for place in (here, os.path.dirname(here)))]


def _is_script(executable: str) -> bool:
    try:
        with open(executable, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return True
