"""Hear of every system call by which a hook, or a program that it starts, is about to change a file (Linux).

The hook's process puts a filter on itself (``seccomp`` with user notification, Linux 5.5 and newer; no privilege is
needed) that all its children inherit. Calls that open for writing, make, rename or remove something wait until the
supervisor has heard of them; it only looks, and lets each one go on. All others are not slowed down.

Part of `backend_server`: standard library only, Python 3.8 and newer. See seccomp_unotify(2).
"""

from __future__ import annotations

import array
import contextlib
import os
import platform
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

try:
    import ctypes
    import fcntl
except ImportError:  # an interpreter without ctypes, a system without both: there is another way
    ctypes = None  # type: ignore[assignment]

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_RECV, _SEND = 0xC0502100, 0xC0182101
_NOTICE, _ANSWER = "<QIIiIQ6Q", "<QqiI"
_CONTINUE = 1
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_AT_CWD = -100
_LONGEST = 4096

#: Machines with their word for system calls and the number of ``seccomp`` itself.
_MACHINES = {"x86_64": (0xC000003E, 317), "aarch64": (0xC00000B7, 277)}
#: Calls by number, with the places of their arguments: a directory's descriptor (or nothing), a path, and flags.
_OPENS: dict[str, dict[int, tuple[int | None, int, int]]] = {
    "x86_64": {2: (None, 0, 1), 257: (0, 1, 2)},
    "aarch64": {56: (0, 1, 2)},
}
#: What they do, and pairs of a directory's descriptor (or nothing) and a path.
_CALLS: dict[str, dict[int, tuple[str, tuple[tuple[int | None, int], ...]]]] = {
    "x86_64": {
        85: ("open", ((None, 0),)), 437: ("open", ((0, 1),)),  # creat, openat2
        83: ("make", ((None, 0),)), 258: ("make", ((0, 1),)), 133: ("make", ((None, 0),)), 259: ("make", ((0, 1),)),
        84: ("remove", ((None, 0),)), 87: ("remove", ((None, 0),)), 263: ("remove", ((0, 1),)),  # rmdir, unlink
        82: ("rename", ((None, 0), (None, 1))), 264: ("rename", ((0, 1), (2, 3))), 316: ("rename", ((0, 1), (2, 3))),
        86: ("link", ((None, 0), (None, 1))), 265: ("link", ((0, 1), (2, 3))), 49: ("bind", ((None, 1),)),
        88: ("make", ((None, 1),)), 266: ("make", ((1, 2),)),
        76: ("change", ((None, 0),)), 90: ("change", ((None, 0),)), 91: ("descriptor", ((0, 0),)),  # truncate, chmod
        268: ("change", ((0, 1),)), 452: ("change", ((0, 1),)),
        280: ("times", ((0, 1),)), 132: ("change", ((None, 0),)), 235: ("change", ((None, 0),)),
        261: ("times", ((0, 1),)),
    },
    "aarch64": {
        437: ("open", ((0, 1),)), 34: ("make", ((0, 1),)), 33: ("make", ((0, 1),)), 35: ("remove", ((0, 1),)),
        38: ("rename", ((0, 1), (2, 3))), 276: ("rename", ((0, 1), (2, 3))), 37: ("link", ((0, 1), (2, 3))),
        200: ("bind", ((None, 1),)),
        36: ("make", ((1, 2),)), 45: ("change", ((None, 0),)), 52: ("descriptor", ((0, 0),)),
        53: ("change", ((0, 1),)), 452: ("change", ((0, 1),)), 88: ("times", ((0, 1),)),
    },
}  # fmt: skip

_OWN = {
    "/proc/self": "", "/proc/thread-self": "", "/dev/fd": "/fd",
    "/dev/stdin": "/fd/0", "/dev/stdout": "/fd/1", "/dev/stderr": "/fd/2",
}  # fmt: skip


def announce(channel: socket.socket) -> bool:
    """Put the filter on this process and send the supervisor what it is heard by; tell whether it hears everything."""
    listener = _install()
    if listener is None:
        channel.sendall(b"-")
        return False
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))
    channel.sendmsg([b"%d" % os.getpid()], [rights])
    os.close(listener)
    return channel.recv(1) == b"+"


def accept(channel: socket.socket) -> tuple[int | None, bool]:
    """Wait for what a hook's process announces; return the listener, if there is one, and whether it is of use.

    It is of none where this process may not see what others name in their calls (hardened kernels); then the hook takes
    its own changes down, and calls are let go on unheard.
    """
    found = array.array("i")
    data, ancillary, _, _ = channel.recvmsg(16, socket.CMSG_SPACE(found.itemsize))
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(content[: len(content) - len(content) % found.itemsize])
    if not found:
        return None, False
    is_of_use = _may_see(int(data))
    channel.sendall(b"+" if is_of_use else b"-")
    return found[0], is_of_use


