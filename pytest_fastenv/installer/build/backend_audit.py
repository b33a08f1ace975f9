"""Notice which files a hook reads, which directories it lists and which programs it starts.

Part of `backend_server`: standard library only, Python 3.8 and newer. What is noticed are audit events of the hook's
own process (PEP 578). Of other programs only their names are known, and of a look at a file's status nothing.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_LISTS = frozenset({"os.listdir", "os.scandir"})
_STARTS = frozenset({"os.exec", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen"})
_WRITES_NOTHING = frozenset({"git", "hg", "svn", "jj", "fossil", "darcs", "bzr", "uname", "ldconfig"})
#: What is done, and which argument is the descriptor of the directory that a relative path is below.
_CHANGES = {
    "os.mkdir": ("make", 2),
    "os.remove": ("remove", 1),
    "os.rmdir": ("remove", 1),
    "os.truncate": ("change", 0),
    "os.chmod": ("change", 2),
    "os.utime": ("change", 3),
}
_FORKS = frozenset({"os.fork", "os.forkpty"})


#: Below the directory of devices, and a place for files, where people have projects, too.
_NO_DEVICES = "/dev/shm/"  # noqa: S108 - nothing is written there


class Audit:
    """Listens from `begin` to `end`; there is no way to stop listening for good.

    :param ignored: directories whose contents belong to the build environment or to the hook's own scratch.
    :param heeded: directories below ignored ones that are recorded all the same.
    :param journal: hears of changes before they are made (`tree_journal`), where the kernel does not tell them.
    """

    def __init__(self, ignored: list[str], heeded: list[str], journal: Any = None) -> None:
        self._journal = journal
        self._is_noting = threading.local()
        self._ignored = _both_ways([*ignored, sys.prefix, sys.exec_prefix, sys.base_prefix, "/proc", "/sys"])
        self._heeded = _both_ways(heeded)
        self._is_on = False
        self._read: set[str] = set()
        self._listed: set[str] = set()
        self._written: set[str] = set()
        self._programs: set[str] = set()

    def begin(self) -> None:
        """Listen from now on."""
        self._is_on = True
        if hasattr(sys, "addaudithook"):
            sys.addaudithook(self._hear)

    def end(self) -> dict[str, Any]:
        """Return what was noticed, as JSON can hold it.

        ``is_complete`` is false where the interpreter does not tell all of it.
        """
        self._is_on = False
        return {
            "read": sorted(filter(self._matters, self._read)),
            "listed": sorted(filter(self._matters, self._listed)),
            "written": sorted(filter(self._matters, self._written)),
            "programs": sorted(self._programs),
            "is_complete": sys.implementation.name == "cpython" and hasattr(sys, "addaudithook"),
        }

    def _matters(self, path: str) -> bool:
        is_device = path.startswith("/dev/") and not path.startswith(_NO_DEVICES)
        return not (is_device or path.startswith(self._ignored)) or path.startswith(self._heeded)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if self._journal is not None and not getattr(self._is_noting, "now", False):
            self._note(event, args)
        if not self._is_on or getattr(self._is_noting, "now", False):
            return
        try:
            if event == "open":
                self._open(*args)
            elif event in _LISTS:
                self._listed.add(_path(args[0]))
            elif event in _STARTS:
                self._programs.add(_program(event, args))
            elif event in _FORKS:
                self._programs.add("fork")
        except (TypeError, ValueError, IndexError, OSError):  # no path, such as a descriptor: a hook must not feel it
            return

    def _note(self, event: str, args: tuple[Any, ...]) -> None:
        """Tell the journal what is about to be done; what it does itself is not heard."""
        self._is_noting.now = True
        try:
            if event == "open" and isinstance(args[2], int) and args[2] & _WRITES and not isinstance(args[0], int):
                self._journal.hear("open" if args[2] & os.O_CREAT else "change", _path(args[0]))
            elif event == "os.rename":
                self._journal.hear("rename", _below(args[0], args[2]), _below(args[1], args[3]))
            elif event == "os.link":
                self._journal.hear("link", _below(args[0], args[2]), _below(args[1], args[3]))
            elif event == "os.symlink":
                self._journal.hear("make", _below(args[1], args[2]))
            elif event == "socket.bind" and isinstance(args[1], (str, bytes)) and os.fsencode(args[1])[:1] != b"\0":
                self._journal.hear("make", _path(args[1]))
            elif event in _CHANGES:
                kind, at = _CHANGES[event]
                self._journal.hear(kind, _below(args[0], args[at] if at else -1))
            elif event in _STARTS and _program(event, args) not in _WRITES_NOTHING:
                self._journal.before_programs()
        except (TypeError, ValueError, IndexError, OSError):
            return
        finally:
            self._is_noting.now = False

    def _open(self, path: Any, mode: Any, flags: Any) -> None:
        if isinstance(path, int):
            return  # opened before, with a name
        name = _path(path)
        if isinstance(mode, str):
            writes = not set("wax+").isdisjoint(mode)
        else:
            writes = isinstance(flags, int) and bool(flags & _WRITES)
        if writes:
            self._written.add(name)
        elif name.endswith(".pyc"):
            self._read.add(_source_of(name))
        else:
            self._read.add(name)


def _below(path: Any, directory: Any) -> str:
    """Return the absolute path of what is named relative to an open directory, if it is."""
    name = path if isinstance(path, int) else os.fsdecode(path)
    if isinstance(name, int) or directory == -1 or os.path.isabs(name):
        return _path(name)
    return os.path.join(_path(directory), name)


def _both_ways(places: list[str]) -> tuple[str, ...]:
    """Return beginnings of the paths of what lies in some directories, as they are named and as they are."""
    return tuple({os.path.join(path, "") for place in places for path in (place, os.path.realpath(place))})


def _path(value: Any) -> str:
    if value is None:
        return os.getcwd()
    if isinstance(value, int):  # the list of an open directory
        return os.readlink(f"/proc/self/fd/{value}")
    return os.path.abspath(os.fsdecode(value))


def _program(event: str, args: tuple[Any, ...]) -> str:
    if event == "os.system":
        return "sh"
    value = args[1] if event == "os.spawn" else args[0]
    if event == "subprocess.Popen" and not value:
        value = args[1] if isinstance(args[1], (str, bytes)) else args[1][0]
    name = os.path.basename(os.fsdecode(value))
    return name[:-4].lower() if name.lower().endswith(".exe") else name


def _source_of(bytecode: str) -> str:
    """Compiled code stands for its source, which the interpreter compares it with."""
    try:
        return importlib.util.source_from_cache(bytecode)
    except ValueError:
        return bytecode
