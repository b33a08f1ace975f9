"""What is handed to a session that was started in its environment, in one variable.

``FASTENV_INSIDE`` has two forms. The session itself gets all of it. What the session starts (tests' subprocesses,
xdist workers) sees the second form without the summary: "this prefix was provided already".
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, Mapping, MutableMapping, NamedTuple

if TYPE_CHECKING:
    from .summary import Summary

VARIABLE = "FASTENV_INSIDE"


class Handed(NamedTuple):
    """What the outside tells the inside.

    :ivar prefix: the environment.
    :ivar summary: how the environment came about; ``None`` in what the session starts.
    :ivar lease_fd: descriptor that keeps the environment from being pruned.
    :ivar outside: the words that start the pytest with the whole plugin: interpreter and script, or ``-m pytest``.
    :ivar plugin_paths: directories for ``sys.path``: where plugins named by the runner that started pytest lie.
    :ivar server: the words that start the process which provides further environments while the session runs.
    :ivar settings: the session's, as JSON holds them: for the environment server.
    :ivar origins: where each of them was given, likewise: for its messages.
    :ivar base: what relative paths in sources are relative to.
    :ivar worker: the xdist worker that the environment belongs to; empty where it is the session's.
    :ivar active: ``VIRTUAL_ENV`` outside, and what ``PATH`` has no more of it: for what is started from inside, but
        not in the environment.
    :ivar name: what the environment is called in the project's files; node ids carry it, those of workers, too.
    :ivar only: node ids that were asked for in certain environments alone, with the names of those.
    :ivar temporary: a directory that was made for its variables; gone when the session is over.
    :ivar matrix: all environments of a session over several, for its controller: see
        `pytest_fastenv.runtime.named_environments.NamedEnvironments`.
    :ivar upkeep: the words that start the process which looks after the store; empty where that is not due.
    """

    prefix: str
    summary: Summary | None = None
    lease_fd: int | None = None
    outside: tuple[str, ...] = ()
    plugin_paths: tuple[str, ...] = ()
    server: tuple[str, ...] = ()
    settings: dict[str, Any] | None = None
    origins: dict[str, Any] | None = None
    base: str = ""
    worker: str = ""
    active: tuple[str, ...] = ()
    name: str = ""
    only: dict[str, list[str]] | None = None
    temporary: str = ""
    matrix: dict[str, Any] | None = None
    upkeep: tuple[str, ...] = ()


def encode(handed: Handed) -> str:
    """Return the variable's value."""
    import json  # only where an environment is in use

    values = {name: value for name, value in handed._asdict().items() if value not in (None, (), "")}
    if handed.summary is not None:
        values["summary"] = handed.summary.to_json()
    return json.dumps(values)


def current(environ: MutableMapping[str, str]) -> Handed | None:
    """Return what was handed over, or ``None`` where this interpreter is not the one of that environment."""
    text = environ.get(VARIABLE)
    if not text:
        return None
    import json  # only where an environment is in use

    try:
        values = json.loads(text)
        handed = Handed(
            str(values["prefix"]),
            _summary(values.get("summary")),
            values.get("lease_fd"),
            tuple(values.get("outside", ())),
            tuple(values.get("plugin_paths", ())),
            tuple(values.get("server", ())),
            values.get("settings"),
            values.get("origins"),
            str(values.get("base", "")),
            str(values.get("worker", "")),
            tuple(values.get("active", ())),
            str(values.get("name", "")),
            values.get("only"),
            str(values.get("temporary", "")),
            values.get("matrix"),
            tuple(values.get("upkeep", ())),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return handed if _same(handed.prefix, sys.prefix) else None


def _summary(value: Any) -> Summary | None:
    if value is None:
        return None
    from .summary import Summary  # only for the session itself

    return Summary.from_json(value)


def settle(handed: Handed, environ: MutableMapping[str, str]) -> None:
    """Make the session at home: its children see the second form, its lease ends with it.

    The lease's descriptor would otherwise be kept by every process a test leaves behind.
    """
    environ[VARIABLE] = encode(handed._replace(summary=None, lease_fd=None, temporary="", matrix=None, upkeep=()))
    if handed.lease_fd is not None:
        with contextlib.suppress(OSError):  # it was closed on the way
            os.set_inheritable(handed.lease_fd, False)
    # Plugins that are named early were found through the variable; it is not for what the session starts.
    early = environ.get("PYTHONPATH", "").split(os.pathsep)
    for path in handed.plugin_paths:
        if path in early:
            sys.path.remove(path)
        if path not in sys.path:
            sys.path.append(path)
    kept = [path for path in early if path and path not in handed.plugin_paths]
    if kept != [path for path in early if path]:
        environ["PYTHONPATH"] = os.pathsep.join(kept)
        if not kept:
            del environ["PYTHONPATH"]


def outside_variables(environ: MutableMapping[str, str], prefix: str = sys.prefix) -> dict[str, str]:
    """Return the variables for a process that is started from an environment, but not in it.

    :param prefix: that environment; variables that lead to another one stay.
    """
    found = {name: value for name, value in environ.items() if name != VARIABLE}
    if VARIABLE not in environ:
        return found
    handed = current(environ)
    active, *places = (handed.active if handed else ()) or ("",)
    if found.get("VIRTUAL_ENV") == prefix:
        del found["VIRTUAL_ENV"]
        found.pop("VIRTUAL_ENV_PROMPT", None)
        if active:
            found["VIRTUAL_ENV"] = active
    below = os.path.join(prefix, "")
    path = found.get("PATH", "").split(os.pathsep)
    found["PATH"] = os.pathsep.join([*places, *(entry for entry in path if not entry.startswith(below))])
    return found


def active_before(before: Mapping[str, str], inside: Mapping[str, str]) -> tuple[str, ...]:
    """Return `Handed.active`.

    :param before: the variables outside.
    :param inside: those of a process in the environment.
    """
    kept = inside.get("PATH", "").split(os.pathsep)
    gone = [place for place in before.get("PATH", "").split(os.pathsep) if place and place not in kept]
    active = before.get("VIRTUAL_ENV", "")
    return (active, *gone) if active or gone else ()


def is_worker(environ: MutableMapping[str, str]) -> bool:
    """Say whether this is an xdist worker starting up: its command line is its controller's, which acts on it."""
    return "PYTEST_XDIST_WORKER" in environ and "PYTEST_CURRENT_TEST" not in environ and sys.argv[:1] == ["-c"]


def _same(one: str, other: str) -> bool:
    return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))