def _may_see(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/mem", "rb", buffering=0):
            return bool(os.readlink(f"/proc/{pid}/cwd"))
    except OSError:
        return False


def listen(
    listener: int, heard: Callable[[str, str, str], None], beat: Callable[[], None], is_over: Callable[[], bool]
) -> None:
    """Hear of calls until all processes with the filter have ended: for a thread of its own.

    :param heard: told what is about to be done, to which path, and where it is renamed to (`Journal.hear`).
    :param beat: called about once in a second.
    :param is_over: tells that all processes have ended.
    """
    opens, calls = _OPENS[platform.machine()], _CALLS[platform.machine()]
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    beaten = 0.0
    while True:
        if time.monotonic() - beaten >= 1.0:
            beat()
            beaten = time.monotonic()
        events = poll.poll(1000)
        if not events and is_over():  # kernels before 5.9 do not say that nobody is left
            os.close(listener)
            return
        for _, event in events:
            if not event & select.POLLIN:  # nobody is left
                os.close(listener)
                return
            notice = bytearray(struct.calcsize(_NOTICE))
            try:
                fcntl.ioctl(listener, _RECV, notice)
            except OSError:  # the process has ended meanwhile
                continue
            number, pid, _, call, _, _, *arguments = struct.unpack(_NOTICE, notice)
            try:
                if call in opens:
                    directory, path, flags = opens[call]
                    kind = "open" if arguments[flags] & os.O_CREAT else "change"
                    _tell(pid, kind, ((directory, path),), arguments, heard)
                else:
                    _tell(pid, *calls[call], arguments, heard)
            except (OSError, ValueError, KeyError):  # what cannot be read cannot be opened by the kernel either
                pass
            finally:
                with contextlib.suppress(OSError):
                    fcntl.ioctl(listener, _SEND, bytearray(struct.pack(_ANSWER, number, 0, 0, _CONTINUE)))


def _tell(pid: int, kind: str, places: Any, arguments: list[int], heard: Callable[[str, str, str], None]) -> None:
    if kind == "descriptor" or (kind == "times" and not arguments[places[0][1]]):
        heard("change", os.readlink(f"/proc/{pid}/fd/{_signed(arguments[0])}"), "")
        return
    if kind == "bind":
        address = _memory(pid, arguments[1], min(arguments[2] & 0xFFFFFFFF, 110))
        name = address[2:].partition(b"\0")[0]
        if name and address[:2] == struct.pack("H", socket.AF_UNIX):
            heard("make", _whole(pid, _AT_CWD, os.fsdecode(name)), "")
        return
    paths = [_path(pid, arguments, *place) for place in places]
    heard("change" if kind == "times" else kind, paths[0], paths[1] if len(paths) > 1 else "")


def _path(pid: int, arguments: list[int], directory: int | None, at: int) -> str:
    path = os.fsdecode(_memory(pid, arguments[at], _LONGEST).partition(b"\0")[0])
    return _whole(pid, _AT_CWD if directory is None else _signed(arguments[directory]), path)


def _memory(pid: int, at: int, size: int) -> bytes:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(at)
        return memory.read(size) or b""


def _whole(pid: int, directory: int, path: str) -> str:
    """Return the absolute path of what a process names relative to an open directory."""
    if not os.path.isabs(path):
        base = os.readlink(f"/proc/{pid}/cwd" if directory == _AT_CWD else f"/proc/{pid}/fd/{directory}")
        path = os.path.join(base, path)
    # Names that mean the process which uses them, and would mean this one here.
    for name, meant in _OWN.items():
        if path == name or path.startswith(name + "/"):
            return f"/proc/{pid}{meant}{path[len(name) :]}"
    return path


def _signed(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value & 0x80000000 else value


def _install() -> int | None:
    """Put the filter on this process; return its listener, or ``None`` where that cannot be done."""
    machine = platform.machine()
    if ctypes is None or sys.platform != "linux" or machine not in _MACHINES or struct.calcsize("P") != 8:
        return None
    word, seccomp = _MACHINES[machine]
    # Offsets in what the filter looks at: number 0, machine 4, arguments from 16 on, 8 bytes each.
    lines = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, word), (_RETURN, 0, 0, _ALLOW), (_LOAD, 0, 0, 0)]
    for number in _CALLS[machine]:
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _NOTIFY)]
    for number, (_, _, flags) in _OPENS[machine].items():
        lines += [(_EQUAL, 0, 4, number), (_LOAD, 0, 0, 16 + 8 * flags), (_ANY_BIT, 0, 1, _WRITES)]
        lines += [(_RETURN, 0, 0, _NOTIFY), (_RETURN, 0, 0, _ALLOW)]
    lines.append((_RETURN, 0, 0, _ALLOW))
    code = b"".join(struct.pack("<HBBI", *line) for line in lines)
    held = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxP", len(lines), ctypes.addressof(held))
    library = ctypes.CDLL(None)
    if library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return None
    listener = library.syscall(seccomp, _SET_MODE_FILTER, _NEW_LISTENER, program)
    return int(listener) if listener >= 0 else None
