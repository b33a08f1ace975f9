"""``fastenv create`` makes an environment in a directory; ``fastenv run`` runs a command in one of the store."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_fastenv.cli.settings import add_options
from pytest_fastenv.errors import UsageError
from pytest_fastenv.settings.layers import Given, Loaded, Origin
from pytest_fastenv.settings.values import current_directory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_fastenv.environment.places import Ready

_CREATE_HINT = "fastenv create requirements.txt .venv"
_RUN_HINT = "fastenv run requirements.txt pytest -- pytest tests"


def add_commands(commands: Any) -> None:
    """Add ``create`` and ``run`` to the commands of ``fastenv``.

    :param commands: what `argparse.ArgumentParser.add_subparsers` returned.
    """
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
    _add_options(create, "create")
    create.set_defaults(run=_create, defaults={"project": Given("none", Origin("fastenv create"))})
    run = commands.add_parser(
        "run",
        usage="fastenv run [OPTIONS] [SOURCE...] -- COMMAND [ARGUMENT...]",
        help="run a command in a virtual environment",
        description="Run COMMAND in a virtual environment of the store that holds what the sources ask for.",
        allow_abbrev=False,
    )
    run.add_argument(
        "words",
        nargs="*",
        metavar="SOURCE",
        help="requirements.txt, a project, a requirement, ... (default: those of [tool.fastenv])",
    )
    _add_options(run, "run")
    run.set_defaults(run=_run)


def _add_options(parser: argparse.ArgumentParser, door: Any) -> None:
    add_options(parser, door)
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors and warnings")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell which of pip's settings had a say")


def _create(options: argparse.Namespace, loaded: Loaded) -> int:
    sources, directory = _words(options)
    if not sources and not _asks(loaded):
        what = "a source is needed" if options.dir else "a source and a directory are needed"
        raise UsageError(what, why=_taken(options), hint=_CREATE_HINT)
    if directory is not None and os.path.isfile(directory):
        raise UsageError(f"{directory} is a file", hint="the last word of fastenv create is a directory")
    ready = _provided(options, loaded, sources, directory)
    if not options.quiet:
        print("\n".join(_told(ready, options)))
    return 0


def _asks(loaded: Loaded) -> bool:
    """Say whether settings name something that an environment is to hold."""
    return bool(loaded.settings.sources or loaded.settings.groups)


def _words(options: argparse.Namespace) -> tuple[list[str], Path | None]:
    """Tell sources and directory apart; with ``--dir`` the environment's name is made up from its content."""
    if options.dir:
        return options.words, None
    if not options.words:
        raise UsageError("a directory is needed", why=_taken(options), hint=_CREATE_HINT)
    *sources, directory = options.words
    return sources, Path(directory)


def _taken(options: argparse.Namespace) -> str | None:
    """Say which word is no source and no directory, since it stands behind an option that takes one."""
    return f"{options.python} was taken as the interpreter, behind --python" if options.python else None


def _run(options: argparse.Namespace, loaded: Loaded) -> int:
    if not options.command:
        raise UsageError("a command is needed, after --", hint=_RUN_HINT)
    if not options.command[0]:
        raise UsageError("the command after -- is empty", hint=_RUN_HINT)
    if not options.words and not _asks(loaded):
        raise UsageError("a source is needed, before --", hint=_RUN_HINT)
    ready = _provided(options, loaded, options.words)
    if not options.quiet:
        # Standard output is the command's.
        sys.stderr.writelines(f"{line}\n" for line in _told(ready, options))
    return _enter(ready, options.command, inherit_pythonpath=loaded.settings.inherit_pythonpath)


def _enter(ready: Ready, command: Sequence[str], *, inherit_pythonpath: bool) -> int:
    """Become the command, where the operating system can do that; else run it and return its exit code.

    The descriptor that keeps the environment from being pruned is the command's then.
    """
    from pytest_fastenv.runtime.program import find_program  # help needs none of this
    from pytest_fastenv.runtime.relay import CAN_REPLACE, replace_process, run_in_place

    environment = ready.environment
    variables = environment.variables(os.environ, inherit_pythonpath=inherit_pythonpath)
    found = find_program(command[0], environment.prefix, environment.scripts, variables["PATH"])
    if found is None:
        raise _not_found(command[0], variables["PATH"])
    if found.is_outside:
        sys.stderr.write(
            f"fastenv: warning: the environment has no {command[0]}: {found.path} is run; name the project that brings "
            "it among the sources, or write its path where that one is meant\n"
        )
    argv = [found.path, *command[1:]]
    try:
        if CAN_REPLACE:
            replace_process(argv, variables)
        return run_in_place(argv, variables)
    except OSError as error:
        raise UsageError(f"{found.path} does not start", why=error.strerror or str(error)) from error


def _not_found(name: str, path: str) -> UsageError:
    """Return the error for a program that is not there, or is none."""
    # What is no UTF-8 is written byte by byte.
    shown = os.fsencode(name).decode(errors="backslashreplace")
    if os.path.dirname(name) and os.path.exists(name):
        return UsageError(f"{shown} is {'a directory' if os.path.isdir(name) else 'not executable'}")
    if os.path.dirname(name):
        return UsageError(f"there is no program '{shown}'", hint="a path starts at the current directory")
    hint = f"name what brings it among the sources, as in: {_RUN_HINT}"
    return UsageError(f"there is no program '{shown}'", where=path, hint=hint)


def _provided(
    options: argparse.Namespace, loaded: Loaded, sources: Sequence[str], directory: Path | None = None
) -> Ready:
    from pytest_fastenv.model.events import Recorder  # help needs none of this
    from pytest_fastenv.provisioning.story import provision
    from pytest_fastenv.report.progress import Progress
    from pytest_fastenv.settings.naming import Naming

    here = current_directory()
    base = here if sources else loaded.directory_of("sources", here)
    recorder = Recorder(Naming(options.door, loaded.origins))
    with Progress(recorder, sys.stderr, quiet=options.quiet, interactive=sys.stderr.isatty()):
        ready = provision(
            sources, settings=loaded.settings, base=base, root=here, directory=directory, recorder=recorder
        )
    sys.stderr.writelines(f"{line}\n" for line in ready.summary.warning_lines)
    return ready


def _told(ready: Ready, options: argparse.Namespace) -> list[str]:
    return [ready.summary.line, *(ready.summary.details if options.verbose else [])]
