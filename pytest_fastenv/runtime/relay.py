"""Leave this process to another program, or stand in for it while it runs."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, Any, Iterator, Mapping, Sequence

if TYPE_CHECKING:
    import subprocess

CAN_REPLACE = os.name == "posix"
"""Whether ``exec`` keeps the process id, so that our parent waits for the new program (not on Windows)."""

_FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
_FROM_KEYBOARD = ("SIGINT", "SIGQUIT")


def replace_process(argv: Sequence[str], environ: Mapping[str, str]) -> None:
    """Become another program, with the same process id, terminal and descriptors; returns never.

    :raises OSError: it cannot be started.
    """
    _flush()
    os.execve(argv[0], list(argv), dict(environ))  # noqa: S606 - no shell is wanted


def run_in_place(argv: Sequence[str], environ: Mapping[str, str], keep: Sequence[int] = ()) -> int:
    """Run a program as if it were this one: its standard streams are ours, our signals reach it.

    Streams that were replaced by objects without a descriptor are written to as the program's output comes.

    :param keep: descriptors that the program inherits (not on Windows).
    :return: its exit code; 128 and the signal's number where a signal ended it.
    :raises OSError: it cannot be started.
    """
    import subprocess  # a process that becomes the program needs neither
    import threading

    _flush()
    with ExitStack() as stack:
        streams: dict[str, Any] = {}
        pumped: dict[str, IO[str]] = {}
        for name in ("stdin", "stdout", "stderr"):
            stream = getattr(sys, name)
            descriptor = _descriptor(stream)
            if descriptor is not None:
                streams[name] = descriptor
            elif name == "stdin":
                streams[name] = subprocess.DEVNULL
            else:
                streams[name] = subprocess.PIPE
                pumped[name] = stream
        if CAN_REPLACE and keep:
            streams["pass_fds"] = tuple(keep)
        pending: list[int] = []
        relay = stack.enter_context(_signals(pending))
        child = stack.enter_context(subprocess.Popen(list(argv), env=dict(environ), **streams))
        relay.append(child)
        for number in pending:
            child.send_signal(number)
        pumps = [threading.Thread(target=_pump, args=(getattr(child, name), to)) for name, to in pumped.items()]
        for pump in pumps:
            pump.start()
        code = _wait(child)
        for pump in pumps:
            pump.join()
    return code if code >= 0 else 128 - code


def _wait(child: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:  # the console sent it to the child as well; it decides what follows
            continue


@contextmanager
def _signals(pending: list[int]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Pass signals on to the child put into the yielded list; before there is one they are kept in ``pending``."""
    import signal  # as above
    import threading

    children: list[subprocess.Popen[bytes]] = []
    if threading.current_thread() is not threading.main_thread() or not CAN_REPLACE:
        yield children
        return

    def pass_on(number: int, _frame: Any) -> None:
        if number in keyboard and in_foreground():
            return  # the terminal sends it to the whole process group
        if children:
            children[0].send_signal(number)
        else:
            pending.append(number)

    numbers = [getattr(signal, name) for name in _FORWARDED]
    keyboard = {getattr(signal, name) for name in _FROM_KEYBOARD}
    before: dict[int, Any] = {}
    try:
        for number in numbers:
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, pass_on)
        yield children
    finally:
        for number, handler in before.items():
            # None: it was not set from Python, and cannot be set back from there either.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def in_foreground() -> bool:
    """Say whether the keys of a terminal, such as Ctrl-C, reach this process and those that it starts."""
    for descriptor in (0, 1, 2):
        try:
            return os.tcgetpgrp(descriptor) == os.getpgrp()
        except OSError:
            continue
    return False


def _descriptor(stream: IO[str] | None) -> int | None:
    try:
        return stream.fileno()  # type: ignore[union-attr]
    except (AttributeError, OSError, ValueError):
        return None


def _pump(source: IO[bytes], to: IO[str] | None) -> None:
    with source:
        for line in source:
            if to is not None:
                to.write(line.decode("utf-8", "replace"))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
