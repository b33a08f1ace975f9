"""An environment for a command: provided with its progress shown, and what is told of it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_fastenv.cli.settings import add_options
from pytest_fastenv.settings.layers import Loaded
from pytest_fastenv.settings.values import current_directory

if TYPE_CHECKING:
    from pytest_fastenv.environment.places import Ready
    from pytest_fastenv.settings.options import Door
    from pytest_fastenv.settings.values import Settings


def add_environment_options(parser: argparse.ArgumentParser, door: Door) -> None:
    """Add the options of commands that provide an environment."""
    add_options(parser, door)
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors and warnings")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell which of pip's settings had a say")


def asks(loaded: Loaded) -> bool:
    """Say whether settings name something that an environment is to hold."""
    return bool(loaded.settings.sources or loaded.settings.groups or loaded.settings.lock)


def provided(
    options: argparse.Namespace,
    loaded: Loaded,
    sources: Sequence[str] = (),
    directory: Path | None = None,
    name: str = "",
    *,
    for_command: bool = False,
) -> Ready:
    """Return an environment, after its progress and its warnings were shown.

    :param sources: in place of those that are set.
    :param directory: where it is to lie; default: in the store.
    :param name: what it is called, where it is declared by name.
    :param for_command: a command follows: what is left to be done for a new environment waits for its end (`followed`).
    :raises FastenvError: it cannot be had.
    """
    from pytest_fastenv.model.events import Recorder  # help needs none of this
    from pytest_fastenv.provisioning.question import upkeep_words
    from pytest_fastenv.provisioning.story import reuse
    from pytest_fastenv.settings.naming import Naming, errors_named

    here = current_directory()
    base = here if sources else loaded.directory_of("sources", here)
    settings = replace(loaded.settings, sources=tuple(sources)) if sources else loaded.settings
    naming = Naming(options.door, loaded.origins)
    recorder = Recorder(naming)
    with errors_named(naming):
        ready = reuse(settings, base=base, root=here, directory=directory, recorder=recorder)
        if ready is None:
            from pytest_fastenv.provisioning.question import Question
            from pytest_fastenv.provisioning.story import answer
            from pytest_fastenv.report.progress import Progress

            with Progress(recorder, sys.stderr, quiet=options.quiet, interactive=sys.stderr.isatty()):
                ready = answer(Question.of(settings, base, here, None, directory, os.environ, name), recorder)
    sys.stderr.writelines(f"{line}\n" for line in ready.summary.warning_lines)
    upkeep = () if for_command and not ready.summary.reused else upkeep_words(settings)
    if upkeep:
        from pytest_fastenv.runtime.afterwards import start  # once a day

        start(upkeep, os.environ)
    return ready


def followed(ready: Ready, settings: Settings, argv: Sequence[str], variables: Mapping[str, str]) -> int:
    """Become a command, where that can be, else run it; what is left to be done for a new environment follows it.

    :return: its exit code; where this process becomes it, nothing returns.
    :raises OSError: it does not start.
    """
    from pytest_fastenv.runtime.relay import CAN_REPLACE, replace_process, run_in_place  # help needs none of this

    if ready.summary.reused and CAN_REPLACE:
        replace_process(argv, variables)
    from pytest_fastenv.commands.afterwards import do_both_after_this, keep_bytecode, look_after_store
    from pytest_fastenv.provisioning.ahead import compile_ahead

    compile_ahead(settings, ready, current_directory())
    if CAN_REPLACE:
        do_both_after_this(settings, ready)
        replace_process(argv, variables)
    code = run_in_place(argv, variables)
    keep_bytecode(settings, ready)
    look_after_store(settings)
    return code


def told(ready: Ready, options: argparse.Namespace) -> list[str]:
    """Return what is told of an environment, in lines."""
    return [ready.summary.line, *(ready.summary.details if options.verbose else [])]
