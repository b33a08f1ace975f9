"""The ``fastenv`` command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_fastenv.cli.python import add_commands as add_python_commands
from pytest_fastenv.errors import FastenvError, UsageError
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.settings.values import Settings, load
from pytest_fastenv.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    0: done; 3: providing failed; 4: the request is wrong; 130 and 143 after SIGINT and SIGTERM. Diagnoses go to
    standard error, results to standard output.
    """
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    # argparse takes words in one piece only; what stands behind an option is left over.
    unknown = [word for word in rest if word.startswith("-")]
    if unknown or (rest and not hasattr(options, "words")):
        parser.error(f"unrecognized arguments: {' '.join(unknown or rest)}")
    if rest:
        options.words += rest
    try:
        code: int = options.run(options)
    except FastenvError as error:
        sys.stderr.write(f"fastenv: error: {error.diagnosis()}\n")
        code = error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("fastenv: interrupted\n")
        code = 130
    return code


class _Parser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` whose usage errors have the exit code of a wrong request."""

    def error(self, message: str) -> Any:
        self.print_usage(sys.stderr)
        self.exit(4, f"{self.prog}: error: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fastenv",
        description="Make virtual environments with the pipelined installer of pytest-fastenv; provide interpreters.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"pytest-fastenv {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    create = commands.add_parser(
        "create",
        help="make a virtual environment in a directory",
        description="Make a virtual environment in DIR that holds what the sources ask for.",
        allow_abbrev=False,
    )
    create.add_argument(
        "words",
        nargs="+",
        metavar="SOURCE... DIR",
        help="requirements.txt, a project, ...; and where to: replaced if this command made it",
    )
    _add_settings(create)
    create.set_defaults(run=_create)
    add_python_commands(commands)
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--python", metavar="SPEC", help="the interpreter: 3.12, >=3.11, a path (default: the running one)")
    add("--project", metavar="HOW", help="install the project here too: auto, editable, wheel, sdist, none")
    add("--link", metavar="MODE", help=LinkMode.words())
    add("--max-age", dest="max_age_s", metavar="AGE", help="how long a resolution stands: 0, 90m, 24h, forever")
    add("--offline", action="store_true", help="use what the store has; not one connection")
    add("--upgrade", action="store_true", help="ask the index now")
    add("--recreate", action="store_true", help="make the environment anew")
    add("--report", dest="reports", action="append", metavar="PATH", help="write a timeline (.html) or a trace (.json)")
    for pool in ("", "-downloads", "-builds", "-installs"):
        add(f"--concurrent{pool}", metavar="N", help=f"how many {pool[1:] or 'of everything'} at once")
    add("-q", "--quiet", action="store_true", help="print nothing but errors")


_SETTINGS = (
    "python", "project", "link", "max_age_s", "offline", "upgrade", "recreate", "reports",
    "concurrent", "concurrent_downloads", "concurrent_builds", "concurrent_installs",
)  # fmt: skip


def _settings(options: argparse.Namespace) -> Settings:
    given = {name: getattr(options, name) for name in _SETTINGS}
    given["project"] = given["project"] or "none"
    return load(given, os.environ, {}, flag_prefix="--")


def _create(options: argparse.Namespace) -> int:
    from pytest_fastenv.model.events import Recorder
    from pytest_fastenv.provisioning.story import provision
    from pytest_fastenv.report.progress import Progress
    from pytest_fastenv.report.summary import line

    *sources, directory = options.words
    if not sources:
        raise UsageError("a source and a directory are needed", hint="fastenv create requirements.txt .venv")
    if Path(directory).is_file():
        raise UsageError(f"{directory} is a file", hint="the last word of fastenv create is a directory")
    settings = _settings(options)
    recorder = Recorder()
    with Progress(recorder, sys.stderr, quiet=options.quiet, interactive=sys.stderr.isatty()):
        ready = provision(sources, settings=settings, directory=Path(directory), recorder=recorder)
    if not options.quiet:
        print(line(ready.summary))
    return 0
