"""How the commands of environments went: values, the lines that tell it, the JSON that programs read, the exit code."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pytest_fastenv.commands.sequence import Part
from pytest_fastenv.errors import FastenvError, Naming
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.runtime.summary import elapsed

Outcome = Literal["ok", "failed", "skipped", "not provided", "stopped"]
"""``skipped``: its interpreter is missing, and may be. ``stopped``: the run ended before its commands had."""
JSON_VERSION = 1


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How one command went.

    :ivar exit_code: 128 and the signal's number where a signal ended it.
    :ivar passed: the exit code is one that is wanted.
    """

    part: Part
    words: tuple[str, ...]
    exit_code: int
    passed: bool
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "part": self.part,
            "words": list(self.words),
            "exit_code": self.exit_code,
            "passed": self.passed,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class EnvironmentResult:
    """How one environment went.

    :ivar exit_code: of the first command that failed, or of what could not be provided; else 0.
    :ivar provided_s: how long it took to find or make it.
    :ivar environment: ``None`` where it could not be had.
    :ivar error: what could not be provided, or why a command could not be begun.
    """

    name: str
    outcome: Outcome
    exit_code: int = 0
    provided_s: float = 0.0
    commands: tuple[CommandResult, ...] = ()
    environment: Environment | None = None
    error: FastenvError | None = None
    allow_failure: bool = False

    @property
    def has_failed(self) -> bool:
        """Whether it fails the run."""
        return self.outcome in {"failed", "not provided"} and not self.allow_failure

    @property
    def seconds(self) -> float:
        """How long it took, its provision included."""
        return self.provided_s + self.commands_s

    @property
    def commands_s(self) -> float:
        """How long its commands took."""
        return sum(command.seconds for command in self.commands)

    def line(self) -> str:
        """Return what is told of it in the end."""
        times = f"in {elapsed(self.seconds)} (environment {elapsed(self.provided_s)}"
        times += f", commands {elapsed(self.commands_s)})" if self.commands else ", no commands)"
        allowed = ", which is allowed" if self.allow_failure else ""
        match self.outcome:
            case "ok":
                return f"{self.name}: OK {times}"
            case "failed":
                failed = next((command for command in self.commands if not command.passed), None)
                why = f": {shlex.join(failed.words)}" if failed else f": {self.error.what}" if self.error else ""
                return f"{self.name}: FAILED with exit code {self.exit_code}{allowed} {times}{why}"
            case "skipped":
                return f"{self.name}: skipped: {self.error.what if self.error else ''}"
            case "not provided":
                return f"{self.name}: NOT PROVIDED{allowed}: {self.error.what if self.error else ''}"
            case "stopped":
                return f"{self.name}: stopped"

    def to_json(self, naming: Naming) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        environment = self.environment
        return {
            "name": self.name,
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "allow_failure": self.allow_failure,
            "seconds": round(self.seconds, 3),
            "provided_seconds": round(self.provided_s, 3),
            "commands": [command.to_json() for command in self.commands],
            "environment": environment
            and {
                "path": str(environment.prefix),
                "python": str(environment.python),
                "interpreter": environment.interpreter,
                "fingerprint": str(environment.fingerprint),
                "installed": environment.installed(),
            },
            "error": self.error and self.error.to_json(naming),
        }


def exit_code(results: Sequence[EnvironmentResult]) -> int:
    """Return the exit code of a run.

    0 where nothing failed that may not fail; that of the environment that failed, where it is one; where several did, 1
    if a command failed, and else 4 or 3 as for one environment that cannot be had. Where all were skipped: 4.
    """
    failed = [result for result in results if result.has_failed]
    if len(failed) == 1:
        return failed[0].exit_code
    if failed:
        if any(result.outcome == "failed" for result in failed):
            return 1
        return 4 if all(result.exit_code == 4 for result in failed) else 3
    return 4 if results and all(result.outcome == "skipped" for result in results) else 0


def summary_lines(results: Sequence[EnvironmentResult], seconds: float) -> list[str]:
    """Return the lines that end a run: one for each environment, and one for all."""
    counts = {
        "ok": "OK",
        "failed": "failed",
        "not provided": "not provided",
        "skipped": "skipped",
        "stopped": "stopped",
    }
    told = [(sum(result.outcome == outcome for result in results), word) for outcome, word in counts.items()]
    total = ", ".join(f"{count} {word}" for count, word in told if count)
    lines = [result.line() for result in results]
    return [*lines, f"{total} in {elapsed(seconds)}"] if len(results) > 1 else lines


def to_json(results: Sequence[EnvironmentResult], *, code: int, seconds: float, naming: Naming) -> dict[str, Any]:
    """Return a run as JSON can hold it, for ``--json``."""
    return {
        "version": JSON_VERSION,
        "exit_code": code,
        "seconds": round(seconds, 3),
        "environments": [result.to_json(naming) for result in results],
    }
