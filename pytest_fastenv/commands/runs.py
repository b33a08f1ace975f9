"""The commands of several environments: each begins as soon as its environment is there and there is room for it.

Where one follows the other, they do so in the order that they were asked for in: what sums up what the others have left
behind comes last.
"""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from pytest_fastenv.commands.execution import Standing, run_commands
from pytest_fastenv.commands.output import AsBlock, AsItComes, Channel, InLines, Terminal
from pytest_fastenv.commands.processes import Processes
from pytest_fastenv.commands.results import EnvironmentResult
from pytest_fastenv.commands.sequence import Asked
from pytest_fastenv.errors import FastenvError, InterpreterNotFoundError, Naming
from pytest_fastenv.matrix.declaration import NamedEnvironment

_LOOK_S = 0.2
#: Signals that end a run in good order, beside Ctrl-C; what they are called where they exist.
_ENDING = ("SIGTERM", "SIGHUP")


class Ended(BaseException):
    """A signal ended the run.

    :ivar exit_code: 128 and its number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.exit_code = 128 + number


@dataclass(frozen=True, slots=True)
class Manner:
    """How environments are run.

    :ivar jobs: how many at once.
    :ivar is_live: show output as it comes, also where several run at once.
    :ivar fails_fast: the first failure ends the run.
    """

    jobs: int = 1
    is_live: bool = False
    fails_fast: bool = False


class Runs:
    """Commands of several environments on their way.

    :param naming: by the environments' names, in the order that they were asked for in, for their errors.
    :ivar results: by the environments' names, as they come.
    """

    def __init__(self, asked: Asked, manner: Manner, terminal: Terminal, naming: Mapping[str, Naming]) -> None:
        self.results: dict[str, EnvironmentResult] = {}
        self._asked = asked
        self._manner = manner
        self._terminal = terminal
        self._naming = naming
        self._processes = Processes()
        self._order = list(naming)
        self._standing: dict[str, Standing] = {}
        self._waiting: queue.SimpleQueue[Standing | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._began: dict[str, float] = {}
        self._defects: list[BaseException] = []
        self._is_over = threading.Event()

    @property
    def is_over(self) -> bool:
        """Whether no further environment is wanted."""
        return self._is_over.is_set()

    def begin(self, standing: Standing) -> None:
        """Run the commands of an environment as soon as there is room for it; returns at once."""
        self._standing[standing.named.name] = standing
        self._let_in()
        if len(self._threads) < self._manner.jobs:
            thread = threading.Thread(target=self._work, name=f"commands-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def refuse(self, named: NamedEnvironment, error: FastenvError, seconds: float) -> None:
        """Note that an environment cannot be had, and tell why."""
        naming = self._naming[named.name]
        result = EnvironmentResult(
            named.name,
            "not provided",
            exit_code=error.exit_code,
            provided_s=seconds,
            error=error,
            allow_failure=named.allow_failure,
        )
        if named.allow_missing_python and isinstance(error, InterpreterNotFoundError):
            result = replace(result, outcome="skipped", exit_code=0)
            self._terminal.tell(result.line())
        else:
            self._terminal.tell(f"{named.name}: error: {error.diagnosis(naming)}", always=True)
        self._note(result)
        self._order.remove(named.name)
        self._let_in()

    def result(self, named: NamedEnvironment) -> EnvironmentResult:
        """Return how an environment went; one that was not begun was stopped."""
        stopped = EnvironmentResult(named.name, "stopped", allow_failure=named.allow_failure)
        return self.results.get(named.name, stopped)

    def wait(self) -> None:
        """Wait until all that was begun is over; a status line is shown meanwhile, where one can be."""
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            while thread.is_alive():
                thread.join(_LOOK_S)  # without a limit no signal would be heard on Windows
                self._terminal.status(self._status())
        self._terminal.status("")
        defects, self._defects = self._defects, []  # told once: what is stopped for it is waited for, too
        if defects:
            raise defects[0]

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End all commands in good order, and wait for that; a `KeyboardInterrupt` leaves it to `kill`.

        :param number: the signal that they get first.
        """
        self._is_over.set()
        self._processes.stop(number)
        self.wait()

    def kill(self) -> None:
        """End all commands at once."""
        self._is_over.set()
        self._processes.kill()
        self.wait()

    def _let_in(self) -> None:
        """Let those begin whose turn it is; alone, an environment waits for all before it to be there, or refused."""
        for name in list(self._order):
            standing = self._standing.pop(name, None)
            if standing is not None:
                self._order.remove(name)
                self._waiting.put(standing)
            elif self._manner.jobs == 1:
                return

    def _work(self) -> None:
        while (standing := self._waiting.get()) is not None:
            name = standing.named.name
            self._began[name] = time.monotonic()
            try:
                self._note(self._result(standing))
            except BaseException as error:  # noqa: BLE001 - it is raised again where the run is waited for
                self._defects.append(error)
                self._is_over.set()
            finally:
                del self._began[name]

    def _result(self, standing: Standing) -> EnvironmentResult:
        name = standing.named.name
        if self.is_over:
            return EnvironmentResult(name, "stopped", provided_s=standing.provided_s, environment=standing.environment)
        channel = self._channel(name)
        naming = self._naming[name]
        result = run_commands(standing, self._asked, self._processes, self._terminal, channel, naming)
        standing.when_over()
        return result

    def _channel(self, name: str) -> Channel:
        if self._manner.jobs == 1:
            return AsItComes(self._terminal, name)
        return InLines(self._terminal, name) if self._manner.is_live else AsBlock(self._terminal, name)

    def _note(self, result: EnvironmentResult) -> None:
        self.results[result.name] = result
        if self._manner.fails_fast and result.has_failed and not self._is_over.is_set():
            self._is_over.set()
            self._processes.stop()

    def _status(self) -> str:
        now = time.monotonic()
        running = ", ".join(f"{name} {now - began:.0f} s" for name, began in list(self._began.items()))
        return f"fastenv: {running}; {len(self.results)} done" if running and self._manner.jobs > 1 else ""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let the signals that end programs raise `Ended`, in the main thread; those that are ignored stay so."""
    before: dict[int, Any] = {}

    def end(number: int, _frame: object) -> None:
        raise Ended(number)

    if threading.current_thread() is threading.main_thread():
        for name in _ENDING:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
