"""Leave for the session inside: by replacing this process, or as a process that this one stands in for."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pytest_fastenv.errors import InterpreterError
from pytest_fastenv.plugin.inner_command import Command
from pytest_fastenv.runtime.relay import CAN_REPLACE, replace_process, run_in_place


def hand_over(command: Command, *, replace: bool, keep: Sequence[int] = ()) -> int:
    """Start the session inside.

    With ``replace`` this process becomes it, where the operating system can do that, and nothing returns: process
    id, terminal and standard streams stay, signals and the exit code need not be passed on. Otherwise it runs
    as a child on the same streams, signals are passed on, and its exit code is returned.

    :param replace: nothing of this process is needed any more: it is the pytest command itself.
    :param keep: descriptors that the session inherits.
    :raises InterpreterError: the environment's interpreter does not start.
    """
    try:
        if replace and CAN_REPLACE:
            for descriptor in keep:
                os.set_inheritable(descriptor, True)
            replace_process(command.argv, command.variables)
        return run_in_place(command.argv, command.variables, keep)
    except OSError as error:
        raise InterpreterError(
            "the environment's interpreter does not start", where=command.argv[0], why=error.strerror or str(error)
        ) from error


def close_lease(descriptor: int | None) -> None:
    """Give up the environment after a session that ran as a child."""
    if descriptor is not None:
        os.close(descriptor)
