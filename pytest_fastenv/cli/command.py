"""The ``fastenv`` command: its words, and how what goes wrong is told."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

from pytest_fastenv.cli.settings import advice_on, read_settings
from pytest_fastenv.errors import FastenvError, ProvideError, UsageError, printable, unforeseen
from pytest_fastenv.report.standard_streams import abandon
from pytest_fastenv.runtime.launch import own_path
from pytest_fastenv.settings.naming import Naming
from pytest_fastenv.version import __version__

#: Of usage lines in errors.
_WIDTH = 100


class _Command(NamedTuple):
    """One row: a command, and the module of this room whose `add_arguments` says what it takes.

    Only the module of the command that is run is imported.
    """

    name: str
    module: str
    help: str


COMMANDS = (
    _Command("create", "create", "make a virtual environment in a directory"),
    _Command("run", "run", "run a command in a virtual environment"),
    _Command("lock", "lock", "write what environments hold into lock files"),
    _Command("envs", "envs", "list the environments that are declared by name"),
    _Command("devenv", "devenv", "make a virtual environment to work in, with the project editable"),
    _Command("why", "why", "say why an environment, or a distribution in it, is as it is"),
    _Command("pip", "pip.arguments", "install into an environment, and look at what it holds, as pip does"),
    _Command("migrate", "migrate", "say in [tool.fastenv] what a tox configuration says"),
    _Command("cache", "cache", "look at the store: what it holds, whether that is whole, what may go"),
    _Command("python", "python", "find, list and install interpreters"),
)
"""All commands, in the order of the help text."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Do what `pytest_fastenv.cli.main.main` does; Ctrl-C passes as `KeyboardInterrupt`."""
    try:
        try:
            code = _run(arguments)
        except SystemExit:  # help was asked for, or the words are wrong
            sys.stdout.flush()
            raise
        sys.stdout.flush()
    except BrokenPipeError:  # whatever reads the results has read enough, as `head` does
        abandon()
        code = 141
    except ProvideError as error:  # they cannot be written
        sys.stderr.write(f"fastenv: error: {error.diagnosis(Naming('run'))}\n")
        code = error.exit_code
    return code


def _run(arguments: Sequence[str] | None) -> int:
    if arguments is None:  # this process is the command
        sys.path[:] = own_path()  # modules of PYTHONPATH may have any name
    words, command = _without_command(sys.argv[1:] if arguments is None else arguments)
    if words and not words[0].startswith("-") and words[0] not in {row.name for row in COMMANDS}:
        sys.stderr.write(f"fastenv: error: {_no_command(words[0]).diagnosis(Naming('run'))}\n")
        return UsageError.exit_code
    parser = _parser(words[0] if words else "", for_help=not {"-h", "--help"}.isdisjoint(words))
    options, rest = parser.parse_known_args(words)
    options.command = command
    # argparse takes words in one piece only; what stands behind an option is left over.
    unknown = [word for word in rest if word.startswith("-")]
    if unknown or (rest and not hasattr(options, "words")):
        advice = advice_on(unknown, options.door)
        parser.error(
            f"unrecognized arguments: {' '.join(unknown or rest)}" + (f"\n  next:  {advice}" if advice else "")
        )
    if rest:
        options.words += rest
    naming = Naming(options.door)
    try:
        loaded = read_settings(options, getattr(options, "defaults", {}))
        naming = Naming(options.door, loaded.origins)
        code: int = options.run(options, loaded)
    except FastenvError as error:
        sys.stderr.write(f"fastenv: error: {error.diagnosis(naming)}\n")
        code = error.exit_code
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - every end is a diagnosis, also that of a defect
        diagnosis = unforeseen(error)
        sys.stderr.write(f"fastenv: error: {diagnosis.diagnosis(naming)}\n")
        code = diagnosis.exit_code
    return code


def _no_command(word: str) -> UsageError:
    import difflib  # for a typing mistake
    import shlex

    names, shown = [row.name for row in COMMANDS], shlex.quote(word)
    close = difflib.get_close_matches(word, names, 1)
    of_environment = (
        f"fastenv run -e {shown} runs an environment's commands, fastenv run {shown} -- COMMAND one command"
    )
    hint = f"did you mean {close[0]}?" if close else of_environment
    return UsageError(f"{shown} is no command", why=f"there are {', '.join(names)}", hint=hint)


def _without_command(arguments: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """Take what stands behind ``--`` from the words of ``fastenv run``: another program's, whatever they look like."""
    words = list(arguments)
    if words[:1] != ["run"] or "--" not in words:
        return words, None
    cut = words.index("--")
    return words[:cut], words[cut + 1 :]


class _Parser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` whose usage errors have the exit code of a wrong request."""

    def error(self, message: str) -> Any:
        self.print_usage(sys.stderr)
        self.exit(4, printable(f"{self.prog}: error: {message}\n", but="\n"))


def _parser(name: str, *, for_help: bool) -> argparse.ArgumentParser:
    """Return a parser that knows all commands by name, and of one of them all that it takes.

    :param for_help: help is asked for, which is as wide as the terminal. Whatever is added makes a formatter, and to
        ask for the terminal's size each time takes longer than all the rest.
    """
    formatter = argparse.HelpFormatter if for_help else partial(argparse.HelpFormatter, width=_WIDTH)
    parser = _Parser(
        prog="fastenv",
        description="Make virtual environments with the pipelined installer of pytest-fastenv; provide interpreters.",
        allow_abbrev=False,
        formatter_class=formatter,
    )
    parser.add_argument("--version", action="version", version=f"pytest-fastenv {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, prog=parser.prog)
    for row in COMMANDS:
        command = commands.add_parser(row.name, help=row.help, allow_abbrev=False, formatter_class=formatter)
        if row.name == name:
            import_module(f"pytest_fastenv.cli.{row.module}").add_arguments(command)
    return parser
