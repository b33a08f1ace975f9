"""Find out which tests edit installed files in place.

Where an environment shares its files with the store and so with others (hard links, symbolic links), what is written
into such a file reaches all of them. Python tells an audit hook (PEP 578) about every file that it opens; what
processes started by tests did is seen afterwards.

A file that is replaced or removed, and what is installed anew, concerns only the environment where it happens.
"""

from __future__ import annotations

import os
import stat
import sys
from array import array
from contextlib import contextmanager
from typing import Any, Iterator, NamedTuple

import pytest

_WRITING = os.O_WRONLY | os.O_RDWR
_STARTING = frozenset(
    {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn"}
)
_MOST = 1000
_OWN_DIRECTORY = ".fastenv"
#: How many numbers the record has of each file.
_PER_FILE = 3
#: What changes a file that is there, and is given its path or its descriptor first.
_CHANGING = frozenset({"os.truncate", "os.chmod", "os.chown", "os.utime"})


class Edit(NamedTuple):
    """An installed file that was edited in place.

    :ivar path: relative to the environment.
    :ivar test: node id of the test that was running; empty outside of tests, and where that is not known.
    :ivar shared: other environments have the same file.
    """

    path: str
    test: str
    shared: bool


def shares_files(prefix: str) -> bool:
    """Say whether an environment's files are those of the store, by one look at a file that every environment has."""
    path = pytest.__file__
    status = os.lstat(path)
    return stat.S_ISLNK(status.st_mode) or status.st_nlink > 1 or not _below(os.path.realpath(path), prefix)


class Watch:
    """Notes edits by this process, from `begin` to `end`.

    What is called for each event takes about 0.15 µs, and about 60 events happen in a small test.
    Python cannot take an audit hook away: after `end` it stays and does nothing.

    :ivar edits: by path.
    :ivar started: whether a process was started: what it edits is not seen.
    """

    def __init__(self, prefix: str) -> None:
        self.edits: dict[str, Edit] = {}
        self.started = False
        self._real = os.path.join(os.path.realpath(prefix), "")
        roots = {os.path.join(prefix, ""), self._real}
        store = _store_of_links()
        self._roots = tuple(roots | {store}) if store else tuple(roots)
        self._on = False

    def begin(self) -> None:
        """Watch from now on."""
        self._on = True
        others = {
            **dict.fromkeys(_CHANGING, lambda arguments: self._wrote(arguments[0])),
            "os.remove": lambda arguments: self._replaced(arguments[0]),
            "os.rename": self._renames,
            **dict.fromkeys(_STARTING, self._starts),
        }
        wrote = self._wrote

        def hook(event: str, arguments: Any) -> None:
            if event == "open":
                if arguments[2] & _WRITING and not arguments[2] & os.O_EXCL:
                    wrote(arguments[0])
            elif event in others:
                others[event](arguments)

        sys.addaudithook(hook)

    def end(self) -> None:
        """Watch no longer."""
        self._on = False

    def _renames(self, arguments: Any) -> None:
        self._replaced(arguments[0])
        self._replaced(arguments[1])

    def _starts(self, _arguments: Any) -> None:
        self.started = True

    def _wrote(self, given: Any) -> None:
        """Note that a file is opened for writing, if it is an installed one."""
        path = self._watched(given)
        if path is None:
            return
        try:
            status = os.stat(path)
        except OSError:  # a new one: it matters where it will lie
            self._replaced(given)
            return
        real = os.path.realpath(path)
        self._note(path, status.st_nlink > 1 or not real.startswith(self._real))

    def _replaced(self, given: Any) -> None:
        """Note that a directory's contents change, if that directory belongs to the store."""
        path = self._watched(given)
        if path is not None and not os.path.realpath(os.path.dirname(path)).startswith(self._real.rstrip(os.sep)):
            self._note(path, shared=True)

    def _watched(self, given: Any) -> str | None:
        if not self._on or isinstance(given, int):  # a descriptor: it was opened before
            return None
        try:
            path = os.path.abspath(os.fsdecode(given))
        except (TypeError, OSError):  # no path at all, or relative to a directory that is gone
            return None
        if not path.startswith(self._roots) or "__pycache__" in path or path.endswith(".pyc") or "\0" in path:
            return None
        return path

    def _note(self, path: str, shared: bool) -> None:
        relative = self._relative(path)
        known = self.edits.get(relative)
        if relative.startswith(_OWN_DIRECTORY) or (known is None and len(self.edits) >= _MOST):
            return
        if known is None or (shared and not known.shared):
            test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
            self.edits[relative] = Edit(relative, test, shared)

    def _relative(self, path: str) -> str:
        for root in self._roots:
            if path.startswith(root):
                return path[len(root) :].replace(os.sep, "/")
        return path


def shared_changes(prefix: str) -> Iterator[str]:
    """Yield the relative paths of files that an environment shares with others and that are not as they were.

    Looks at each of its files (6 µs a file, with symbolic links 12), so it is for sessions whose tests started
    processes.
    """
    for directory, names, of_all in _recorded(prefix):
        with _standing_in("{}/{}".format(prefix, directory)) as (before, options):
            for index, name in enumerate(names):
                try:
                    status = os.stat(before + name, follow_symlinks=False, **options)
                    shared = status.st_nlink > 1
                    numbers = of_all[_PER_FILE * index : _PER_FILE * (index + 1)]
                    known = _numbers_of(status) == numbers
                    if not known and stat.S_ISLNK(status.st_mode):
                        # The numbers of a link are those of the file that it leads to, if there was one.
                        status = os.stat(before + name, **options)
                        shared = stat.S_ISREG(status.st_mode)
                        known = _numbers_of(status) == numbers
                    edited = shared and not known
                except OSError:  # removed, perhaps with its directory: that concerns this environment alone
                    continue
                if edited:
                    yield "{}/{}".format(directory, name) if directory else name


def _recorded(prefix: str) -> Iterator[tuple[str, list[str], array[int]]]:
    """Yield each directory with the names of its files, and their numbers as they were when all that was made.

    Nothing when the record cannot be read: `pytest_fastenv.filesystem.tree` tells what is in it.
    """
    try:
        with open("{}/{}/tree".format(prefix, _OWN_DIRECTORY), "rb") as file:
            content = file.read()
        _, length, rest = content.split(b"\n", 2)
        end = int(length)
        numbers = array("q")
        numbers.frombytes(rest[end:])
    except (OSError, ValueError):
        return
    if sys.byteorder == "big":
        numbers.byteswap()
    position = 0
    for block in rest[:end].decode("utf-8", "surrogateescape").split("\0\0"):
        directory, *names = block.split("\0")
        begin, position = position + 1, position + 1 + _PER_FILE * len(names)
        yield directory, names, numbers[begin:position]


def _numbers_of(status: os.stat_result) -> array[int]:
    """Return what the record has of a file, with the same numbers as `pytest_fastenv.filesystem.tree`."""
    access = status.st_mode | (status.st_uid & 0xFFFFFF) << 16 | (status.st_gid & 0x7FFFFF) << 40
    return array("q", (status.st_size, status.st_mtime_ns, access))


@contextmanager
def _standing_in(directory: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give what goes before names in a directory, and with them to `os.stat`: the shortest way to its files."""
    if os.stat not in os.supports_dir_fd or os.stat not in os.supports_follow_symlinks:
        yield directory + os.sep, {}
        return
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield directory + os.sep, {}
        return
    try:
        yield "", {"dir_fd": descriptor}
    finally:
        os.close(descriptor)


def _store_of_links() -> str | None:
    """Return the directory with unpacked wheels, where files are symbolic links into it.

    ``<directory>/<two digits>/<digest>/tree/pytest/__init__.py`` is what pytest is then.
    """
    real = os.path.realpath(pytest.__file__)
    if real == os.path.abspath(pytest.__file__) or os.path.basename(real) != "__init__.py":
        return None
    tree = os.path.dirname(os.path.dirname(real))
    if os.path.basename(tree) != "tree":
        return None
    return os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(tree))), "")


def _below(path: str, prefix: str) -> bool:
    return path.startswith(os.path.join(os.path.realpath(prefix), ""))
