"""Leave for the session inside: by replacing this process, or as a process that this one stands in for."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_fastenv.errors import InterpreterError
from pytest_fastenv.plugin.inner_command import Command, Invocation, inner_command, outside_words
from pytest_fastenv.provisioning.question import upkeep_words
from pytest_fastenv.runtime.relay import CAN_REPLACE, replace_process, run_in_place
from pytest_fastenv.runtime.session import Handed
from pytest_fastenv.settings.layers import origins_to_json
from pytest_fastenv.settings.values import to_json

if TYPE_CHECKING:
    from pytest_fastenv.environment.places import Ready
    from pytest_fastenv.matrix.declaration import NamedEnvironment
    from pytest_fastenv.plugin.named import NamedEnvironments
    from pytest_fastenv.plugin.request import Asked
    from pytest_fastenv.runtime.environment import Environment

#: Without the working directory on its path (-P): the project's modules may be named like ours or the library's.
ENVIRONMENT_SERVER = (sys.executable, "-P", "-m", "pytest_fastenv.environment_server")


@dataclass(frozen=True, slots=True)
class Entrance:
    """How a session enters its environment.

    :ivar only: node ids that were asked for in certain environments alone, with the names of those.
    :ivar replace: see `hand_over`.
    """

    invocation: Invocation
    asked: Asked
    only: Mapping[str, Sequence[str]]
    replace: bool


def enter(entrance: Entrance, ready: Ready, named: NamedEnvironment | None) -> int:
    """Start the session in its one environment; its lease is the session's then.

    :param named: what the project's files declare of it, where it was asked for by name.
    """
    environ: Mapping[str, str] = os.environ
    temporary = ""
    if named is not None:
        from pytest_fastenv.matrix.variables import passed  # most sessions name no environment
        from pytest_fastenv.provisioning.named_states import set_variables

        set_by_it, temporary = set_variables(named, ready.environment, entrance.asked.root, environ)
        environ = {**passed(environ, named.pass_env), **set_by_it}
    if not ready.summary.reused:
        from pytest_fastenv.provisioning.ahead import compile_ahead  # as above

        compile_ahead(entrance.asked.settings, ready, entrance.asked.root)
    try:
        return _enter(
            entrance,
            ready.environment,
            environ,
            lease_fd=ready.lease_fd if entrance.replace and CAN_REPLACE else None,
            summary=ready.summary,
            name="" if named is None else named.name,
            temporary=temporary,
        )
    finally:
        if ready.lease_fd is not None:
            os.close(ready.lease_fd)


def enter_several(entrance: Entrance, environments: NamedEnvironments) -> int:
    """Start the session in the first of several environments, to control what happens in all of them."""
    matrix, keep = environments.handed()
    return _enter(entrance, environments.environment, os.environ, keep, summary=environments.summary, matrix=matrix)


def _enter(
    entrance: Entrance,
    environment: Environment,
    environ: Mapping[str, str],
    keep: Sequence[int] = (),
    **values: Any,
) -> int:
    """Start the session in an environment.

    :param environ: its variables, before the environment is made the active one.
    :param keep: descriptors that it inherits.
    :param values: further ones of `Handed`.
    """
    invocation, asked = entrance.invocation, entrance.asked
    handed = Handed(
        prefix=str(environment.prefix),
        outside=outside_words(invocation),
        plugin_paths=invocation.plugin_paths,
        server=ENVIRONMENT_SERVER,
        settings=to_json(asked.settings),
        origins=origins_to_json(asked.loaded.origins),
        base=str(asked.base),
        only={nodeid: list(names) for nodeid, names in entrance.only.items()} or None,
        upkeep=upkeep_words(asked.settings),
        **values,
    )
    inherit = asked.settings.inherit_pythonpath
    command = inner_command(environment, invocation, handed, environ=environ, inherit_pythonpath=inherit)
    return hand_over(command, replace=entrance.replace, keep=keep)


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
