"""A session in one of several environments, as plugins know the workers of pytest-xdist.

Plugins tell workers something in ``pytest_configure_node``, read it there in ``config.workerinput``, and are told
something in ``pytest_testnodedown`` by what is in ``config.workeroutput`` there.
"""

from __future__ import annotations

import os
import socket
import sys
from types import SimpleNamespace
from typing import Any, Mapping

import pytest


class Node:
    """The controller's side, with what plugins use of pytest-xdist's ``WorkerController``.

    :ivar workerinput: what the worker is told.
    :ivar workeroutput: what it told; there when it has ended in good order.
    """

    workeroutput: Mapping[str, Any]

    def __init__(self, config: pytest.Config, name: str, run: str) -> None:
        self.config = config
        self.gateway = SimpleNamespace(id=name)
        # What pytest-xdist gives its workers, and what pytest-cov reads of it.
        self.workerinput: dict[str, Any] = {
            "workerid": "master",
            "workercount": 1,
            "testrunuid": run,
            "mainargv": sys.argv,
            "cov_master_host": socket.gethostname(),
            "cov_master_topdir": os.getcwd(),
        }

    def begins(self) -> list[Any]:
        """Let plugins tell the worker something; return what a `WorkerInput` is made of."""
        self._call("pytest_configure_node", node=self)
        options = {
            name: value
            for name, value in vars(self.config.option).items()
            if value is None or isinstance(value, (str, int, float))
        }
        return [self.workerinput, options]

    def ended(self, error: str | None) -> None:
        """Let plugins know that the worker has ended.

        :param error: what became of it, where that was not in good order.
        """
        self._call("pytest_testnodedown", node=self, error=error)

    def _call(self, hook: str, **values: Any) -> None:
        if hasattr(self.config.hook, hook):
            plugins = self.config.pluginmanager
            # Without -n pytest-cov in the controller is none that knows of workers, and would fail.
            plugins.subset_hook_caller(hook, [plugins.getplugin("_cov")])(**values)


class WorkerInput(dict):  # type: ignore[type-arg]
    """``config.workerinput``.

    Where pytest-xdist is not installed, plugins may tell workers nothing. What is missing is looked for among the
    controller's options, where they have what they would have told.
    """

    def __init__(self, told: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        super().__init__(told)
        self._options = options

    def __missing__(self, key: str) -> Any:
        """Return the controller's option of that name."""
        return self._options[key]
