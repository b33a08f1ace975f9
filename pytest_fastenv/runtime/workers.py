"""An environment for each worker of pytest-xdist (``--fastenv-scope worker``), by xdist's public hooks.

They are made together before the first gateway opens; the environment server looks whether each of them starts.
The interpreter alone does not isolate a worker, since xdist gives all of them the controller's ``sys.path``: so what is
sent to them begins with `worker_start`. A worker that crashed may have left its environment in any state: its
replacement gets another one.
"""

from __future__ import annotations

import inspect
import os
import re
import shlex
import sys
import time
import types
from typing import Any, Generator, Iterable, NoReturn, Sequence

import pytest

from ..errors import FastenvError, ProvideError, UsageError
from . import session, worker_start
from .environment import Environment
from .environment_server import environment_server
from .summary import elapsed

#: What makes a gateway lead to another machine, or through another process.
_ELSEWHERE = ("ssh", "vagrant_ssh", "socket", "via", "installvia")
_HINT = "leave it out, or share one environment: --fastenv-scope session"
_TAIL_LINES = 12
_INTERRUPTED = "keyboard-interrupt"  # so xdist calls the end of a worker that Ctrl-C reached


def prepare(config: pytest.Config, handed: session.Handed) -> None:
    """Arrange for environments of the workers that are about to be started.

    :raises pytest.exit.Exception: a gateway is asked for that no environment can be made for.
    """
    refuse_gateways(config)
    config.pluginmanager.register(Workers(config, handed), "fastenv-workers")


_COUNTED = re.compile(r"\s*\d+\s*\*")


def refuse_gateways(config: pytest.Config) -> None:
    """End a session that asks for a gateway which no environment can be provided for.

    :raises pytest.exit.Exception: there is one.
    """
    _refuse(config.getoption("px", None) or (), "--px")
    _refuse([text.partition("*")[2] if _COUNTED.match(text) else text for text in config.getoption("tx")], "--tx")


def remote_module(given: Any) -> str:
    """Return what is sent to a worker: our program, and behind it what would have been sent alone.

    :param given: a module, or its source.
    """
    is_module = isinstance(given, types.ModuleType)
    source, filename = (inspect.getsource(given), given.__file__) if is_module else (str(given), "<remote exec>")
    return "{}\nstart(channel, {!r}, {!r})\n".format(inspect.getsource(worker_start), source, filename)


