"""Find the interpreter that was asked for, and remember it; remember as well that there is none.

::

    searches-v1/ab/<key of the search>.json    what a search of the machine found, or that it found nothing

A remembered answer is used after a few `os.stat` calls: this is on the warm path, where nothing beyond the standard
library is imported and no process is started.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_fastenv.errors import InterpreterError, InterpreterNotFoundError, UnusableInterpreterError, option
from pytest_fastenv.interpreter.installed import installed
from pytest_fastenv.interpreter.known import Diagnosis, at_path, known, still_stands
from pytest_fastenv.interpreter.missing import NothingFitsError
from pytest_fastenv.interpreter.places import fingerprint, search_variables
from pytest_fastenv.interpreter.record import Host, this_host
from pytest_fastenv.model.digest import key_of
from pytest_fastenv.model.target import Target
from pytest_fastenv.store.buckets import RecordBucket, Remaking
from pytest_fastenv.store.store import Store
from pytest_fastenv.version import __version__

if TYPE_CHECKING:
    from pytest_fastenv.interpreter.search import Found


@dataclass(frozen=True, slots=True)
class SearchKey:
    """Which searches are the same one, as long as nothing changed where they look.

    :ivar variables: see `pytest_fastenv.interpreter.places.search_variables`.
    :ivar program: the version of this package, which decides how it searches.
    """

    spec: str
    variables: tuple[str, ...]
    program: str = __version__


@dataclass(frozen=True, slots=True)
class Search:
    """What a search of the machine came to.

    :ivar places: what it looked into, with modification times in nanoseconds.
    :ivar host: which machine that was.
    :ivar downloaded: identities of the interpreters in the store.
    :ivar executable: what was found; empty when nothing was.
    :ivar where: what it was found by.
    :ivar refused: why what was found cannot be used.
    :ivar failed_at: seconds since the epoch; nothing that can be used was found then.
    """

    places: tuple[tuple[str, int], ...]
    host: Host
    downloaded: tuple[str, ...]
    executable: str = ""
    where: str = ""
    refused: Diagnosis | None = None
    failed_at: float | None = None


SEARCHES = RecordBucket(
    name="searches",
    version=1,
    about="which interpreters searches of the machine found",
    remaking=Remaking.ASKED,
    record=Search,
)


def find_target(spec: str | None, store: Store) -> Target:
    """Return the interpreter for a request.

    =====================  =========================================================================================
    ``None``               the running interpreter's base, also when this runs inside a virtual environment
    a path                 an executable, or a virtual environment's directory (its base is meant)
    ``3.12``, ``3.12.4``   a version; the fields that are left out are free
    ``3.13t``              a free-threaded build; without the ``t`` it is an ordinary one
    ``>=3.11,<3.14``       version specifiers (PEP 440)
    ``pypy3.10``           another implementation; also ``cpython@3.12``, ``cpython>=3.12``
    another word           a program of that name on ``PATH``
    =====================  =========================================================================================

    The running interpreter comes first if it fits, then ``PATH`` from left to right, then what other tools have
    installed, then what was downloaded into the store. Interpreters older than 3.8 are passed over.

    Blocks; the first time it starts processes, several at once and one for each interpreter. Later the answer comes
    from the store for as long as the interpreter's file (size, mtime) and the directories that were searched are the
    same; that nothing fits is remembered for an hour.

    :raises InterpreterNotFoundError: nothing fits, or nothing is there, or only what is too old to run pytest; the text
        tells what was looked at.
    :raises InterpreterError: the interpreter does not start.
    """
    return find(spec, store)[1]


def find(spec: str | None, store: Store) -> tuple[str, Target]:
    """Return what `find_target` returns, and what it was found by: see `pytest_fastenv.interpreter.search.Found`."""
    try:
        return _find(spec, store)
    except UnusableInterpreterError as error:
        raise wrong_request(error) if error.version else error from None


def wrong_request(error: InterpreterError) -> InterpreterNotFoundError:
    """Return the error for a request that means only what is too old: no other try would change that."""
    return InterpreterNotFoundError(error.what, where=error.where, why=error.why, hint=error.hint)


def _find(spec: str | None, store: Store) -> tuple[str, Target]:
    if spec is None or not spec.strip():
        if not sys.executable:
            raise InterpreterError(
                "the running interpreter does not know its own path",
                hint=f"name one with {option('python')}",
            )
        return "running", at_path(sys.executable, store)
    spec = spec.strip()
    path = as_path(spec)
    return ("path", at_path(path, store)) if path is not None else _by_search(spec, store)


def as_path(spec: str) -> str | None:
    """Return the executable that is meant, if the text is a path rather than a version."""
    in_home = spec.startswith("~") and not spec.startswith("~=")
    if not in_home and not any(separator in spec for separator in (os.sep, os.altsep) if separator):
        return None
    path = os.path.abspath(os.path.expanduser(spec))
    if os.path.isdir(path):
        inside = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
        return os.path.join(path, *inside)
    return path


def list_found(spec: str | None, store: Store) -> list[Found]:
    """Return all interpreters of this machine that a request may mean, best first.

    Blocks, and starts those that are not known yet. For a path the answer is the interpreter that it means.

    :param spec: ``None`` for all.
    :raises InterpreterNotFoundError: the text cannot be read, or nothing is at the path.
    :raises InterpreterError: the interpreter at the path cannot be used.
    """
    from pytest_fastenv.interpreter.search import Found, listing  # imports python-discovery: not on the warm path

    path = as_path(spec) if spec else None
    return [Found("path", path, at_path(path, store))] if path is not None else listing(spec, store)


def _by_search(spec: str, store: Store) -> tuple[str, Target]:
    """Return the target for a version, implementation or specifier, from the store while nothing searched changed."""
    place = key_of(SearchKey(spec, tuple(search_variables())))
    now = Search(fingerprint(), this_host(), tuple(target.identity for target in installed(store)))
    record = store.read_record(SEARCHES, place)
    if record is not None and (record.places, record.host, record.downloaded) == (now.places, now.host, now.downloaded):
        found = _from_record(record, spec, store)
        if found is not None:
            return found
    from pytest_fastenv.interpreter.search import search  # imports python-discovery: not on the warm path

    try:
        where, executable, target = search(spec, store)
    except NothingFitsError:
        store.write_record(SEARCHES, place, replace(now, failed_at=time.time()))
        raise
    except InterpreterError as error:
        store.write_record(SEARCHES, place, replace(now, refused=Diagnosis.of(error), failed_at=time.time()))
        raise
    if known(executable, store) is None:  # a shim's answer is not kept: what it led to is
        executable, target = target.python, at_path(target.python, store)
    store.write_record(SEARCHES, place, replace(now, executable=executable, where=where))
    return where, target


def _from_record(record: Search, spec: str, store: Store) -> tuple[str, Target] | None:
    """Return what was found, if it is still as it was.

    :raises NothingFitsError: nothing was found, an hour ago at most.
    :raises InterpreterNotFoundError: what was found is too old.
    """
    if record.failed_at is not None:
        if not still_stands(record.failed_at):
            return None
        if record.refused:
            raise wrong_request(record.refused.error())
        raise NothingFitsError(spec, lambda: _looked(store))
    target = known(record.executable, store)
    return (record.where, target) if isinstance(target, Target) else None


def _looked(store: Store) -> tuple[str, str]:
    from pytest_fastenv.interpreter.search import looked  # imports python-discovery: for the message only

    return looked(store)
