"""``fastenv run -e NAME``: the commands that environments declare, or another one in them."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_fastenv.cli.provided import followed, provided, told
from pytest_fastenv.cli.settings import read_settings
from pytest_fastenv.commands.sequence import IGNORED_WORDS, Asked, CommandSequence, Wanted, check
from pytest_fastenv.errors import UsageError
from pytest_fastenv.matrix.declaration import NamedEnvironment
from pytest_fastenv.matrix.selection import declared, select
from pytest_fastenv.runtime.relay import CAN_REPLACE
from pytest_fastenv.settings.naming import Naming
from pytest_fastenv.settings.values import current_directory

if TYPE_CHECKING:
    from pytest_fastenv.commands.output import Terminal
    from pytest_fastenv.commands.runs import Runs
    from pytest_fastenv.commands.supply import Supply

INTERRUPTED = 130
BROKEN_PIPE = 141
"""As where SIGPIPE ends a program."""


def run_named(options: argparse.Namespace) -> int:
    """Run commands in the environments that are named, and return the exit code.

    :raises FastenvError: the request is wrong; nothing was begun.
    """
    root = current_directory()
    if options.words:
        hint = f"{options.words[0]} is a source: declare it, or leave -e out. A command stands behind --exec --"
        raise UsageError("sources and environments by name exclude each other", hint=hint)
    if options.exec and not (options.command and options.command[0]):
        raise UsageError(
            "--exec needs a command, after --", hint=f"fastenv run -e {options.environments[0]} --exec -- python"
        )
    selected = select(declared(root), options.environments)
    jobs = _jobs(options.jobs)
    asked = Asked(
        root,
        os.environ,
        None if options.command is None else tuple(options.command),
        is_command=options.exec,
        is_terminal=sys.stdout.isatty() and (jobs == 1 or len(selected) == 1),
    )
    all_wanted = [_wanted(options, named) for named in selected]
    to_put_away = [check(wanted.named, asked) for wanted in all_wanted]
    if options.json is not None:
        _check_writable(options.json)
    elif len(selected) == 1 and not to_put_away[0] and _is_plain(selected[0], asked):
        return _become(all_wanted[0], asked, options)
    return _run(all_wanted, asked, jobs, options)


def _wanted(options: argparse.Namespace, named: NamedEnvironment) -> Wanted:
    loaded = read_settings(options, {}, named.layer)
    return Wanted(named, loaded, Naming("run", loaded.origins))


def _jobs(text: str) -> int:
    if text == "auto":
        return os.cpu_count() or 1
    if not text.isdecimal() or not int(text):
        raise UsageError(f"-j {text} is not accepted", why="expected auto or a positive integer")
    return int(text)


def _is_plain(named: NamedEnvironment, asked: Asked) -> bool:
    """Tell whether one command is all that is to be run, so that this process may become it."""
    if named.allow_failure or named.allow_missing_python or not CAN_REPLACE:
        return False
    if asked.replaces(named):
        return True
    commands = (*named.commands_pre, *named.commands, *named.commands_post)
    return len(commands) == 1 and commands[0].succeeds == "must"


def _become(wanted: Wanted, asked: Asked, options: argparse.Namespace) -> int:
    """Become the one command of an environment, or run it and return its exit code (`followed`)."""
    ready = provided(options, wanted.loaded, name=wanted.named.name, for_command=True)
    inherit = wanted.loaded.settings.inherit_pythonpath
    sequence = CommandSequence(wanted.named, ready.environment, asked, inherit_pythonpath=inherit)
    argv = sequence.argv(sequence.steps[0])
    if not options.quiet:
        heading = f"fastenv: {wanted.named.name}: {shlex.join(sequence.steps[0].words)}"
        sys.stderr.writelines(f"{line}\n" for line in (*told(ready, options), heading))
    if sequence.ignores_words:
        sys.stderr.write(f"fastenv: warning: {wanted.named.name}: {IGNORED_WORDS}\n")
    try:
        os.chdir(sequence.directory)
        return followed(ready, wanted.loaded.settings, argv, sequence.variables)
    except OSError as error:
        raise UsageError(f"{argv[0]} does not start", why=error.strerror or str(error)) from error


def _run(all_wanted: Sequence[Wanted], asked: Asked, jobs: int, options: argparse.Namespace) -> int:
    from pytest_fastenv.commands.afterwards import look_after_store
    from pytest_fastenv.commands.output import Terminal  # a single command that is there needs none of this
    from pytest_fastenv.commands.results import exit_code, summary_lines, to_json
    from pytest_fastenv.commands.runs import Ended, Manner, Runs, ended_by_signals
    from pytest_fastenv.commands.supply import Supply

    began = time.monotonic()
    redraws = sys.stderr.isatty() and not os.environ.get("CI")
    in_groups = os.environ.get("GITHUB_ACTIONS") == "true"
    terminal = Terminal(quiet=options.quiet, in_groups=in_groups, redraws=redraws)
    manner = Manner(min(jobs, len(all_wanted)), is_live=options.live, fails_fast=options.fail_fast)
    runs = Runs(asked, manner, terminal, {wanted.named.name: wanted.naming for wanted in all_wanted})
    supply = Supply(runs, terminal, root=asked.root, environ=asked.environ, quiet=options.quiet, redraws=redraws)
    with ended_by_signals():
        try:
            code = _course(supply, runs, terminal, all_wanted)
        except (KeyboardInterrupt, Ended) as again:  # while the commands were ended
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            runs.kill()
            code = again.exit_code if isinstance(again, Ended) else INTERRUPTED
    look_after_store(all_wanted[0].loaded.settings)
    results = [runs.result(wanted.named) for wanted in all_wanted]
    code = exit_code(results) if code is None else code
    seconds = time.monotonic() - began
    for line in summary_lines(results, seconds):
        terminal.tell(line, always=code != 0)
    if options.json is not None:
        _write(options.json, to_json(results, code=code, seconds=seconds, naming=all_wanted[0].naming))
    return code


def _course(supply: Supply, runs: Runs, terminal: Terminal, all_wanted: Sequence[Wanted]) -> int | None:
    """Provide environments and run their commands; return the exit code where the run is ended before they are."""
    from pytest_fastenv.commands.runs import Ended  # as above

    try:
        supply.provide(all_wanted)
        runs.wait()
    except KeyboardInterrupt:
        terminal.tell("interrupted: commands are ended; Ctrl-C again ends them at once", always=True)
        runs.stop(signal.SIGINT)
        return INTERRUPTED
    except Ended as ended:
        runs.stop(ended.number)
        return ended.exit_code
    except SystemExit as ended:  # a signal, while environments were being made
        code = ended.code if isinstance(ended.code, int) else 1
        runs.stop(code - 128 if code > 128 else signal.SIGTERM)
        return code
    except BrokenPipeError:
        runs.stop()
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - nobody reads what is still to be flushed
        return BROKEN_PIPE
    except BaseException:
        runs.stop()
        raise
    return None


def _check_writable(path: str) -> None:
    """Refuse a place for results before anything runs, where it can be told."""
    place = Path(path)
    if not path or os.path.isdir(place):
        raise UsageError(f"--json {path or repr(path)} is not accepted", why="expected the name of a file")
    if not os.access(place.parent, os.W_OK | os.X_OK):
        why = "it may not be written" if os.path.isdir(place.parent) else "there is no such directory"
        raise UsageError(f"{path} cannot be written", where=str(place.parent), why=why)


def _write(path: str, value: dict[str, Any]) -> None:
    import json  # only where it is asked for

    from pytest_fastenv.filesystem.private_files import write

    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    try:
        write(path, text.encode())
    except OSError as error:
        raise UsageError(f"{path} cannot be written", why=error.strerror or str(error)) from error
