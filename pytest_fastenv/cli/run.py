"""``fastenv run``: a command in an environment of the store."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_fastenv.cli.provided import add_environment_options, asks, provided, told
from pytest_fastenv.errors import UsageError
from pytest_fastenv.settings.layers import Loaded

if TYPE_CHECKING:
    from pytest_fastenv.environment.places import Ready

_HINT = "fastenv run requirements.txt pytest -- pytest tests"


def add_arguments(run: argparse.ArgumentParser) -> None:
    """Say what ``fastenv run`` takes."""
    run.usage = "fastenv run [OPTIONS] [SOURCE...] -- COMMAND [ARGUMENT...]"
    run.description = "Run COMMAND in a virtual environment of the store that holds what the sources ask for."
    run.add_argument(
        "words",
        nargs="*",
        metavar="SOURCE",
        help="requirements.txt, a project, a requirement, ... (default: those of [tool.fastenv])",
    )
    add_environment_options(run, "run")
    run.set_defaults(run=_run)


def _run(options: argparse.Namespace, loaded: Loaded) -> int:
    if not options.command:
        raise UsageError("a command is needed, after --", hint=_HINT)
    if not options.command[0]:
        raise UsageError("the command after -- is empty", hint=_HINT)
    if not options.words and not asks(loaded):
        raise UsageError("a source is needed, before --", hint=_HINT)
    ready = provided(options, loaded, options.words)
    if not options.quiet:
        # Standard output is the command's.
        sys.stderr.writelines(f"{line}\n" for line in told(ready, options))
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
    hint = f"name what brings it among the sources, as in: {_HINT}"
    return UsageError(f"there is no program '{shown}'", where=path, hint=hint)
