"""How the session inside is started: same form, same interpreter options, same arguments as outside."""

from __future__ import annotations

import os
import re
import shlex
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from types import ModuleType
from typing import Any

import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.runtime import options, session
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.runtime.launch import Launch

_OWN_MODULE = "pytest_fastenv.plugin.hooks"
_OWN_NAME = "fastenv"
# -S would hide the environment's packages; -x skips the first line of a script that is another one inside.
_NOT_INSIDE = frozenset({"-S", "-x"})
_SINCE = {"-P": (3, 11)}


@dataclass(frozen=True, slots=True)
class Command:
    """How a process is started: its command line and all of its environment variables."""

    argv: tuple[str, ...]
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Invocation:
    """How pytest was started outside.

    :ivar plugins: ``-p`` names that stand for what a caller gave to `pytest.main`.
    :ivar plugin_paths: where plugins lie that are found neither in an environment nor in the project.
    :ivar early_paths: those of them whose plugins ``addopts`` names, which pytest imports before any other.
    :ivar as_module: it is ``python -m pytest``, which puts the working directory on ``sys.path``, or alike.
    """

    launch: Launch
    arguments: tuple[str, ...]
    plugins: tuple[str, ...] = ()
    plugin_paths: tuple[str, ...] = ()
    early_paths: tuple[str, ...] = ()
    as_module: bool = False


def read_invocation(config: pytest.Config, launch: Launch, *, inherit_pythonpath: bool = False) -> Invocation:
    """Tell how pytest was started.

    :raises UsageError: `pytest.main` was given plugin objects, which cannot be had in another process.
    """
    arguments = tuple(os.fspath(word) for word in config.invocation_params.args)
    names, paths = _caller_plugins(config.invocation_params.plugins or ())
    early: list[str] = []
    if not inherit_pythonpath:
        early = _from_pythonpath(_named_plugins([*config.getini("addopts"), *options.given_words(config, own=False)]))
        paths += early
        named = [*_named_plugins(arguments), *os.environ.get("PYTEST_PLUGINS", "").split(",")]
        paths += _from_pythonpath(named)
    is_pytest = launch.is_pytest(arguments)
    as_module = launch.module is not None if is_pytest else sys.path[:1] in ([""], [os.getcwd()])
    return Invocation(
        launch, arguments, tuple(names), tuple(dict.fromkeys(paths)), tuple(dict.fromkeys(early)), as_module
    )


def inner_command(
    environment: Environment,
    invocation: Invocation,
    handed: session.Handed,
    *,
    environ: Mapping[str, str] = os.environ,
    inherit_pythonpath: bool = False,
) -> Command:
    """Return how to start the same pytest session with an environment's interpreter.

    :param environ: the variables of the session, before the environment is made the active one.
    """
    variables = environment.variables(environ, inherit_pythonpath=inherit_pythonpath)
    for name in ("PYTEST_VERSION", "PYTEST_CURRENT_TEST", session.VARIABLE):
        variables.pop(name, None)  # set by the pytest that runs here
    variables[session.VARIABLE] = session.encode(handed._replace(active=session.active_before(os.environ, variables)))
    if re.search("fastenv|@", variables.get("PYTEST_ADDOPTS", "")):
        words = _inner_words(shlex.split(variables["PYTEST_ADDOPTS"]), environment)
        variables["PYTEST_ADDOPTS"] = shlex.join(words)
    if _OWN_MODULE in variables.get("PYTEST_PLUGINS", ""):
        variables["PYTEST_PLUGINS"] = variables["PYTEST_PLUGINS"].replace(_OWN_MODULE, _OWN_NAME)
    if invocation.early_paths:  # until the runtime is there, which puts them behind everything else
        variables["PYTHONPATH"] = os.pathsep.join(invocation.early_paths)
    version = tuple(int(part) for part in environment.python_version.split(".")[:2])
    flags = [
        flag for flag in invocation.launch.flags if flag not in _NOT_INSIDE and version >= _SINCE.get(flag, (3, 0))
    ]
    pytest_words = ["-m", "pytest"] if invocation.as_module else [_script(environment)]
    plugins = [_OWN_NAME, *invocation.plugins] if invocation.plugin_paths else invocation.plugins
    named = [word for name in plugins for word in ("-p", name)]
    arguments = _inner_words(invocation.arguments, environment)
    return Command((str(environment.python), *flags, *pytest_words, *named, *arguments), variables)


