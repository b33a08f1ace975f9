"""Run the hooks of a build backend, each in a fresh process (PEP 517), so that nothing they start outlives them.

A script of its own, with `backend_supervisor`, `backend_hook`, `backend_audit`, `system_calls`, `tree_journal` and
`tree_undo` beside it: standard library only, Python 3.8 and newer, started by the interpreter of a build environment. A
process of it takes one of three parts:

*guardian* (``serve``)
    Imports the backend once, then forks a supervisor for each byte that comes with file descriptors over its control
    socket. It ends when the other side of that socket is gone.
*supervisor* (forked by the guardian; ``supervise`` where there is no fork)
    Looks after one hook. It keeps the lock files of its build open, starts the hook's process in a session of its own,
    copies its output into a log of bounded size, and ends everything that was started: when the hook has returned and
    when its channel is closed, which the kernel does even if the owner was killed. The locks are free after that.
*hook* (forked by the supervisor; ``hook`` for a new interpreter)
    Calls one hook and writes what it returns into a file.

A channel carries one JSON object per line: the request goes in; ``{"started": pid}`` and the report come out.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import signal
import socket
import sys
import threading
import types
from typing import Any

DESCRIPTORS = 16
"""Most descriptors of one request: the channel and lock files."""


def serve(control: int, preload: str, supervisor: Any) -> list[int]:
    """Be the guardian; returns in a forked process only, with the descriptors that came for it.

    A backend whose import starts threads cannot be forked safely: then this process becomes a guardian without it.

    :param control: descriptor of the control socket.
    :param preload: modules to import once, separated by commas.
    :param supervisor: the part of the script that supervisors are of.
    """
    try:
        for module in filter(None, preload.split(",")):
            importlib.import_module(module)
    except BaseException:  # noqa: BLE001, S110 - the hook's own process meets it again and reports it
        pass
    if preload and _threads() > 1:
        os.set_inheritable(control, True)
        again = [sys.executable, "-I", os.path.abspath(__file__), "serve", str(control), "", "new", "0"]
        os.execv(sys.executable, again)  # noqa: S606
    gc.collect()
    getattr(gc, "freeze", gc.collect)()  # a collection in a child would copy every page; PyPy has no freeze
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    supervisor.adopt_orphans()  # of supervisors that were killed: the owner looks for them here
    connection = socket.socket(fileno=control)
    supervisors: set[int] = set()
    while True:
        descriptors = _receive(connection)
        if not descriptors:
            supervisor.end_below(supervisors)
            os.kill(0, signal.SIGKILL)  # the guardian's own group: itself, and what the import may have started
        try:
            forked = os.fork()
        except OSError:  # no process to be had: closing the channel says so
            forked = -1
        if not forked:
            connection.close()
            return descriptors
        supervisors.add(forked)
        for descriptor in descriptors:
            os.close(descriptor)


def _threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return threading.active_count()


def _receive(connection: socket.socket) -> list[int]:
    """Wait for the next request's descriptors: its channel first, then lock files; nothing when the owner is gone."""
    found = array.array("i")
    try:
        data, ancillary, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(DESCRIPTORS * found.itemsize))
    except OSError:
        return []
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(content[: len(content) - len(content) % found.itemsize])
    for descriptor in found:
        os.set_inheritable(descriptor, False)
    return list(found) if data else []


class _Plain(io.FileIO):
    """A standard stream that is written on and on: what lies behind the descriptor changes from parent to child."""

    def seekable(self) -> bool:
        return False


def _stream(descriptor: int, encoding: str) -> io.TextIOWrapper:
    """Return a standard stream that encodes all text: a setup script's output must not end the script in any locale."""
    buffer = io.BufferedWriter(_Plain(descriptor, "w", closefd=False))
    return io.TextIOWrapper(buffer, encoding, errors="backslashreplace", line_buffering=True)


def _part(name: str) -> Any:
    """Load another part of this script; sys.path, sys.modules and bytecode caches stay as they are for the backend."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".py")
    part = types.ModuleType(name)
    with open(path, "rb") as file:
        exec(compile(file.read(), path, "exec"), part.__dict__)  # noqa: S102
    return part


def main() -> int:
    """Play the part that the command line names; a server goes on as supervisor, a supervisor as hook."""
    part, *arguments = sys.argv[1:]
    sys.stdout, sys.stderr = _stream(1, sys.stdout.encoding), _stream(2, sys.stderr.encoding)
    supervisor = _part("backend_supervisor")
    hook = _part("backend_hook")
    audit = _part("backend_audit")
    if part == "hook":
        request = json.load(sys.stdin)
    elif part == "supervise":
        supervisor.supervise((0, 1), [], _part, own_interpreter=True)
    else:
        control, preload, processes, descriptors = arguments
        _limit_descriptors(int(descriptors))
        channel, *locks = serve(int(control), preload, supervisor)
        request = supervisor.supervise((channel, channel), locks, _part, own_interpreter=processes == "new")
    if not supervisor.die_with(request["parent"]):
        return 1
    journal = _journal(request) if request["journal"] else None
    return int(hook.run(request, audit.Audit(request["ignored"], request["heeded"], journal)))


def _limit_descriptors(limit: int) -> None:
    """Give up a limit of open files that was raised for the installer: programs that `select` may break with it.

    :param limit: what it was before; 0 where it was not raised.
    """
    if limit:
        import resource  # not there on Windows

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def _journal(request: dict[str, Any]) -> Any:
    """Return the journal of the user's own tree, where this process has to write it itself; else ``None``."""
    sys.dont_write_bytecode = True
    if request["announces"] >= 0:
        with socket.socket(fileno=request["announces"]) as channel:
            if _part("system_calls").announce(channel):
                return None
    return _part("tree_journal").Journal(request["journal"])


def _leave() -> None:
    """Skip the interpreter's own clean-up, which takes longer than many a hook."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(_status)


if __name__ == "__main__":
    _status = 1
    atexit.register(_leave)  # registered first, so called last: after all that the backend has registered
    _status = main()
