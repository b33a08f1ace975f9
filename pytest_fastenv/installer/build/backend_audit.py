"""Notice which files a hook reads, which directories it lists and which programs it starts.

Part of `backend_server`: standard library only, Python 3.8 and newer. What is noticed are audit events of the hook's
own process (PEP 578). Of other programs only their names are known, and of a look at a file's status nothing.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_LISTS = frozenset({"os.listdir", "os.scandir"})
_STARTS = frozenset({"os.exec", "os.posix_spawn", "os.spawn"})
_FORKS = frozenset({"os.fork", "os.forkpty"})


class Audit:
    """Listens from `begin` to `end`; there is no way to stop listening for good.

    :param ignored: directories whose contents belong to the build environment or to the hook's own scratch.
    :param heeded: directories below ignored ones that are recorded all the same.
    """

    def __init__(self, ignored: list[str], heeded: list[str]) -> None:
        self._ignored = _both_ways([*ignored, sys.prefix, sys.exec_prefix, sys.base_prefix, "/proc", "/sys", "/dev"])
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
        return not path.startswith(self._ignored) or path.startswith(self._heeded)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._is_on:
            return
        try:
            if event == "open":
                self._open(*args)
            elif event in _LISTS:
                self._listed.add(_path(args[0]))
            elif event == "subprocess.Popen":
                self._programs.add(_program(args[0] or (args[1] if isinstance(args[1], (str, bytes)) else args[1][0])))
            elif event in _STARTS:
                self._programs.add(_program(args[1] if event == "os.spawn" else args[0]))
            elif event == "os.system":
                self._programs.add("sh")
            elif event in _FORKS:
                self._programs.add("fork")
        except (TypeError, ValueError, IndexError, OSError):  # no path, such as a descriptor: a hook must not feel it
            return

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


def _both_ways(places: list[str]) -> tuple[str, ...]:
    """Return beginnings of the paths of what lies in some directories, as they are named and as they are."""
    return tuple({os.path.join(path, "") for place in places for path in (place, os.path.realpath(place))})


def _path(value: Any) -> str:
    if value is None:
        return os.getcwd()
    if isinstance(value, int):  # the list of an open directory
        return os.readlink(f"/proc/self/fd/{value}")
    return os.path.abspath(os.fsdecode(value))


def _program(value: Any) -> str:
    name = os.path.basename(os.fsdecode(value))
    return name[:-4].lower() if name.lower().endswith(".exe") else name


def _source_of(bytecode: str) -> str:
    """Compiled code stands for its source, which the interpreter compares it with."""
    try:
        return importlib.util.source_from_cache(bytecode)
    except ValueError:
        return bytecode
