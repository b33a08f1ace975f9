"""What is left of a hook whose supervisor could not see to its end: it was killed, or stopped, by what it looked after.

Everything is looked for in ``/proc`` (Linux): what descends from the supervisor or belongs to a session of the hook's,
orphans that came to the guardian, what holds a lock of the build (only its own processes share the open file), and
what was started with the build's directory for temporary files. Elsewhere: the supervisor, and the hook's group.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

END_WAIT_S = 5.0
_LOOK_EVERY_S = 0.01
_PROC = "/proc"


class Hook(NamedTuple):
    """One hook and who looks after it, by their process ids; 0 where one is not known.

    :ivar guardian: which forked the supervisor.
    :ivar others: supervisors of other hooks of that guardian; ``None`` where one of them may not have told its id yet.
    :ivar locks: descriptors of this process for the lock files that the hook's processes hold, too.
    :ivar scratch: the directory that is the hook's alone.
    """

    supervisor: int
    hook: int
    guardian: int
    others: Collection[int] | None
    locks: Sequence[int]
    scratch: str


class _Process(NamedTuple):
    name: str
    parent: int
    session: int


def wake(supervisor: int, guardian: int) -> None:
    """Let a supervisor go on that was stopped; nothing where it is none any more."""
    if supervisor and os.name != "nt" and _parent(supervisor) in {None, guardian}:
        send_signal(supervisor, signal.SIGCONT)


def end(hook: Hook) -> list[str]:
    """End all that is left of a hook, and see that it is gone; name what is not. Blocks for at most `END_WAIT_S`."""
    if os.name == "nt":
        return []  # the job object ends them
    deadline = time.monotonic() + END_WAIT_S
    while True:
        left = _left(hook)
        if not left or time.monotonic() > deadline:
            return [f"{name} ({abs(pid)})" for pid, name in sorted(left.items())]
        for pid in left:
            send_signal(pid, signal.SIGKILL)
        time.sleep(_LOOK_EVERY_S)  # nobody tells when a process is gone that is no child of this one


def _left(hook: Hook) -> dict[int, str]:
    if not os.path.isdir(f"{_PROC}/self"):
        known = {-hook.hook: "the hook's group", hook.supervisor: "its supervisor"}
        return {pid: name for pid, name in known.items() if pid and send_signal(pid, 0)}
    table = dict(_processes())
    spared = {0, 1, os.getpid(), hook.guardian, *(hook.others or ())}
    found = {pid for pid, process in table.items() if _belongs(pid, process, hook)}
    if found <= spared:  # the longer look, when nothing is left for the short one
        found = {pid for pid in table if pid not in spared and (_holds(pid, hook.locks) or _has(pid, hook.scratch))}
    children: dict[int, list[int]] = {}
    for pid, process in table.items():
        children.setdefault(process.parent, []).append(pid)
    queue = list(found)
    while queue:
        below = [pid for pid in children.get(queue.pop(), []) if pid not in found]
        found.update(below)
        queue += below
    return {pid: table[pid].name for pid in found - spared}


def _belongs(pid: int, process: _Process, hook: Hook) -> bool:
    """Tell by its place whether a process is the supervisor, in a session of the hook, or an orphan."""
    if pid == hook.supervisor:
        return process.parent == hook.guardian
    if process.session in {hook.supervisor, hook.hook} - {0}:
        return True
    return hook.others is not None and process.parent == hook.guardian and pid not in hook.others


def _holds(pid: int, locks: Sequence[int]) -> bool:
    """Tell whether a process shares one of our open lock files; one that waits for the lock has opened it itself."""
    with suppress(OSError):
        wanted = {(its.st_dev, its.st_ino) for its in map(os.fstat, locks)}
        for number in os.listdir(f"{_PROC}/{pid}/fd") if wanted else ():
            with suppress(OSError):
                its = os.stat(f"{_PROC}/{pid}/fd/{number}")
                if (its.st_dev, its.st_ino) in wanted:
                    with open(f"{_PROC}/{pid}/fdinfo/{number}", encoding="utf-8") as file:
                        if "FLOCK" in file.read():
                            return True
    return False


def _has(pid: int, scratch: str) -> bool:
    """Tell whether a program was started with the hook's directory for temporary files."""
    try:
        with open(f"{_PROC}/{pid}/environ", "rb") as file:
            return b"\0TMPDIR=" + os.fsencode(os.path.join(scratch, "tmp")) + b"\0" in b"\0" + file.read()
    except OSError:
        return False


def _processes() -> Iterator[tuple[int, _Process]]:
    """Yield all processes that are more than an exit code that nobody has asked for."""
    for entry in filter(str.isdecimal, os.listdir(_PROC)):
        with suppress(OSError, ValueError):  # it has ended meanwhile
            with open(f"{_PROC}/{entry}/stat", encoding="utf-8", errors="replace") as file:
                head, _, fields = file.read().rpartition(")")
            state, parent, _, session = fields.split()[:4]
            if state not in "ZX":
                yield int(entry), _Process(head.partition("(")[2], int(parent), int(session))


def _parent(pid: int) -> int | None:
    """Return a process's parent: 0 where it is gone, ``None`` where that cannot be told."""
    if not os.path.isdir(f"{_PROC}/self"):
        return None
    found = dict(_processes())
    return found[pid].parent if pid in found else 0


def send_signal(pid: int, number: int) -> bool:
    """Send a signal, or 0 to ask; tell whether there is such a process, whether or not it may be sent one."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