class Workers:
    """The controller's plugin."""

    def __init__(self, config: pytest.Config, handed: session.Handed) -> None:
        self._config = config
        self._handed = handed
        self._environments: dict[str, Environment] = {}  # by what stands for the interpreter in xdist's specs
        self._names: set[str] = set()
        self._ready: set[Any] = set()
        self._suspects: set[str] = set()
        self._failures = 0

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_xdist_setupnodes(self, specs: Sequence[Any]) -> None:
        """Make all environments, and tell xdist the interpreter of each worker."""
        began = time.monotonic()
        for spec, environment in zip(specs, self._make([spec.id for spec in specs])):  # noqa: B905 - Python 3.8
            self._assign(spec, environment)
        self._say(
            "fastenv: {} worker environment{} made in {}".format(
                len(specs), "" if len(specs) == 1 else "s", elapsed(time.monotonic() - began)
            )
        )

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker where its environment is."""
        environment = self._environments[node.gateway.spec.python]
        prefix = str(environment.prefix)
        handed = self._handed._replace(prefix=prefix, worker=node.gateway.id, summary=None, lease_fd=None)
        node.workerinput[worker_start.KEY] = {
            "prefix": prefix,
            "prefixes": spellings(sys.prefix, self._handed.prefix),
            "scripts": str(environment.scripts),
            "variables": {"VIRTUAL_ENV": prefix, session.VARIABLE: session.encode(handed)},
        }
        told = getattr(self._config.hook, "pytest_fastenv_worker_environment", None)
        if told is not None and told.get_hookimpls():
            from .environment_in_test import EnvironmentInTest  # few projects listen

            told(node=node, environment=EnvironmentInTest(environment))

    @pytest.hookimpl(optionalhook=True, hookwrapper=True)
    def pytest_xdist_getremotemodule(self) -> Generator[None, Any, None]:
        """Put our program before the one that is sent to a worker, xdist's own or a plugin's."""
        outcome = yield
        outcome.force_result(remote_module(outcome.get_result()))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodeready(self, node: Any) -> None:
        """Note that a worker did start in its environment."""
        self._ready.add(node.gateway)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Make another environment for the worker that will replace a crashed one.

        :raises pytest.exit.Exception: it cannot be made, or neither this worker nor the one before it ever started:
            pytest-xdist would start many more.
        """
        if not error or error == _INTERRUPTED:
            return
        started, spec = node.gateway in self._ready, node.gateway.spec
        if not started and spec.python in self._suspects:
            end_session(self._never_started(node, error))
        self._failures += 1
        most = self._config.getoption("maxworkerrestart", None)
        if most is None or self._failures <= int(most):
            self._assign(spec, self._make([node.gateway.id])[0])
            if not started:
                self._suspects.add(spec.python)

    def _make(self, ids: Iterable[str]) -> list[Environment]:
        """Return one environment for each worker.

        :raises pytest.exit.Exception: they cannot be made, or do not start.
        """
        names = [self._name(worker) for worker in ids]
        try:
            answer = environment_server(self._config).ask("workers", session=self._handed.prefix, names=names)
        except FastenvError as error:
            end_session(error)
        made = {value["name"]: Environment.from_json(value) for value in answer["environments"]}
        return [made[name] for name in names]

    def _name(self, worker: str) -> str:
        """Return a name for a directory: the worker's, with a number for those that replace another one."""
        plain = re.sub(r"[^\w.-]", "_", worker)
        name, number = plain, 1
        while name in self._names:
            number += 1
            name = "{}-{}".format(plain, number)
        self._names.add(name)
        return name

    def _assign(self, spec: Any, environment: Environment) -> None:
        spec.python = shlex.quote(str(environment.python))  # execnet takes it for words of a shell
        self._environments[spec.python] = environment

    def _never_started(self, node: Any, error: object) -> FastenvError:
        return ProvideError(
            "worker {} does not start in its environment, and neither did the one before it".format(node.gateway.id),
            where=str(self._environments[node.gateway.spec.python].prefix),
            why="\n".join(str(error).splitlines()[-_TAIL_LINES:]),
            hint="a conftest.py or plugin that ends the process would do this; try once with -n 0",
        )

    def _say(self, line: str) -> None:
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        if terminal is not None and self._config.getoption("verbose", 0) >= 0:
            terminal.write_line(line)


def _refuse(texts: Iterable[str], option: str) -> None:
    import execnet  # xdist has imported it; sessions without workers do without

    for text in texts:
        named = "{} {}".format(option, text)
        try:
            spec = execnet.XSpec(text)
        except (ValueError, AttributeError) as error:
            end_session(UsageError("{} cannot be read".format(named), why=str(error)))
        elsewhere = [key for key in _ELSEWHERE if getattr(spec, key)]
        if elsewhere or not spec.popen:
            why = "'{}' leads to another machine or process".format(elsewhere[0]) if elsewhere else "it is no 'popen'"
            what = "{}: no environment of its own can be provided for this gateway".format(named)
            end_session(UsageError(what, why=why, hint=_HINT))
        if spec.python:
            refuse_interpreter(text)


def refuse_interpreter(text: str) -> NoReturn:
    """End a session that gives a worker another interpreter than that of the environment.

    In an environment that is shared as well: pytest-xdist sends the worker ``sys.path``, whose modules are for the
    interpreter of the environment; another one does not start with them, and would be started again and again.

    :param text: the gateway's specification.
    :raises pytest.exit.Exception: always.
    """
    what = "--tx {}: the worker's interpreter is the one of its environment".format(text)
    end_session(UsageError(what, hint="leave 'python=' out, and choose it with --fastenv-python"))


def spellings(*prefixes: str) -> list[str]:
    """Return the ways in which an environment's directory is written, the longest first."""
    known = {spelling for prefix in prefixes for spelling in (prefix, os.path.realpath(prefix))}
    return sorted(known, key=len, reverse=True)


def end_session(error: FastenvError) -> NoReturn:
    """Tell an error as the plugin outside does, and let pytest end in good order.

    :raises pytest.exit.Exception: always; for pytest, which ends the workers and runs its last hooks.
    """
    sys.stdout.flush()  # progress that stands before it
    sys.stderr.write("\nfastenv: error: {}\n".format(error.diagnosis()))
    sys.stderr.flush()
    pytest.exit("pytest-fastenv cannot make environments for the workers", returncode=error.exit_code)
