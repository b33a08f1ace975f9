"""Note which installed modules a session imported, so that the next one finds them compiled in all its environments."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, Iterable

import pytest

from .sealed import seal, unseal

#: The list's file in an environment's ``.fastenv`` directory: paths relative to the prefix, one on each line; sealed.
NAME = "imported"
_KEY = "fastenv_imported"


def sources(prefix: str) -> set[str]:
    """Return the sources of what is imported now from an environment, relative to it."""
    below = os.path.join(prefix, "")
    paths = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return {
        path[len(below) :]
        for path in paths
        if isinstance(path, str) and path.endswith(".py") and path.startswith(below) and "\n" not in path
    }


class Worker:
    """Tells the controller what a worker imported.

    :param prefix: the worker's environment.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand it over."""
        output: dict[str, Any] = session.config.workeroutput  # type: ignore[attr-defined]
        output[_KEY] = sorted(sources(self._prefix))


class Controller:
    """Keeps what all workers imported.

    :param prefix: the session's environment; the workers' are copies of it.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._found: set[str] = set()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker imported; a crashed worker tells nothing."""
        self._found.update(getattr(node, "workeroutput", {}).get(_KEY, ()))

    def pytest_unconfigure(self) -> None:
        """Keep what is new, for as long as the environment stands."""
        if self._found:
            keep(self._prefix, self._found | sources(self._prefix))


def read(path: str | os.PathLike[str]) -> list[str]:
    """Return the sources that a list names; none where it is not there, or damaged."""
    try:
        with open(path, "rb") as file:
            return unseal(file.read()).decode("utf-8", "surrogateescape").split("\n")
    except (OSError, ValueError):
        return []


def keep(prefix: str, found: Iterable[str]) -> None:
    """Add sources to an environment's list; an environment that cannot be written goes without."""
    path = os.path.join(prefix, ".fastenv", NAME)
    known = set(read(path))
    together = known.union(found)
    if together == known:
        return
    draft = "{}.{}".format(path, os.getpid())
    with contextlib.suppress(OSError):
        with open(draft, "wb") as file:
            file.write(seal("\n".join(sorted(together)).encode("utf-8", "surrogateescape")))
        os.replace(draft, path)
