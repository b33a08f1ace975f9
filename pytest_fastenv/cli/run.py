"""``fastenv run``: a command in an environment of the store."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_fastenv.cli.provided import add_environment_options, asks, followed, provided, told
from pytest_fastenv.errors import UsageError
from pytest_fastenv.settings.layers import Loaded

if TYPE_CHECKING:
    from pytest_fastenv.environment.places import Ready
    from pytest_fastenv.settings.values import Settings

_HINT = "fastenv run requirements.txt pytest -- pytest tests"
_DEFAULT_ONES = " (-e default: those that run without any word, with what stands after -- as their arguments)"


def add_arguments(run: argparse.ArgumentParser) -> None:
    """Say what ``fastenv run`` takes."""
    run.usage = (
        "fastenv run [OPTIONS] [SOURCE...] -- COMMAND [ARGUMENT...]\n"
        "       fastenv run [OPTIONS] -e NAME [-e NAME...] [-- ARGUMENT...]\n"
        "       fastenv run [OPTIONS] -e NAME [-e NAME...] --exec -- COMMAND [ARGUMENT...]\n"
        "       fastenv run [OPTIONS]"
    )
    run.description = (
        "Run COMMAND in a virtual environment of the store that holds what the sources ask for, or the commands of "
        "environments that the project's files declare by name."
    )
    run.add_argument(
        "words",
        nargs="*",
        metavar="SOURCE",
        help="requirements.txt, a project, a requirement, ... (default: those of [tool.fastenv])",
    )
    named = run.add_argument_group("environments by name")
    add = named.add_argument
    add(
        "-e",
        dest="environments",
        action="append",
        default=[],
        metavar="NAME",
        help="run the commands of this one: a name, a pattern, tag:NAME, all, default; several with commas, or "
        "repeated (default: those without run-by-default = false)",
    )
    add("--exec", action="store_true", help="run the command behind -- in them, in place of their own")
    add("-j", dest="jobs", default="1", metavar="N", help="how many at once: a number, auto for cores (default: 1)")
    add("-o", "--live", action="store_true", help="show output as it comes, also where several run at once")
    add("--fail-fast", action="store_true", help="end all when one has failed")
    add("--json", metavar="PATH", help="write how it went, for programs")
    add_environment_options(run, "run")
    run.set_defaults(run=_run)


def _run(options: argparse.Namespace, loaded: Loaded) -> int:
    if not options.environments and not options.words and options.command is None and _declares_environments():
        options.environments = ["default"]
    if options.environments:
        from pytest_fastenv.cli.named_run import run_named  # a command in other environments needs none of this

        return run_named(options)
    named_only = {"--exec": options.exec, "-j": options.jobs != "1", "--live": options.live}
    named_only |= {"--fail-fast": options.fail_fast, "--json": options.json is not None}
    given = [flag for flag, is_given in named_only.items() if is_given]
    if given:
        hint = f"name one that the project's files declare: -e NAME{_DEFAULT_ONES}"
        raise UsageError(f"{given[0]} means something for environments by name alone", hint=hint)
    if not options.command:
        hint = f"{_HINT}; environments that are declared are named with -e"
        raise UsageError("a command is needed, after --", hint=hint)
    if not options.command[0]:
        raise UsageError("the command after -- is empty", hint=_HINT)
    if not options.words and not asks(loaded):
        raise UsageError("a source is needed, before --", hint=f"{_HINT}; or -e NAME{_DEFAULT_ONES}")
    ready = provided(options, loaded, options.words, for_command=True)
    if not options.quiet:
        # Standard output is the command's.
        sys.stderr.writelines(f"{line}\n" for line in told(ready, options))
    return _enter(ready, options.command, loaded.settings)


def _declares_environments() -> bool:
    from pytest_fastenv.matrix.selection import declared  # a command with sources needs none of this
    from pytest_fastenv.settings.values import current_directory

    return bool(declared(current_directory()))


def _enter(ready: Ready, command: Sequence[str], settings: Settings) -> int:
    """Become the command, or run it and return its exit code (`followed`).

    The descriptor that keeps the environment from being pruned is the command's then.
    """
    from pytest_fastenv.commands.programs import program  # help needs none of this

    environment = ready.environment
    variables = environment.variables(os.environ, inherit_pythonpath=settings.inherit_pythonpath)
    found = program(command[0], environment, variables)
    if found.is_outside:
        sys.stderr.write(
            f"fastenv: warning: the environment has no {command[0]}: {found.path} is run; name the project that brings "
            "it among the sources, or write its path where that one is meant\n"
        )
    argv = [found.path, *command[1:]]
    try:
        return followed(ready, settings, argv, variables)
    except OSError as error:
        raise UsageError(f"{found.path} does not start", why=error.strerror or str(error)) from error
