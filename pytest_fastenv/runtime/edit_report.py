"""Tell at the end of a session which installed files were edited in place, by which tests, and how to avoid it."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import pytest

from ..errors import printable
from ..model.link import LinkMode
from . import session
from .edit_watch import Edit, Watch, shared_changes, shares_files

_KEY = "fastenv_edits"
_OTHERS = "a process that the tests started, or another run"
_MOST_LINES = 20


class _Line(NamedTuple):
    path: str
    who: str


def watch_worker(config: pytest.Config, handed: session.Handed) -> None:
    """Watch a worker's process; at its end it tells the controller what it noted."""
    if shares_files(handed.prefix) or not handed.worker:
        config.pluginmanager.register(_WorkerWatch(config, Watch(handed.prefix)), "fastenv-edits")


def watch_session(config: pytest.Config, handed: session.Handed, *, controller: bool) -> None:
    """Watch the session's own process, and tell at the end what was noted, by workers too.

    :param controller: the tests run in workers.
    """
    config.pluginmanager.register(_SessionWatch(handed, controller), "fastenv-edits")


class _WorkerWatch:
    def __init__(self, config: pytest.Config, watch: Watch) -> None:
        self._config = config
        self._watch = watch
        watch.begin()

    def pytest_sessionfinish(self) -> None:
        output: dict[str, Any] = self._config.workeroutput  # type: ignore[attr-defined]
        output[_KEY] = {"edits": [list(edit) for edit in self._watch.edits.values()], "started": self._watch.started}

    def pytest_unconfigure(self) -> None:
        self._watch.end()


class _SessionWatch:
    def __init__(self, handed: session.Handed, controller: bool) -> None:
        settings = handed.settings or {}
        self._link = LinkMode.parse(settings.get("link", LinkMode.AUTO))
        self._prefix = handed.prefix
        self._own_environments = controller and settings.get("scope") == "worker"
        self._controller = controller
        self._shares = shares_files(handed.prefix)
        self._noted: list[tuple[str, Edit]] = []  # with the worker
        self._started = False
        self._watch = Watch(handed.prefix)
        if self._shares or not self._own_environments:
            self._watch.begin()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker noted; a crashed worker tells nothing."""
        told = getattr(node, "workeroutput", {}).get(_KEY)
        if told is None:
            self._started = True
            return
        self._started = self._started or told["started"]
        self._noted += [(node.gateway.id, Edit(*edit)) for edit in told["edits"]]

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Tell it, also with ``-q``."""
        self._watch.end()
        started = self._started if self._controller else self._watch.started
        noted = [("", edit) for edit in self._watch.edits.values()] + self._noted
        shared = [_Line(_short(edit.path), _who(worker, edit)) for worker, edit in noted if edit.shared]
        if started and self._shares:
            known = {line.path for line in shared}
            changed = sorted({_short(path) for path in shared_changes(self._prefix)} - known)
            shared += [_Line(path, _OTHERS) for path in changed]
        if shared:
            self._tell(terminalreporter, shared)
        own = [_Line(_short(edit.path), _who(worker, edit)) for worker, edit in noted if not edit.shared]
        if own and not self._own_environments:
            more = " ({} more)".format(len(own) - 1) if len(own) > 1 else ""
            told = "fastenv: {} was edited in place by {}{}: the next run gets a fresh environment"
            terminalreporter.write_line(printable(told.format(own[0].path, own[0].who, more)))

    def _tell(self, terminal: Any, lines: list[_Line]) -> None:
        terminal.write_sep("=", "fastenv: installed files were edited in place")
        for line in lines[:_MOST_LINES]:
            terminal.write_line(printable("{}  by {}".format(*line)))
        if len(lines) > _MOST_LINES:
            terminal.write_line("... and {} more".format(len(lines) - _MOST_LINES))
        reached = "the environments of all workers" if self._own_environments else "every environment that has them"
        terminal.write_line("These files are shared by links: each edit reached {} at once.".format(reached))
        advised = "With --fastenv-link {} an edit stays in the environment it is made in."
        terminal.write_line(advised.format(self._link.keeps_edits_apart))

    def pytest_unconfigure(self) -> None:
        """Watch no longer."""
        self._watch.end()


def _who(worker: str, edit: Edit) -> str:
    test = edit.test or "code outside of tests"
    return "{} in {}".format(worker, test) if worker else test


def _short(path: str) -> str:
    """Leave out what leads to site-packages, or to a wheel in the store."""
    import sysconfig  # only where there is something to tell

    begin = os.path.relpath(sysconfig.get_path("purelib"), sysconfig.get_path("data")).replace(os.sep, "/") + "/"
    return path[len(begin) :] if path.startswith(begin) else path.rpartition("/tree/")[2]
