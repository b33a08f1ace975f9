"""What ``fastenv pip`` takes: pip's commands, with pip's options."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module

from pytest_fastenv.requirements.pip_options import (
    FORMATS,
    REFUSED_AT_INDEXES,
    REQUIREMENT,
    TRUSTED,
    add_index_options,
    add_install_options,
    add_line_options,
    add_options_of_pip,
)
from pytest_fastenv.settings.layers import Loaded


def add_arguments(pip: argparse.ArgumentParser) -> None:
    """Say what ``fastenv pip`` takes."""
    pip.description = "Install into a virtual environment, and look at what it holds, as pip does."
    pip.add_argument("--python", metavar="PATH", help=_PYTHON)
    pip.set_defaults(door="pip")
    commands = pip.add_subparsers(metavar="COMMAND", required=True)
    for name, (text, add) in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)
        command.add_argument("--python", metavar="PATH", default=argparse.SUPPRESS, help=_PYTHON)
        command.set_defaults(run=_run, module=name)
        add(command)


_PYTHON = (
    "the environment: its directory, or its interpreter (default: the active one, else the one this command is in)"
)


def _run(options: argparse.Namespace, loaded: Loaded) -> int:
    """Import the module of the command that is run alone, and run it."""
    run: Callable[[argparse.Namespace, Loaded], int] = import_module(f"pytest_fastenv.cli.pip.{options.module}").run
    return run(options, loaded)


def _add_install(parser: argparse.ArgumentParser) -> None:
    add_install_options(parser)
    parser.add_argument("--no-warn-conflicts", action="store_true", help="say nothing of what does not fit together")
    parser.add_argument("--dry-run", action="store_true", help="change nothing: tell what would be installed")
    parser.add_argument("--report", metavar="FILE", help="write what was installed as JSON (- for standard output)")


def _add_uninstall(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="NAME", help="a project")
    add_line_options(parser, (REQUIREMENT, TRUSTED))
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    add_options_of_pip(parser)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-l", "--local", action="store_true", help="leave out what is the base interpreter's")
    parser.add_argument("--path", action="append", metavar="DIR", help="look into this directory instead")
    parser.add_argument("--exclude", action="append", default=[], metavar="NAME", help="leave out a project")
    parser.add_argument("--exclude-editable", action="store_true", help="leave out editable projects")
    add_options_of_pip(parser, REFUSED_AT_INDEXES)


def _add_freeze(parser: argparse.ArgumentParser) -> None:
    add_line_options(parser, (TRUSTED,))
    parser.add_argument("--all", action="store_true", help="also pip itself, and what old environments start with")
    parser.add_argument("-r", "--requirement", action="append", default=[], metavar="FILE", help=argparse.SUPPRESS)
    _add_choice(parser)


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=["columns", "freeze", "json"], default="columns", help="of the list")
    parser.add_argument("-o", "--outdated", action="store_true", help="those of which the index has a newer version")
    parser.add_argument("-u", "--uptodate", action="store_true", help="those of which it has none")
    parser.add_argument("-e", "--editable", action="store_true", help="editable projects only")
    parser.add_argument("--include-editable", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--not-required", action="store_true", help="those that nothing here needs")
    add_line_options(parser, (*FORMATS, TRUSTED))
    add_index_options(parser)
    _add_choice(parser)


def _add_check(parser: argparse.ArgumentParser) -> None:
    add_line_options(parser, (TRUSTED,))
    add_options_of_pip(parser)


def _add_show(parser: argparse.ArgumentParser) -> None:
    add_line_options(parser, (TRUSTED,))
    parser.add_argument("words", nargs="*", metavar="NAME", help="a project")
    parser.add_argument("-f", "--files", action="store_true", help="also its files")
    add_options_of_pip(parser)


_COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "install": ("install projects", _add_install),
    "uninstall": ("uninstall projects", _add_uninstall),
    "freeze": ("list what is installed as requirements", _add_freeze),
    "list": ("list what is installed", _add_list),
    "check": ("look whether what is installed fits together", _add_check),
    "show": ("tell about installed projects", _add_show),
}
