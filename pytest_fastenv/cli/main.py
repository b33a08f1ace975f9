"""Where the ``fastenv`` command begins: Ctrl-C ends it with a line from the first moment on.

It imports next to nothing, so that there is hardly a moment before that.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pytest_fastenv.report.standard_streams import complete, guard, tell

_INTERRUPTED = 130
_TOLD = "fastenv: interrupted\n"
_NO_MEMORY = b"fastenv: error: the system has no memory left for this\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    0: done; 3: providing failed; 4: the request is wrong; 130 and 143 after SIGINT and SIGTERM; 141: nothing reads
    the results any more. Diagnoses go to standard error, results to standard output.

    :param arguments: default: those that this process was started with; it is the command then.
    """
    is_command = arguments is None and threading.current_thread() is threading.main_thread()
    if is_command:
        complete()
        guard()
    try:
        with _ended_at_once(really=is_command):
            from pytest_fastenv.cli.command import run  # takes a while
        return run(arguments)
    except KeyboardInterrupt:
        tell(_TOLD)
        return _INTERRUPTED
    except (MemoryError, SystemError):  # so little that not even the diagnosis could be made
        os.write(2, _NO_MEMORY)
        return 3
    finally:
        if is_command:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is said; the interpreter's end is no place to interrupt


@contextmanager
def _ended_at_once(*, really: bool) -> Iterator[None]:
    """Let Ctrl-C end the process on the spot: an exception amid imports may be shown, or taken for something else."""
    before = signal.getsignal(signal.SIGINT)
    if not really or before is not signal.default_int_handler:
        yield
        return

    def end(_number: int, _frame: object) -> None:
        os.write(2, _TOLD.encode())
        os._exit(_INTERRUPTED)

    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
