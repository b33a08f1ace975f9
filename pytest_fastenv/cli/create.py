"""``fastenv create``: an environment in a directory."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from pytest_fastenv.cli.provided import add_environment_options, asks, provided, told
from pytest_fastenv.errors import UsageError
from pytest_fastenv.settings.layers import Given, Loaded, Origin

_HINT = "fastenv create requirements.txt .venv"


def add_arguments(create: argparse.ArgumentParser) -> None:
    """Say what ``fastenv create`` takes."""
    create.description = "Make a virtual environment in DIR that holds what the sources ask for."
    create.add_argument(
        "words",
        nargs="*",
        metavar="SOURCE... DIR",
        help="requirements.txt, a project, ... (default: those of [tool.fastenv]); and where to: replaced if this "
        "command made it. With --dir all are sources",
    )
    add_environment_options(create, "create")
    create.set_defaults(run=_create, defaults={"project": Given("none", Origin("fastenv create"))})


def _create(options: argparse.Namespace, loaded: Loaded) -> int:
    sources, directory = _words(options)
    if not sources and not asks(loaded):
        what = "a source is needed" if options.dir else "a source and a directory are needed"
        raise UsageError(what, why=_taken(options), hint=_HINT)
    if directory is not None and os.path.isfile(directory):
        raise UsageError(f"{directory} is a file", hint="the last word of fastenv create is a directory")
    ready = provided(options, loaded, sources, directory)
    if not options.quiet:
        print("\n".join(told(ready, options)))
    return 0


def _words(options: argparse.Namespace) -> tuple[list[str], Path | None]:
    """Tell sources and directory apart; with ``--dir`` the environment's name is made up from its content."""
    if options.dir:
        return options.words, None
    if not options.words:
        raise UsageError("a directory is needed", why=_taken(options), hint=_HINT)
    *sources, directory = options.words
    return sources, Path(directory)


def _taken(options: argparse.Namespace) -> str | None:
    """Say which word is no source and no directory, since it stands behind an option that takes one."""
    return f"{options.python} was taken as the interpreter, behind --python" if options.python else None
