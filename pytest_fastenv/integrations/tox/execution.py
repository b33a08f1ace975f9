"""Carries out what tox would start pip for: in this process, and in tox's own terms.

tox logs the command, keeps its output and exit code in a file and in ``--result-json``, shows it where it failed, and
may interrupt it, as it does with a process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType

from tox.execute.api import ExecuteInstance, ExecuteOptions, ExecuteStatus
from tox.execute.local_sub_process import LocalSubProcessExecutor
from tox.execute.request import ExecuteRequest
from tox.execute.stream import SyncWrite

from pytest_fastenv.errors import FastenvError
from pytest_fastenv.integrations.tox.telling import diagnosis
from pytest_fastenv.schedule.event_loop import Cancellation

#: Carries out a command and returns what is told of it, or ``None`` where a process is to be started.
Work = Callable[[], str]
Choose = Callable[[ExecuteRequest], "Work | None"]

_INTERRUPTED = 130


class Executor(LocalSubProcessExecutor):
    """Starts processes, except for what is carried out here.

    :param choose: says what is carried out here.
    """

    def __init__(self, colored: bool, choose: Choose) -> None:
        super().__init__(colored)
        self._choose = choose

    def build_instance(
        self, request: ExecuteRequest, options: ExecuteOptions, out: SyncWrite, err: SyncWrite
    ) -> ExecuteInstance:
        """Return what will carry out a request."""
        work = self._choose(request)
        if work is None:
            return super().build_instance(request, options, out, err)
        return _InThisProcess(request, options, out, err, work)


class _InThisProcess(ExecuteInstance):
    def __init__(
        self, request: ExecuteRequest, options: ExecuteOptions, out: SyncWrite, err: SyncWrite, work: Work
    ) -> None:
        super().__init__(request, options, out, err)
        self._work = work

    @property
    def cmd(self) -> Sequence[str]:
        return self.request.cmd

    def __enter__(self) -> ExecuteStatus:
        return _Status(self.options, self._out, self._err, self._work)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        """Nothing is left to end: the work ends before its exit code is known."""


class _Status(ExecuteStatus):
    """Works while tox waits for it: in tox's thread of that environment, while its main thread may interrupt."""

    def __init__(self, options: ExecuteOptions, out: SyncWrite, err: SyncWrite, work: Work) -> None:
        super().__init__(options, out, err)
        self._work = work
        self._code: int | None = None
        self._cancellation = Cancellation()

    @property
    def exit_code(self) -> int | None:
        return self._code

    def wait(self, timeout: float | None = None) -> int | None:
        del timeout
        if self._code is None:
            self._code = self._carry_out()
        return self._code

    def _carry_out(self) -> int:
        from asyncio import CancelledError  # not needed to start tox

        try:
            with self._cancellation:
                self._out.handler(self._work().encode())
        except FastenvError as error:
            self._err.handler(f"{diagnosis(error)}\n".encode(errors="backslashreplace"))
            return error.exit_code
        except CancelledError:
            self._err.handler(b"interrupted\n")
            return _INTERRUPTED
        return 0

    def write_stdin(self, content: str) -> None:
        """Nobody reads it."""

    def interrupt(self) -> None:
        """End the work in good order; from another thread."""
        self._cancellation.cancel()
