"""``fastenv devenv``: an environment to work in, with the project in it so that it can be edited."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pytest_fastenv.cli.provided import add_environment_options, asks, provided, told
from pytest_fastenv.cli.settings import read_settings
from pytest_fastenv.errors import UsageError
from pytest_fastenv.matrix.declaration import NamedEnvironment
from pytest_fastenv.matrix.selection import declared, select
from pytest_fastenv.requirements.documents import Documents
from pytest_fastenv.requirements.pyproject import read_pyproject
from pytest_fastenv.settings.layers import Loaded
from pytest_fastenv.settings.values import Settings, current_directory

_DEFAULT = ".venv"
#: The group of what developers need, as other tools have it.
_GROUP = "dev"


def add_arguments(devenv: argparse.ArgumentParser) -> None:
    """Say what ``fastenv devenv`` takes."""
    devenv.description = (
        "Make an environment in DIR to work in: with scripts that activate it, and the project editable."
    )
    devenv.add_argument(
        "words", nargs="*", metavar="DIR", help=f"where to (default: {_DEFAULT}): replaced if fastenv made it"
    )
    devenv.add_argument(
        "-e",
        dest="environments",
        action="append",
        metavar="NAME",
        help="the one that the project's files declare (default: [tool.fastenv], or the project and its group dev)",
    )
    devenv.add_argument("--pip", action="store_true", help="with pip in it")
    add_environment_options(devenv, "create")
    devenv.set_defaults(run=_devenv)


def _devenv(options: argparse.Namespace, loaded: Loaded) -> int:
    if len(options.words) > 1:
        raise UsageError(f"one directory is needed, not {len(options.words)}", hint=f"fastenv devenv {_DEFAULT}")
    directory = Path(options.words[0] if options.words else _DEFAULT)
    if os.path.isfile(directory):
        raise UsageError(f"{directory} is a file", hint="fastenv devenv makes a directory")
    if options.dir:
        raise UsageError("--dir has no meaning here", hint="the last word of fastenv devenv is the directory")
    here = current_directory()
    if options.environments is not None:
        loaded = read_settings(options, {}, _one(options.environments, here).layer)
    elif not asks(loaded):
        loaded = replace(loaded, settings=_of_project(loaded.settings, here))
    settings = _for_work(loaded, with_pip=options.pip)
    ready = provided(options, replace(loaded, settings=settings), (), directory)
    if not options.quiet:
        print("\n".join([*told(ready, options), f"fastenv: to activate it: {_activation(directory)}"]))
    return 0


def _one(words: Sequence[str], here: Path) -> NamedEnvironment:
    selected = select(declared(here), words)
    if len(selected) > 1:
        names = ", ".join(named.name for named in selected)
        raise UsageError(f"one environment is needed, and {' and '.join(words)} means {len(selected)}", why=names)
    return selected[0]


def _of_project(settings: Settings, here: Path) -> Settings:
    """Return settings for a project that asks for nothing: itself, and its group for developers."""
    path = here / "pyproject.toml"
    if not path.is_file():
        hint = "name what is to be in it: sources in [tool.fastenv], or -e NAME"
        raise UsageError("there is nothing to make an environment of", where=str(here), hint=hint)
    groups = read_pyproject(path, path.name, Documents()).table.get("dependency-groups", {})
    names = [name for name in groups if re.sub(r"[-_.]+", "-", name).lower() == _GROUP]
    return replace(settings, groups=frozenset(names))


def _for_work(loaded: Loaded, *, with_pip: bool) -> Settings:
    """Return settings with the project editable, unless it was said here how it is installed."""
    settings = loaded.settings
    origin = loaded.origins.get("project")
    if settings.project in {"wheel", "sdist"} and not (origin is not None and origin.name == "--project"):
        settings = replace(settings, project="editable")
    return replace(settings, sources=(*settings.sources, "pip")) if with_pip else settings


def _activation(directory: Path) -> str:
    if sys.platform == "win32":
        return str(directory / "Scripts" / "activate")
    return f"source {shlex.quote(str(directory / 'bin' / 'activate'))}"
