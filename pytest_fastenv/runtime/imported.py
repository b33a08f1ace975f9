"""Note which installed modules a session imported, so that later ones find them compiled, in all environments.

::

    .fastenv/imported      paths of sources relative to the prefix, one on each line; sealed
    .fastenv/compiled      the seal of the list of which all has been compiled
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from typing import Any, Iterable, Mapping

import pytest

from . import session
from .sealed import seal, unseal

#: Names in an environment's ``.fastenv`` directory: the list, and how far it has been compiled.
NAME, DONE = "imported", "compiled"
_KEY = "fastenv_imported"
#: What no wheel brings: of virtualenv, and our own, which pytest rewrites.
_NOT_KEPT = ("_virtualenv", "pytest_fastenv_runtime")
#: The others may compile something else than the source is, and may have kept it under the usual name.
_LOADERS = frozenset({"SourceFileLoader", "AssertionRewritingHook"})


def sources(prefix: str) -> set[str]:
    """Return the sources of what is imported now from an environment, relative to it."""
    below = os.path.join(prefix, "")
    found = set()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _NOT_KEPT:
            continue
        try:
            values = object.__getattribute__(module, "__dict__")  # a lazy module is not imported for the question
            path, loader = values.get("__file__"), values.get("__loader__")
        except AttributeError:  # anything may lie there
            continue
        is_installed = isinstance(path, str) and path.endswith(".py") and path.startswith(below) and "\n" not in path
        if is_installed and type(loader).__name__ in _LOADERS:
            found.add(path[len(below) :])
    return found


class Worker:
    """Tells the controller what a worker imported that no session before did.

    :param prefix: the worker's environment.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand it over."""
        output: dict[str, Any] = session.config.workeroutput  # type: ignore[attr-defined]
        output[_KEY] = sorted(sources(self._prefix).difference(read(_own(self._prefix, NAME))))


class Controller:
    """Keeps what a session and its workers imported, and has it compiled after the end.

    :param handed: the session's; workers have its environment, or copies of it.
    :param environ: environment variables outside.
    """

    def __init__(self, handed: session.Handed, environ: Mapping[str, str]) -> None:
        self._handed = handed
        self._environ = environ
        self._found: set[str] = set()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker imported; a crashed worker tells nothing."""
        self._found.update(getattr(node, "workeroutput", {}).get(_KEY, ()))

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Keep what is new, for as long as the environment stands."""
        prefix = self._handed.prefix
        was_compiled = is_compiled(prefix)
        new = keep(prefix, self._found | sources(prefix))
        if was_compiled and not any(_is_to_be_compiled(prefix, source) for source in new):
            if new:
                mark_compiled(prefix, seal_of(prefix))
            return
        shares = (self._handed.settings or {}).get("bytecode") != "own"
        if shares and self._handed.server:
            _compile(self._handed, self._environ)


def read(path: str | os.PathLike[str]) -> list[str]:
    """Return the sources that a list names; none where it is not there, or damaged."""
    try:
        with open(path, "rb") as file:
            return unseal(file.read()).decode("utf-8", "surrogateescape").split("\n")
    except (OSError, ValueError):
        return []


def keep(prefix: str, found: Iterable[str]) -> set[str]:
    """Add sources to an environment's list, and return those that were not in it.

    An environment that cannot be written goes without.
    """
    path = _own(prefix, NAME)
    known = set(read(path))
    new = set(found) - known
    if new:
        _write(path, seal("\n".join(sorted(known | new)).encode("utf-8", "surrogateescape")))
    return new


def seal_of(prefix: str) -> bytes:
    """Return what stands for an environment's list; empty where there is none."""
    with contextlib.suppress(OSError), open(_own(prefix, NAME), "rb") as file:
        return file.readline().strip()
    return b""


def is_compiled(prefix: str) -> bool:
    """Say whether nothing is left to be compiled of an environment's list."""
    sealed = seal_of(prefix)
    with contextlib.suppress(OSError), open(_own(prefix, DONE), "rb") as file:
        return file.read() == sealed
    return not sealed


def mark_compiled(prefix: str, sealed: bytes) -> None:
    """Note that a list has been compiled as far as it can be.

    :param sealed: what `seal_of` returned before that was begun.
    """
    _write(_own(prefix, DONE), sealed)


def _is_to_be_compiled(prefix: str, source: str) -> bool:
    """Say whether a source is not compiled, or was compiled in this environment: the store may not have that."""
    try:
        compiled = os.stat(importlib.util.cache_from_source(os.path.join(prefix, source)))
        return compiled.st_mtime_ns >= os.stat(_own(prefix, "ready")).st_mtime_ns
    except OSError:
        return True


def _own(prefix: str, name: str) -> str:
    return os.path.join(prefix, ".fastenv", name)


def _write(path: str, content: bytes) -> None:
    draft = "{}.{}".format(path, os.getpid())
    with contextlib.suppress(OSError):
        with open(draft, "wb") as file:
            file.write(content)
        os.replace(draft, path)


def _compile(handed: session.Handed, environ: Mapping[str, str]) -> None:
    """Start the process that does it, and leave it to itself."""
    try:
        from .afterwards import start  # most sessions import nothing new
    except ImportError:  # the environment was taken away while the tests ran
        return
    settings = handed.settings or {}
    words = [*handed.server, "--bytecode", handed.prefix]
    words += [str(settings.get(name) or "") for name in ("cache_dir", "dir")]
    start(words, environ)
