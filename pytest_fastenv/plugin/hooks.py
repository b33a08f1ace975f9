"""The entry point: what every pytest run imports, whether it asks for an environment or not.

So it imports next to nothing. Everything else waits until an environment is asked for.

An environment has to be asked for before pytest looks whether ``required_plugins`` are there and before it imports
the plugins of ``PYTEST_PLUGINS`` and the ``conftest.py`` files, all of which only the environment may have. That is
the moment when this module is registered: pytest then knows its rootdir and ini file.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Generator

import pytest

from pytest_fastenv.runtime import inside, options, session

_BEGUN = pytest.StashKey[bool]()
_LATER = pytest.StashKey[Callable[[], int]]()
_EXIT_CODE = pytest.StashKey[int]()
_INTERRUPTED = 130


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Make our hooks known, also where no environment is asked for: plugins may implement them all the same."""
    inside.pytest_addhooks(pluginmanager)


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options; then, where one is asked for, leave for the environment."""
    options.register(parser)
    config = pluginmanager.get_plugin("pytestconfig")
    if config is not None and _has_read_its_files(config):
        _begin(config, parser)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, None, None]:
    """Run the session for a caller in this process, before output is captured; nothing is left for pytest here."""
    if _BEGUN not in early_config.stash:  # registered before pytest read its files: pytest.main(plugins=["..."])
        _begin(early_config, parser)
    later = early_config.stash.get(_LATER, None)
    if later is None:
        return (yield)
    early_config.stash[_EXIT_CODE] = later()
    # The words were for the session inside: its plugins' options are unknown here, and plugins here (pytest-cov is one)
    # must not begin with what is over.
    args[:] = []
    vars(early_config.known_args_namespace).update(vars(early_config.option), file_or_dir=[], noconftest=True)
    with contextlib.suppress(Exception):  # plugins here may miss what only the environment has; the session is over
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Return the exit code of the session that ran inside, to `pytest.main`'s caller."""
    return config.stash.get(_EXIT_CODE, None)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Offer the fixtures; tell plugins when they are inside (where requirements bring this plugin along)."""
    handed = session.current(os.environ)
    inside.offer_fixtures(config, lambda: handed or _stands_for_handed(config))
    inside.announce(config)


def pytest_report_header(config: pytest.Config) -> str | list[str] | None:
    """Tell what the environment is (where requirements bring this plugin along, it is the one inside)."""
    return inside.pytest_report_header(config) or _no_say(config)


def _no_say(config: pytest.Config) -> str | None:
    """Tell that options which were typed say something of an environment that nobody asked for."""
    if session.current(os.environ) is not None:
        return None
    typed = [os.fspath(word) for word in config.invocation_params.args]
    flags = [word.partition("=")[0] for word in options.before_paths(typed) if word.startswith("--fastenv-")]
    if not flags or _asks(config):
        return None
    return f"fastenv: no environment is asked for (--fastenv, --fastenv-env), so nothing comes of {', '.join(flags)}"


def _begin(config: pytest.Config, parser: pytest.Parser) -> None:
    config.stash[_BEGUN] = True
    handed = session.current(os.environ)
    if inside.is_own_session(handed):
        inside.enter(config, handed)
    elif not session.is_worker(os.environ) and (inside.asks_itself(config) if handed else _asks(config)):
        try:
            # All that follows costs start-up time, so it is imported here.
            from pytest_fastenv.plugin.provisioning import begin

            config.stash[_LATER] = begin(config, parser)
        except KeyboardInterrupt:  # pytest would let it pass to the interpreter, which shows a traceback
            sys.stderr.write("fastenv: interrupted\n")
            raise SystemExit(_INTERRUPTED) from None


def _asks(config: pytest.Config) -> bool:
    if options.asks_for_environment(options.words_of(config)):
        return True
    try:
        value = any(options.ini_value(config, option) for option in options.OPTIONS[:2])
    except pytest.UsageError:  # of another type: the request tells how
        return True
    return value or _table_asks(config)


def _table_asks(config: pytest.Config) -> bool:
    """Say whether ``[tool.fastenv]`` or ``fastenv.toml`` asks; unknown keys are reported without ``--fastenv``, too."""
    directory = config.rootpath
    if config.known_args_namespace.inifilename:
        from pytest_fastenv.plugin.command_line import project_directory  # rarely is an ini file named

        directory = project_directory(config)
    if not _may_have_table(os.fspath(directory)):
        return False
    from pytest_fastenv.plugin.provisioning import tables_ask  # most projects have none

    return tables_ask(directory)


def _may_have_table(directory: str) -> bool:
    """Look at the bytes: reading TOML takes longer than all the rest of a run without an environment may cost."""
    try:
        with open(os.path.join(directory, "pyproject.toml"), "rb") as file:
            content = file.read()
    except OSError:
        content = b""
    if b"fastenv" in content:
        import re  # loaded by pytest; a pattern is compiled only here

        # The word by itself: not where the project requires pytest-fastenv, nor ini values such as fastenv_link.
        if re.search(rb"(?<![\w-])fastenv(?![\w-])", content):
            return True
    return os.path.exists(os.path.join(directory, "fastenv.toml"))


def _stands_for_handed(config: pytest.Config) -> session.Handed:
    from pytest_fastenv.plugin.provisioning import handed_to_itself  # where a test asks for an environment

    return handed_to_itself(config)


def _has_read_its_files(config: pytest.Config) -> bool:
    try:
        return config.rootpath is not None
    except AttributeError:  # what pytest has before it looks for its rootdir
        return False
