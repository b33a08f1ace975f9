"""The plugin of a session in its environment: same options, one header line, and nothing else.

Provides nothing: the environment is there. A pytest that a test starts with a ``--fastenv`` of its own is passed on
to the installation that has the whole plugin.
"""

from __future__ import annotations

import os
import sys

import pytest

from . import options, session

_HANDED = pytest.StashKey[session.Handed]()


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Accept the options and ini values of the plugin outside."""
    options.register(parser)
    config = pluginmanager.get_plugin("pytestconfig")
    if config is None:
        return
    handed = session.current(os.environ)
    if is_own_session(handed):
        enter(config, handed)
    elif asks_itself(config):
        _pass_on(config, handed)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Tell what the environment is."""
    handed = config.stash.get(_HANDED, None)
    if handed is None or handed.summary is None:
        return None
    from .header import header_line

    return header_line(handed.summary)


def is_own_session(handed: session.Handed | None) -> bool:
    """Say whether this process is the session that the environment was provided for, not one started by it."""
    return handed is not None and handed.summary is not None


def asks_itself(config: pytest.Config) -> bool:
    """Say whether a pytest within a session was given ``--fastenv`` on its own command line.

    Ini values and ``PYTEST_ADDOPTS`` are those of the session around it, which satisfied them.
    """
    arguments = [str(argument) for argument in config.invocation_params.args]
    return not session.is_worker(os.environ) and options.asks_for_environment(arguments)


def enter(config: pytest.Config, handed: session.Handed | None) -> None:
    """Take over what was handed to this session."""
    if handed is not None:
        session.settle(handed, os.environ)
        config.stash[_HANDED] = handed


def _pass_on(config: pytest.Config, handed: session.Handed | None) -> None:
    from .launch import read_launch
    from .relay import CAN_REPLACE, replace_process, run_in_place

    arguments = [str(argument) for argument in config.invocation_params.args]
    if handed is None or not handed.outside or not os.path.exists(handed.outside[0]):
        raise pytest.UsageError(
            "--fastenv: this environment has only the runtime of pytest-fastenv, which cannot provide another one; "
            "add pytest-fastenv to its requirements"
        )
    # Before Python 3.10 an interpreter does not tell its whole command line.
    is_command = read_launch().is_pytest(arguments) if hasattr(sys, "orig_argv") else sys.argv[1:] == arguments
    if config.invocation_params.plugins or not is_command:
        raise pytest.UsageError(
            "--fastenv: pytest.main() within a session cannot provide another environment; start pytest as a process"
        )
    command = [*handed.outside, *arguments]
    environ = _outside_variables(handed.prefix)
    if CAN_REPLACE:
        replace_process(command, environ)
    raise SystemExit(run_in_place(command, environ))


def _outside_variables(prefix: str) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if name != session.VARIABLE}
    if environ.get("VIRTUAL_ENV") == prefix:
        del environ["VIRTUAL_ENV"]
    below = os.path.join(prefix, "")
    path = environ.get("PATH", "").split(os.pathsep)
    environ["PATH"] = os.pathsep.join(entry for entry in path if not entry.startswith(below))
    return environ
