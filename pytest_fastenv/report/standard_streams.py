"""The standard streams of a process, whatever it was started with: closed, full, or read by nobody any more.

Standard library only: the command begins here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def complete() -> None:
    """Let standard streams that are closed lead to the null device.

    Else what is opened next has the number of one of them. Whatever is printed would go into that file, which may be
    one of the store, and every program that is started would inherit it.
    """
    for number, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            stream = open(number, mode, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def guard() -> None:
    """Let what cannot be written be no defect.

    Of standard error, it is dropped: the exit code tells. Of standard output, `pytest_fastenv.errors.ProvideError` is
    raised, and nothing further is written. That nobody reads them any more passes as `BrokenPipeError`.
    """
    sys.stdout = _Guarded(sys.stdout, _refuse)
    sys.stderr = _Guarded(sys.stderr, lambda _error: None)


def abandon() -> None:
    """Let what a stream still holds, and cannot write, not be tried again when the process ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _lead_nowhere(stream)


def tell(text: str) -> None:
    """Write to standard error; where that cannot be, the exit code tells alone."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):  # no room, no reader; closed; `None`
        pass


def _refuse(error: OSError) -> None:
    from pytest_fastenv.errors import ProvideError  # rarely

    _lead_nowhere(sys.stdout)
    raise ProvideError("the results cannot be written to standard output", why=error.strerror) from error


def _lead_nowhere(stream: Any) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class _Guarded:
    """A stream of text or of bytes that calls a function where something cannot be written."""

    def __init__(self, stream: Any, failed: Callable[[OSError], None]) -> None:
        self._stream = stream
        self._failed = failed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def buffer(self) -> _Guarded:
        return _Guarded(self._stream.buffer, self._failed)

    def write(self, content: Any) -> int:
        return self._tried(lambda: self._stream.write(content)) or len(content)

    def writelines(self, lines: Iterable[Any]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._tried(self._stream.flush)

    def _tried(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except BrokenPipeError:
            raise
        except OSError as error:
            self._failed(error)
            return None