def outside_words(invocation: Invocation) -> tuple[str, ...]:
    """Return the words that start the pytest that runs here: for sessions that a test inside starts."""
    if invocation.launch.is_pytest(invocation.arguments) and invocation.launch.script:
        return (sys.executable, os.path.abspath(invocation.launch.script))
    return (sys.executable, "-m", "pytest")


def _script(environment: Environment) -> str:
    return os.path.join(environment.scripts, "pytest.exe" if os.name == "nt" else "pytest")


def _inner_words(words: Sequence[str], environment: Environment) -> list[str]:
    """Return a part of the command line as it has to be inside.

    Argument files stay what they are where that is possible: a command line has limits, which they are there for.
    """
    read = options.read_files(words)
    wanted = options.joined(_own_name(read))
    if wanted != read:
        return wanted
    return read if read != list(words) and not _reads_files(environment) else list(words)


def _reads_files(environment: Environment) -> bool:
    """Say whether the environment's pytest knows argument files."""
    version = re.match(r"(\d+)\.(\d+)", environment.installed().get("pytest", ""))
    return version is not None and (int(version[1]), int(version[2])) >= options.ARGUMENT_FILES_SINCE


def _own_name(words: Sequence[str]) -> list[str]:
    """Call this plugin by the name that it has on both sides: inside there is the runtime instead of this package."""
    renamed = {_OWN_MODULE: _OWN_NAME, "-p" + _OWN_MODULE: "-p" + _OWN_NAME}
    return [renamed.get(word, word) for word in words]


def _named_plugins(words: Sequence[str]) -> list[str]:
    names = [after for word, after in pairwise(words) if word == "-p"]
    names += [word[2:] for word in words if word.startswith("-p") and len(word) > 2]
    return [name.strip() for name in names if not name.strip().startswith("no:")]


def _caller_plugins(plugins: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Turn what was given to `pytest.main` into names for ``-p`` and the directories needed to import them."""
    names: list[str] = []
    paths: list[str] = []
    refused: list[str] = []
    for plugin in plugins:
        if isinstance(plugin, str):
            names.append(plugin)
        elif isinstance(plugin, ModuleType) and (root := _import_root(plugin.__name__)) is not None:
            names.append(plugin.__name__)
            if root not in _installed_roots():
                paths.append(root)
        else:
            refused.append(repr(plugin))
    if refused:
        raise UsageError(
            "--fastenv: plugin objects given to pytest.main() cannot reach the environment's own process",
            where=", ".join(refused),
            hint="put the hooks into a module, and give that module or its name",
        )
    return names, paths


def _from_pythonpath(names: Sequence[str]) -> list[str]:
    """Return the directories of ``PYTHONPATH`` that plugins lie in."""
    roots = {os.path.abspath(root) for root in os.environ.get("PYTHONPATH", "").split(os.pathsep) if root}
    return [root for name in names if name and (root := _import_root(name)) in roots]


def _import_root(name: str) -> str | None:
    """Return the directory that a module is imported from, as it would be by another process."""
    try:
        spec = find_spec(name.partition(".")[0])
    except (ImportError, ValueError):
        return None
    if spec is not None and spec.origin is None and spec.submodule_search_locations:  # a package without __init__.py
        return os.path.dirname(os.path.abspath(next(iter(spec.submodule_search_locations))))
    if spec is None or spec.origin is None or not os.path.isfile(spec.origin) or name == "__main__":
        return None
    directory = os.path.dirname(os.path.abspath(spec.origin))
    return os.path.dirname(directory) if spec.submodule_search_locations else directory


def _installed_roots() -> set[str]:
    return {os.path.abspath(path) for path in sysconfig.get_paths().values()}
