"""Interpreters that tox does not find: what pytest-fastenv downloaded, or can download."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from virtualenv.discovery.py_spec import PythonSpec

from pytest_fastenv.errors import FastenvError, InterpreterNotFoundError
from pytest_fastenv.integrations.tox.telling import diagnosis, explained, warn

if TYPE_CHECKING:
    from pytest_fastenv.settings.values import Settings
    from pytest_fastenv.store.store import Store

_LOGGER = logging.getLogger(__name__)


def supplied(specs: Sequence[str], settings: Settings, *, download: bool) -> str | None:
    """Return the interpreter that tox should look at for ``base_python``, beside those it finds by itself.

    :param specs: as tox has them, the first that there is counts.
    :param download: get what is not on this machine.
    :return: its path; ``None`` where tox finds one by itself, or nothing can be had.
    """
    from pytest_fastenv.interpreter.discovery import find  # not needed to start tox
    from pytest_fastenv.model.events import Recorder
    from pytest_fastenv.provisioning.question import store_of

    wanted = [ours for ours in map(in_our_words, specs) if ours is not None]
    if len(wanted) < len(specs):
        return None  # a path, or a name that only tox knows how to look for
    store = store_of(settings, Recorder())
    for spec in wanted:
        try:
            with explained():
                where, target = find(spec, store)
        except InterpreterNotFoundError:
            continue
        except FastenvError:
            return None  # tox looks for itself, and says what is wrong
        return target.python if where not in {"running", "path", "PATH", "registry"} else None
    return _downloaded(wanted, settings, store) if download else None


def in_our_words(spec: str) -> str | None:
    """Return tox's name of an interpreter (``py312``, ``pypy3.10``, ``3.13t``) as ``--fastenv-python`` has it.

    :return: ``None`` where it names no version, or a path.
    """
    read = PythonSpec.from_string_spec(spec)
    if read.path is not None or read.major is None:
        return None
    version = ".".join(str(part) for part in (read.major, read.minor, read.micro) if part is not None)
    family = (read.implementation or "").lower()
    kept = "" if family in {"", "py", "python", "cpython"} else family
    return f"{kept}{version}{'t' if getattr(read, 'free_threaded', None) else ''}"


def _downloaded(wanted: Sequence[str], settings: Settings, store: Store) -> str | None:
    from pytest_fastenv.provisioning.interpreters import Installed, install_all
    from pytest_fastenv.provisioning.run import Run
    from pytest_fastenv.schedule.event_loop import run_to_end

    run = Run.of(settings, store, os.environ)
    for spec in wanted:
        try:
            with explained():
                (outcome,) = run_to_end(install_all([spec], run))
        except FastenvError as error:
            outcome = error
        if isinstance(outcome, Installed):
            _LOGGER.warning("downloaded %s: %s", outcome.target.short, outcome.target.python)
            return outcome.target.python
        warn(diagnosis(outcome))
    return None
