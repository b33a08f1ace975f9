"""The plugin of a session in its environment: same options, one header line, and nothing else.

Provides nothing: the environment is there. A pytest that a test starts with a ``--fastenv`` of its own is passed on
to the installation that has the whole plugin.
"""

from __future__ import annotations

import os
import sys
from typing import Callable, Generator

import pytest

from . import options, session

_HANDED = pytest.StashKey[session.Handed]()


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Make our hooks known to pytest."""
    from . import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


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


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, None, None]:
    """Say where an option comes from that nothing here knows; all plugins and conftest files are there by now."""
    yield
    handed = early_config.stash.get(_HANDED, None)
    if handed is not None and handed.summary is not None:
        from . import unknown_options  # only in a session of its own

        unknown_options.explain(early_config, parser, args, handed, session.outside_variables(os.environ))


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Tell plugins and conftest files that the session is in its environment, and offer the fixtures."""
    handed = session.current(os.environ)
    offer_fixtures(config, lambda: handed or session.Handed(sys.prefix))
    announce(config)


def offer_fixtures(config: pytest.Config, handed: Callable[[], session.Handed]) -> None:
    """Register the fixtures and their marker.

    :param handed: see `ServerStart`; called when a test needs another environment.
    """
    from . import fixtures  # not where pytest is only asked for its help or version
    from .server_start import SERVER_START, ServerStart

    config.addinivalue_line("markers", fixtures.MARKER)
    config.pluginmanager.register(fixtures, fixtures.NAME)
    config.stash[SERVER_START] = ServerStart(handed, session.outside_variables(os.environ))


def announce(config: pytest.Config) -> None:
    """Call the hook that tells plugins and conftest files of the environment, where the session is in its own."""
    handed = config.stash.get(_HANDED, None)
    hook = config.hook.pytest_fastenv_environment_ready
    if handed is not None and handed.summary is not None and hook.get_hookimpls():
        from .environment_in_test import EnvironmentInTest
        from .session_environment import own_environment

        hook(config=config, environment=EnvironmentInTest(own_environment()))
    if handed is not None:
        _carry_name(config, handed)
        _arrange(config, handed)
    elif hasattr(config, "workerinput"):
        _arrange_worker(config)


def _carry_name(config: pytest.Config, handed: session.Handed) -> None:
    if handed.name:
        from . import node_names  # only where environments have names

        node_names.register(config, handed.name, handed.only or {})


def pytest_report_header(config: pytest.Config) -> str | list[str] | None:
    """Tell what the environment is."""
    handed = config.stash.get(_HANDED, None)
    if handed is None or handed.summary is None:
        return None
    if handed.matrix is not None and "names" in handed.matrix:
        return "fastenv: environments: {}".format(", ".join(handed.matrix["names"]))
    lines = [handed.summary.line, *handed.summary.warning_lines]
    if config.option.verbose > 0:
        lines += handed.summary.details
    if _is_scope_worker(handed) and not _starts_workers(config):
        lines.append("fastenv: --fastenv-scope worker: no workers (-n), so the tests run in the session's environment")
    return lines


def is_own_session(handed: session.Handed | None) -> bool:
    """Say whether this process is the session that the environment was provided for, not one started by it."""
    return handed is not None and (handed.summary is not None or handed.matrix is not None)


def asks_itself(config: pytest.Config) -> bool:
    """Say whether a pytest within a session was given ``--fastenv`` on its own command line.

    Ini values and ``PYTEST_ADDOPTS`` do not count: the session around it has them too, and has satisfied them.
    """
    arguments = options.read_files([str(argument) for argument in config.invocation_params.args])
    return not session.is_worker(os.environ) and options.asks_for_environment(arguments)


def enter(config: pytest.Config, handed: session.Handed | None) -> None:
    """Take over what was handed to this session."""
    if handed is not None:
        session.settle(handed, os.environ)
        config.stash[_HANDED] = handed
        if handed.temporary:
            import shutil  # few environments have one

            config.add_cleanup(lambda: shutil.rmtree(handed.temporary, ignore_errors=True))
        if handed.upkeep:
            from .afterwards import start  # once a day

            outside = session.outside_variables(os.environ)
            config.add_cleanup(lambda: start(handed.upkeep, outside))
        if handed.matrix is not None and "child" in handed.matrix:
            from . import matrix_child  # only in one of several environments

            matrix_child.enter(config, handed.matrix["child"])
            return
        if handed.server and _is_scope_worker(handed) and options.starts_workers(options.words_of(config)):
            from .environment_server import expect

            expect(config, handed, session.outside_variables(os.environ))


def _arrange(config: pytest.Config, handed: session.Handed) -> None:
    """Watch for edits of installed files; prepare environments for workers where each is to have its own."""
    from . import edit_report

    if handed.matrix is not None and "child" not in handed.matrix:
        _arrange_matrix(config, handed)
        return
    starts_workers = _starts_workers(config)
    if starts_workers and _is_scope_worker(handed):
        from .workers import prepare

        prepare(config, handed)
    elif starts_workers:
        _refuse_interpreters(config)
    edit_report.watch_session(config, handed, controller=starts_workers)
    from . import imported

    environ = session.outside_variables(os.environ)
    config.pluginmanager.register(imported.Controller(handed, environ), "fastenv-imported")


def _arrange_matrix(config: pytest.Config, handed: session.Handed) -> None:
    """Make this session the controller of one over several environments."""
    from .matrix_outcomes import Outcomes  # only there
    from .named_environments import NamedEnvironments

    environments = NamedEnvironments(handed.matrix or {})
    outcomes = Outcomes(config, environments)
    config.pluginmanager.register(outcomes, "fastenv-matrix-outcomes")
    plugin: object
    if _starts_workers(config):
        from .matrix_workers import MatrixWorkers

        plugin = MatrixWorkers(config, handed, environments, outcomes)
    else:
        from .matrix_session import MatrixSession

        plugin = MatrixSession(config, handed, environments, outcomes)
    config.pluginmanager.register(plugin, "fastenv-matrix")


def _refuse_interpreters(config: pytest.Config) -> None:
    """End a session that gives one of the workers that share the environment another interpreter."""
    for text in config.getoption("tx"):
        gateway = text.rpartition("*")[2]
        parts = [part.partition("=")[0].strip() for part in gateway.split("//")]
        if parts[0] == "popen" and "python" in parts and "via" not in parts:
            from .workers import refuse_interpreter  # imports what only environments of workers need

            refuse_interpreter(gateway)


def _arrange_worker(config: pytest.Config) -> None:
    handed = session.current(os.environ)
    if handed is not None:
        from . import edit_report

        _carry_name(config, handed)
        edit_report.watch_worker(config, handed)
        from . import imported

        config.pluginmanager.register(imported.Worker(handed.prefix), "fastenv-imported")


def _is_scope_worker(handed: session.Handed) -> bool:
    return (handed.settings or {}).get("scope") == "worker"


def _starts_workers(config: pytest.Config) -> bool:
    """Say whether pytest-xdist is about to start workers."""
    if config.getoption("collectonly", False):
        return False
    return config.getoption("dist", "no") != "no" and bool(config.getoption("tx", None))


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
    environ = session.outside_variables(os.environ, handed.prefix)
    if CAN_REPLACE:
        replace_process(command, environ)
    raise SystemExit(run_in_place(command, environ))
