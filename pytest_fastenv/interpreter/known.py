"""What an executable is: asked once, and known from then on for as long as its file is the same.

::

    interpreters-v2/ab/<digest of the path>.json    what an executable said of itself, or why it cannot be used

Standard library only until a process has to be started: this is on the warm path.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pytest_fastenv.errors import FastenvError, InterpreterError, InterpreterNotFoundError, UnusableInterpreterError
from pytest_fastenv.interpreter.installed import PYTHONS, installed
from pytest_fastenv.interpreter.record import Host, Stamp, stamp, this_host, under_this_kernel
from pytest_fastenv.model.digest import key_of
from pytest_fastenv.model.target import Target
from pytest_fastenv.store.buckets import RecordBucket, Remaking
from pytest_fastenv.store.store import Store
from pytest_fastenv.version import __version__

FAILURES_STAND_S = 3600.0
"""How long a file is not asked again after it gave no answer: what it lacks may come without a change of it."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The text of an error."""

    what: str
    where: str | None = None
    why: str | None = None
    hint: str | None = None

    @classmethod
    def of(cls, error: FastenvError) -> Diagnosis:
        """Return an error's text, for a record."""
        return cls(error.what, error.where, error.why, error.hint)

    def error(self, version: str = "") -> UnusableInterpreterError:
        """Return an error with this text, as it was raised when the executable was asked.

        :param version: see `Refused`.
        """
        return UnusableInterpreterError(self.what, where=self.where, why=self.why, hint=self.hint, version=version)


@dataclass(frozen=True, slots=True)
class Refusal:
    """That an executable cannot be used.

    :ivar at: seconds since the epoch.
    :ivar version: see `Refused`.
    """

    diagnosis: Diagnosis
    version: str
    at: float


@dataclass(frozen=True, slots=True)
class Asked:
    """What an executable said.

    :ivar stamps: of the executable, and of the ``pyvenv.cfg`` that may say which base it has.
    :ivar host: where it was asked.
    :ivar base: the stamp of the target's interpreter.
    """

    stamps: tuple[Stamp | None, ...]
    host: Host
    target: Target | None = None
    base: Stamp | None = None
    refusal: Refusal | None = None


INTERPRETERS = RecordBucket(
    name="interpreters",
    version=2,
    about="what executables said when they were asked what they are",
    remaking=Remaking.ASKED,
    record=Asked,
)


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
        if error.is_final and before is not None and not _is_script(executable):
            refusal = Refusal(Diagnosis.of(error), error.version, time.time())
            store.write_record(INTERPRETERS, key(executable), Asked(before, this_host(), refusal=refusal))
        return Refused(executable, error, error.version)
    except InterpreterError as error:
        return Refused(executable, error)


def key(executable: str) -> str:
    """Return the key of the record about an executable; another version of this package has others."""
    return key_of(__version__, executable)


def still_stands(at: float) -> bool:
    """Tell whether what was found missing an hour ago at most may still be taken for missing."""
    return 0 <= time.time() - at < FAILURES_STAND_S


def _downloaded(executable: str, store: Store) -> Target | None:
    """Return the target of an executable in the store: it says what it is by itself, whatever its file's times."""
    if not executable.startswith(f"{store.root}{os.sep}{PYTHONS.directory}{os.sep}"):
        return None
    real = os.path.realpath(executable)
    return next((target for target in installed(store) if os.path.realpath(target.python) == real), None)


def _remembered(executable: str, store: Store) -> Target | Refused | None:
    """Return what a record says, as long as the file and its base are the ones that were asked."""
    asked = store.read_record(INTERPRETERS, key(executable))
    if asked is None or asked.host != this_host() or asked.stamps != _path_stamps(executable):
        return None
    if asked.refusal is not None:
        stands = still_stands(asked.refusal.at)
        return (
            Refused(executable, asked.refusal.diagnosis.error(asked.refusal.version), asked.refusal.version)
            if stands
            else None
        )
    if asked.target is None or asked.base != stamp(asked.target.python):
        return None
    return under_this_kernel(asked.target)


def _ask(executable: str, before: tuple[Stamp | None, ...], store: Store) -> Target:
    from pytest_fastenv.interpreter.probe import examine  # starts a process: not on the warm path

    place = key(executable)
    with store.recorder.span("interpreter", executable, key=place) as span:
        probed = examine(Path(executable))
        span.args["version"] = probed.target.version
    # A version manager's shim answers for another file, and may answer for a third one tomorrow.
    if os.path.realpath(probed.executable) == os.path.realpath(executable):
        base = stamp(probed.target.python)
        store.write_record(INTERPRETERS, place, Asked(before, this_host(), probed.target, base))
    return probed.target


def _path_stamps(executable: str) -> tuple[Stamp | None, ...] | None:
    """Return the stamps of an executable and of the ``pyvenv.cfg`` that says which base it has."""
    own = stamp(executable)
    if own is None:
        return None
    here = os.path.dirname(executable)
    return own, *(stamp(os.path.join(place, "pyvenv.cfg")) for place in (here, os.path.dirname(here)))


def _is_script(executable: str) -> bool:
    try:
        with open(executable, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return True
