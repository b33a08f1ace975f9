"""Search the machine for interpreters, and tell which places were searched when none fits.

python-discovery reads requests, knows what interpreters' files are called, compares, and reads the registry of Windows.
This module decides where to look, and starts each interpreter at most once: several at a time, and none that is known
already.

Imports python-discovery and starts processes: not on the warm path.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from python_discovery import PythonSpec, iter_interpreters

from pytest_fastenv.filesystem.walks import names_in
from pytest_fastenv.interpreter.installed import PYTHONS, installed
from pytest_fastenv.interpreter.known import Refused, ask, known
from pytest_fastenv.interpreter.missing import NothingFitsError
from pytest_fastenv.interpreter.places import Place, manager_places, managers, path_places
from pytest_fastenv.interpreter.spec import ANY, fits, is_called_python, is_too_old, is_version, may_fit, read
from pytest_fastenv.model.target import Target
from pytest_fastenv.store.store import Store

_WINDOWS = os.name == "nt"
#: Asked at the same time: more than cores, because a part of starting is waiting; few, because the first may do.
AT_ONCE = min(8, (os.cpu_count() or 1) + 1)


class Candidate(NamedTuple):
    """An executable that may be an interpreter.

    :ivar where: what it was found by: ``running``, ``PATH``, or the name of the tool that installed it.
    """

    where: str
    executable: str


class Found(NamedTuple):
    """An interpreter on this machine.

    :ivar where: as of a candidate; ``downloaded``: it is in the store; ``path``: it was named by its path.
    :ivar executable: what was started to find out; a link to the interpreter perhaps, or a virtual environment's.
    """

    where: str
    executable: str
    target: Target


def search(text: str, store: Store) -> Found:
    """Return the interpreter that fits first: running, ``PATH``, managers, downloaded.

    :raises NothingFitsError: there is none.
    :raises InterpreterNotFoundError: the text cannot be read.
    :raises InterpreterError: every interpreter that fits is too old.
    """
    spec = read(text)
    too_old: Refused | None = None
    for candidate, answer in _answers(spec, store):
        if isinstance(answer, Target):
            if fits(spec, answer):
                return Found(*candidate, answer)
        elif too_old is None and answer.version and is_version(spec, answer.version):
            too_old = answer
    if too_old is not None and is_too_old(spec):
        raise too_old.error
    raise NothingFitsError(text, lambda: looked(store))


def listing(text: str | None, store: Store) -> list[Found]:
    """Return all interpreters of this machine that a request may mean, as `search` prefers them.

    Each once, however many names it has.

    :param text: ``None`` for all, free-threaded and other implementations' included.
    :raises InterpreterNotFoundError: the text cannot be read.
    """
    spec = read(text) if text else None
    found: dict[str, Found] = {}
    for candidate, answer in _answers(spec or ANY, store):
        if isinstance(answer, Target) and (spec is None or fits(spec, answer)):
            found.setdefault(answer.python, Found(*candidate, answer))
    return list(found.values())


def _answers(spec: PythonSpec, store: Store) -> Iterator[tuple[Candidate, Target | Refused]]:
    """Yield what candidates say they are, in order of preference; ask no more of them than the caller looks at.

    Those that are not known are asked a few at a time. What was downloaded is known without being asked.
    """
    waiting: list[Candidate] = []
    with ThreadPoolExecutor(AT_ONCE, "pytest-fastenv-probe") as pool:

        def answers() -> Iterator[tuple[Candidate, Target | Refused]]:
            already = [known(candidate.executable, store) for candidate in waiting]
            asked = [
                pool.submit(ask, candidate.executable, store) if answer is None else None
                for candidate, answer in zip(waiting, already, strict=True)
            ]
            for candidate, answer, future in zip(waiting, already, asked, strict=True):
                if future is not None:
                    yield candidate, future.result()
                elif answer is not None:
                    yield candidate, answer
            waiting.clear()

        for candidate in _candidates(spec):
            waiting.append(candidate)
            if len(waiting) == AT_ONCE or candidate.where == "running":
                yield from answers()
        yield from answers()
    for target in installed(store) if spec.path is None else ():
        yield Candidate("downloaded", target.python), target


def _candidates(spec: PythonSpec) -> Iterator[Candidate]:
    """Yield executables that may fit, each file once, whatever names it has.

    The file itself is asked, so that its answer is known under every name; also
    where a virtual environment links to it, because the base is meant. But a link to a file of another kind is no name
    of an interpreter: it may be a shim, which goes by the name it is called.
    """
    seen: set[str] = set()
    for where, executable in _all_candidates(spec):
        real = os.path.realpath(executable)
        file = real if is_called_python(os.path.basename(real)) else os.path.abspath(executable)
        if file not in seen and may_fit(spec, os.path.basename(file)):
            seen.add(file)
            yield Candidate(where, executable if where == "running" else file)


def _all_candidates(spec: PythonSpec) -> Iterator[Candidate]:
    if spec.path is not None:  # a program's name
        if found := shutil.which(spec.path):
            yield Candidate("PATH", found)
        return
    if sys.executable:
        yield Candidate("running", sys.executable)
    for place in path_places():
        yield from _executables(place)
    if _WINDOWS:
        yield from (Candidate("registry", info.executable) for info in iter_interpreters(env={"PATH": ""}))
    for place in manager_places():
        yield from _executables(place)


def _executables(place: Place) -> Iterator[Candidate]:
    """Yield the programs of a directory that are named like interpreters; the shortest name, its default, first."""
    called = [name for name in names_in(place.directory) if is_called_python(name)]
    for name in sorted(called, key=lambda name: (len(name), name)):
        path = os.path.join(place.directory, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            yield Candidate(place.where, path)


def looked(store: Store) -> tuple[str, str]:
    """Say which places are searched, and what is there."""
    there: dict[str, str] = {}
    refused: list[str] = []
    for candidate, answer in _answers(ANY, store):
        if isinstance(answer, Target):
            there.setdefault(answer.python, f"  {answer.short}  {answer.python} ({candidate.where})")
        elif answer.version:
            refused.append(f"  Python {answer.version}, which is too old  {answer.executable} ({candidate.where})")
        else:
            refused.append(f"  {answer.error.what}")
    why = ["interpreters that are there:", *there.values()] if there else ["none was found"]
    if refused:
        why += ["what cannot be used:", *refused]
    return "\n".join(_places(store)), "\n".join(why)


def _places(store: Store) -> list[str]:
    """Return the places of a search, a line for each."""
    lines = ["PATH: " + (os.environ.get("PATH") or "(empty)")]
    there = ((manager, "" if os.path.isdir(manager.root) else " (not there)") for manager in managers())
    lines += [f"{manager.name}: {manager.root}{note}" for manager, note in there]
    return [*lines, f"downloaded: {store.root / PYTHONS.directory}"]
