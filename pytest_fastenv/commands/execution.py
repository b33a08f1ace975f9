"""The commands of one environment, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from pytest_fastenv.commands.output import Channel, Terminal
from pytest_fastenv.commands.processes import Processes, Stopped
from pytest_fastenv.commands.results import CommandResult, EnvironmentResult
from pytest_fastenv.commands.sequence import Asked, CommandSequence, Step
from pytest_fastenv.errors import FastenvError, Naming, UsageError
from pytest_fastenv.matrix.declaration import NamedEnvironment
from pytest_fastenv.runtime.environment import Environment


@dataclass(frozen=True, slots=True)
class Standing:
    """An environment that stands, and what was declared for it.

    :ivar provided_s: how long it took to find or make it.
    :ivar inherit_pythonpath: let ``PYTHONPATH`` reach its commands.
    :ivar when_over: called when they have come to their end.
    """

    named: NamedEnvironment
    environment: Environment
    provided_s: float
    inherit_pythonpath: bool = False
    when_over: Callable[[], None] = lambda: None


def run_commands(
    standing: Standing, asked: Asked, processes: Processes, terminal: Terminal, channel: Channel, naming: Naming
) -> EnvironmentResult:
    """Run what an environment declares, or what is asked in place of it.

    ``commands-pre`` come first; where one fails, ``commands`` are left out. The first of ``commands`` that fails ends
    them. ``commands-post`` are all run, whatever failed before, but for a run that was stopped. What the commands left
    behind is ended with them.

    :return: how it went; errors are in it.
    """
    result = EnvironmentResult(
        standing.named.name,
        "ok",
        provided_s=standing.provided_s,
        environment=standing.environment,
        allow_failure=standing.named.allow_failure,
    )
    try:
        sequence = CommandSequence(
            standing.named, standing.environment, asked, inherit_pythonpath=standing.inherit_pythonpath
        )
    except FastenvError as error:
        terminal.tell(f"{result.name}: error: {error.diagnosis(naming)}", always=True)
        result = replace(result, outcome="failed", exit_code=error.exit_code, error=error)
    else:
        if sequence.ignores_words:
            terminal.tell(
                f"warning: {result.name}: no command has {{posargs}}, so the words behind -- reach none", always=True
            )
        try:
            result = _Course(sequence, processes, channel, result).run()
        finally:
            sequence.close()
            if processes.end_left(result.name):
                terminal.tell(
                    f"warning: {result.name}: its commands left processes behind, which were ended", always=True
                )
        if result.error is not None:
            terminal.tell(f"{result.name}: error: {result.error.diagnosis(naming)}", always=True)
    channel.end(result)
    return result


class _Course:
    """One way through a sequence of commands."""

    def __init__(
        self, sequence: CommandSequence, processes: Processes, channel: Channel, result: EnvironmentResult
    ) -> None:
        self._sequence = sequence
        self._processes = processes
        self._channel = channel
        self._result = result

    def run(self) -> EnvironmentResult:
        try:
            for step in self._sequence.steps:
                if self._result.outcome == "ok" or step.part == "commands-post":
                    self._run(step)
        except Stopped:
            self._result = replace(self._result, outcome="stopped")
        return self._result

    def _run(self, step: Step) -> None:
        began = time.monotonic()
        self._channel.begin(step.words)
        error: FastenvError | None = None
        try:
            argv = self._sequence.argv(step)
            with self._channel.streams() as streams:
                code = self._processes.run(
                    self._result.name,
                    argv,
                    cwd=self._sequence.directory,
                    environ=self._sequence.variables,
                    **streams,
                )
            passed = step.passes(code)
        except UsageError as refused:
            error, code, passed = refused, refused.exit_code, False
        except (OSError, ValueError) as reason:  # a ValueError: a null character in a word
            why = getattr(reason, "strerror", None) or str(reason)
            error, code, passed = UsageError(f"{step.words[0]} does not start", why=why), UsageError.exit_code, False
        done = CommandResult(step.part, step.words, code, passed, time.monotonic() - began)
        result = replace(self._result, commands=(*self._result.commands, done))
        if not passed and result.outcome == "ok":
            result = replace(result, outcome="failed", exit_code=code or 1, error=error)
        self._result = result
