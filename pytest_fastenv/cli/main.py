"""The ``fastenv`` command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_fastenv.cli.python import add_commands as add_python_commands
from pytest_fastenv.cli.settings import add_options, read_settings
from pytest_fastenv.errors import DefectError, FastenvError, UsageError
from pytest_fastenv.runtime.launch import own_path
from pytest_fastenv.settings.layers import Given, Loaded, Origin
from pytest_fastenv.settings.naming import Naming
from pytest_fastenv.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    0: done; 3: providing failed; 4: the request is wrong; 130 and 143 after SIGINT and SIGTERM. Diagnoses go to
    standard error, results to standard output.
    """
    if arguments is None:  # this process is the command
        sys.path[:] = own_path()  # modules of PYTHONPATH may have any name
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    # argparse takes words in one piece only; what stands behind an option is left over.
    unknown = [word for word in rest if word.startswith("-")]
    if unknown or (rest and not hasattr(options, "words")):
        parser.error(f"unrecognized arguments: {' '.join(unknown or rest)}")
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
    except KeyboardInterrupt:
        sys.stderr.write("fastenv: interrupted\n")
        code = 130
    except Exception as error:  # noqa: BLE001 - every end is a diagnosis, also that of a defect
        sys.stderr.write(f"fastenv: error: {DefectError.of(error).diagnosis(naming)}\n")
        code = DefectError.exit_code
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
        nargs="*",
        metavar="SOURCE... DIR",
        help="requirements.txt, a project, ... (default: those of [tool.fastenv]); and where to: replaced if this "
        "command made it. With --dir all are sources",
    )
    add_options(create, "create")
    create.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")
    create.add_argument("-v", "--verbose", action="store_true", help="tell which of pip's settings had a say")
    create.set_defaults(run=_create, defaults={"project": Given("none", Origin("fastenv create"))})
    add_python_commands(commands)
    return parser


def _create(options: argparse.Namespace, loaded: Loaded) -> int:
    from pytest_fastenv.model.events import Recorder
    from pytest_fastenv.provisioning.story import provision
    from pytest_fastenv.report.progress import Progress

    sources, directory = _words(options)
    settings = loaded.settings
    if not sources and not settings.sources:
        what = "a source is needed" if options.dir else "a source and a directory are needed"
        raise UsageError(what, hint="fastenv create requirements.txt .venv")
    if directory is not None and os.path.isfile(directory):
        raise UsageError(f"{directory} is a file", hint="the last word of fastenv create is a directory")
    base = Path.cwd() if sources else loaded.directory_of("sources", Path.cwd())
    recorder = Recorder()
    with Progress(recorder, sys.stderr, quiet=options.quiet, interactive=sys.stderr.isatty()):
        ready = provision(
            sources, settings=settings, base=base, root=Path.cwd(), directory=directory, recorder=recorder
        )
    sys.stderr.writelines(f"{line}\n" for line in ready.summary.warning_lines)
    if not options.quiet:
        print("\n".join([ready.summary.line, *(ready.summary.details if options.verbose else [])]))
    return 0


def _words(options: argparse.Namespace) -> tuple[list[str], Path | None]:
    """Tell sources and directory apart; with ``--dir`` the environment's name is made up from its content."""
    if options.dir:
        return options.words, None
    if not options.words:
        raise UsageError("a directory is needed", hint="fastenv create requirements.txt .venv")
    *sources, directory = options.words
    return sources, Path(directory)
