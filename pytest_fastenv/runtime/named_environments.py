"""The environments of a session over several, as the inside knows them: there, on their way, or not to be had.

What was there when the session began was handed over. The others are provided meanwhile by a process of the
installation outside, which writes a line of JSON for each as soon as it is there, and one more when all are::

    {"name": "py312", "state": {"environment": {…}, …}}
    {"name": "py313", "state": {"error": {…}}}
    {"error": {…}}                                      what is about all of them: a report cannot be written
    {"done": true}

It holds the environments until the session ends, which it notices by the end of its standard input.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
from typing import Any, Iterator, Mapping, NamedTuple

from ..errors import EnvironmentServerError, FastenvError, error_from_json
from .environment import Environment
from .summary import Summary


class NamedState(NamedTuple):
    """What became of an environment.

    :ivar environment: ``None`` where it is not to be had.
    :ivar summary: how it came about.
    :ivar set_env: variables for its tests.
    :ivar passes: a regular expression, for either case of letters, of the variables that reach its tests; empty: all.
    :ivar allow_failure: what happens in it does not decide about the exit code.
    :ivar same_as: another one of the session that is the same environment, or empty.
    :ivar temporary: a directory that was made for its variables; gone when the session is over.
    :ivar error: why it is not to be had.
    :ivar skipped: why it is left out, where that is no failure.
    """

    name: str
    environment: Environment | None = None
    summary: Summary | None = None
    set_env: Mapping[str, str] = {}
    passes: str = ""
    allow_failure: bool = False
    same_as: str = ""
    temporary: str = ""
    error: FastenvError | None = None
    skipped: str = ""

    @classmethod
    def from_json(cls, name: str, value: Mapping[str, Any]) -> NamedState:
        """Read what `pytest_fastenv.provisioning.named_states` wrote."""
        environment, summary, error = value.get("environment"), value.get("summary"), value.get("error")
        return cls(
            name,
            None if environment is None else Environment.from_json(environment),
            None if summary is None else Summary.from_json(summary),
            value.get("set_env") or {},
            value.get("passes", ""),
            bool(value.get("allow_failure")),
            value.get("same_as", ""),
            value.get("temporary", ""),
            None if error is None else error_from_json(error),
            value.get("skipped", ""),
        )

    def variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the variables for a process in the environment: those that pass, and those that are set for it."""
        passing = re.compile(self.passes or "", re.IGNORECASE)
        found = {name: value for name, value in environ.items() if passing.match(name) or name.startswith("PYTEST_")}
        own = dict(self.set_env)
        if "PATH" in own:  # the environment's programs come before it
            found["PATH"] = own.pop("PATH")
        if self.environment is not None:
            found = self.environment.variables(found)
        return {**found, **own}


class NamedEnvironments:
    """The environments of a session, in the order in which they were asked for. For one thread.

    :param matrix: `Handed.matrix`: the ``names``; a descriptor (``known``) of a file with the states that were known
        when the session began; the ends of two pipes: of what is told later (``answers``), and of the standard input
        of who tells it (``life``).
    :ivar names: all of them.
    :ivar errors: what went wrong for all of them together.
    """

    def __init__(self, matrix: Mapping[str, Any]) -> None:
        self.names: tuple[str, ...] = tuple(matrix["names"])
        with open(matrix["known"], "rb") as file:
            file.seek(0)
            known = json.loads(file.read())
        self._states = {name: NamedState.from_json(name, state) for name, state in known.items()}
        self._answers: int | None = matrix.get("answers")
        self._life: int | None = matrix.get("life")
        for descriptor in (self._answers, self._life, *matrix.get("leases", ())):
            if descriptor is not None:
                os.set_inheritable(descriptor, False)
        self._rest = b""
        self.errors: list[FastenvError] = []

    def fileno(self) -> int | None:
        """Return a descriptor that is readable when there may be news; ``None`` when there will be no more."""
        return self._answers

    @property
    def pending(self) -> tuple[str, ...]:
        """The names of those of which nothing is known yet."""
        return tuple(name for name in self.names if name not in self._states)

    def state(self, name: str) -> NamedState | None:
        """Return what is known of an environment; ``None`` while it is on its way."""
        return self._states.get(name)

    def poll(self) -> Iterator[NamedState]:
        """Yield what has become known since the last call. Does not block."""
        while self._answers is not None and select.select([self._answers], [], [], 0)[0]:
            yield from self._read()

    def wait_for_news(self, timeout_s: float) -> bool:
        """Wait until `poll` has something to yield; from any thread. Tell whether it has."""
        return self._answers is not None and bool(select.select([self._answers], [], [], timeout_s)[0])

    def wait(self, name: str) -> NamedState:
        """Wait until it is known what becomes of an environment. Ctrl-C ends the wait."""
        while name not in self._states:
            for _ in self._read():
                pass
        return self._states[name]

    def finish(self) -> None:
        """Wait until all is told, where what becomes of each is known: reports are written last."""
        while self._answers is not None and not self.pending:
            for _ in self._read():
                pass

    def close(self) -> None:
        """Let go of the environments: the process that holds them ends. Idempotent."""
        for descriptor in (self._answers, self._life):
            if descriptor is not None:
                os.close(descriptor)
        self._answers = self._life = None
        for state in self._states.values():
            if state.temporary:
                shutil.rmtree(state.temporary, ignore_errors=True)

    def _read(self) -> Iterator[NamedState]:
        piece = b"" if self._answers is None else os.read(self._answers, 1 << 16)
        if not piece:
            yield from self._lost()
            return
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            answer = json.loads(line)
            if "name" in answer:
                state = NamedState.from_json(answer["name"], answer["state"])
                self._states[state.name] = state
                yield state
            elif "error" in answer:
                self.errors.append(error_from_json(answer["error"]))
            elif "done" in answer and self._answers is not None:
                os.close(self._answers)
                self._answers = None

    def _lost(self) -> Iterator[NamedState]:
        """Give up those that are on their way: the process that provides them is gone."""
        if self._answers is not None:
            os.close(self._answers)
            self._answers = None
        for name in self.pending:
            error = EnvironmentServerError(
                "the environment {} was not provided: the process that provides it has ended".format(name),
                hint="run again: what was finished is kept",
            )
            self._states[name] = NamedState(name, error=error)
            yield self._states[name]
