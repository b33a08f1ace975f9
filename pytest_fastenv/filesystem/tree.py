"""Take down what a directory tree holds, and find out whether it still does: names, sizes, times, modes, owners.

Left out: ``__pycache__`` and ``*.pyc``, which running programs write, and what lies in ``.fastenv``. A symbolic link to
a file is taken as that file: writing through the link changes what the tree holds. Any other symbolic link is taken as
a link.

A comparison looks at every file, but not at every directory's list: a directory whose own time is unchanged has the
same names in it. That, and a second process for one half where there is a second processor, makes 23,000 files a matter
of 50 ms; nearly all of it is time in the kernel.

Standard library only: this module is on the warm path.
"""

from __future__ import annotations

import functools
import os
import stat
import sys
import threading
import warnings
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

OWN_DIRECTORY = ".fastenv"
_BYTECODE = "__pycache__"
_HEADER = b"fastenv-tree 2\n"
PER_FILE = 3
"""How many numbers of a tree belong to each file."""
#: Below this many files, a second process costs more than it gains.
_WORTH_FORKING = 4000
_OPEN_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True, slots=True)
class Tree:
    """The contents of a directory.

    :ivar directories: for each one its relative path (empty for the root itself) and the sorted names of the files
        and links in it, joined by NUL. They are split when they are looked at, each half in its own process.
    :ivar numbers: for each directory its mtime, then size, mtime and `access` of each of its files; times in
        nanoseconds.
    """

    directories: tuple[str, ...]
    numbers: array[int]

    @property
    def file_count(self) -> int:
        """How many files and links there are."""
        return (len(self.numbers) - len(self.directories)) // PER_FILE

    @property
    def paths(self) -> set[str]:
        """The relative paths of all directories."""
        return {block.partition("\0")[0] for block in self.directories}

    def encode(self) -> bytes:
        """Return it as bytes, in a form that is quick to read."""
        text = "\0\0".join(self.directories).encode("utf-8", "surrogateescape")
        numbers = array("q", self.numbers)
        if sys.byteorder == "big":
            numbers.byteswap()
        return b"%s%d\n%s%s" % (_HEADER, len(text), text, numbers.tobytes())

    @classmethod
    def decode(cls, content: bytes) -> Tree:
        """Read what `encode` gave.

        :raises ValueError: it is something else, or not all of it.
        """
        if not content.startswith(_HEADER):
            msg = "not the record of a directory tree"
            raise ValueError(msg)
        begin = content.index(b"\n", len(_HEADER)) + 1
        end = begin + int(content[len(_HEADER) : begin])
        text = content[begin:end].decode("utf-8", "surrogateescape")
        directories = tuple(text.split("\0\0"))
        numbers = array("q")
        numbers.frombytes(content[end:])  # a ValueError when it was cut off within a number
        if sys.byteorder == "big":
            numbers.byteswap()
        files = text.count("\0") + 2 - 2 * len(directories)
        if len(numbers) != len(directories) + PER_FILE * files:
            msg = "the record of a directory tree is cut off"
            raise ValueError(msg)
        return cls(directories, numbers)


def access(status: os.stat_result) -> int:
    """Return who may do what with a file, as one number below 2**63: type and mode, and who owns it."""
    return status[0] | (status[4] & 0xFFFFFF) << 16 | (status[5] & 0x7FFFFF) << 40  # the quickest way to these fields


def numbers_of(status: os.stat_result) -> tuple[int, int, int]:
    """Return what a tree knows of a file."""
    return status.st_size, status.st_mtime_ns, access(status)


def told_access(before: int, now: int) -> str:
    """Say how `access` of a file differs (``is of mode 000, not 644``)."""
    if before & 0xFFFF != now & 0xFFFF:
        return f"is of mode {stat.S_IMODE(now & 0xFFFF):03o}, not {stat.S_IMODE(before & 0xFFFF):03o}"
    return "has another owner"


def snapshot(root: str | os.PathLike[str]) -> Tree:
    """Take down what a directory holds now.

    :raises OSError: it cannot be read, or changes meanwhile.
    """
    directories: list[str] = []
    numbers = array("q")
    waiting = [""]
    while waiting:
        path = waiting.pop()
        place = os.path.join(root, path) if path else os.fspath(root)
        before = os.stat(place).st_mtime_ns  # before reading: what comes between makes the comparison look again
        files, below = listing(place, path)
        names = sorted(files)
        numbers.append(before)
        numbers.extend(look(place, names)[1:])
        directories.append("\0".join((path, *names)))
        waiting.extend(sorted(below, reverse=True))
    return Tree(tuple(directories), numbers)


def first_change(root: str | os.PathLike[str], tree: Tree, *, halved: bool | None = None) -> str | None:
    """Return what is different now, in a few words (``django/conf/__init__.py changed since``), or ``None``.

    Costs two calls of the operating system for each directory and one for each file.

    :param halved: a forked child compares one half; by default where the tree is large and forking is harmless.
    """
    comparison = _Comparison(os.fspath(root), tree)
    count = len(tree.directories)
    if halved is None:
        halved = tree.file_count >= _WORTH_FORKING and _may_fork()
    if not halved:
        return comparison.run(range(count))
    middle, position = _middle(tree)
    return _both(lambda: comparison.run(range(middle)), lambda: comparison.run(range(middle, count), position))


def is_bytecode(path: str) -> bool:
    """Tell whether a file or directory is what running programs write, and no part of a tree."""
    return path.endswith(".pyc") or (_BYTECODE in path and _BYTECODE in path.split("/"))


def listing(place: str, path: str) -> tuple[set[str], set[str]]:
    """Return the names of files and links in a directory, and the paths of the directories below it."""
    files, below = set(), set()
    with os.scandir(place) as entries:
        for entry in entries:
            name = entry.name
            if entry.is_dir(follow_symlinks=False):
                if name != _BYTECODE and (path or name != OWN_DIRECTORY):
                    below.add(f"{path}/{name}" if path else name)
            elif not name.endswith(".pyc"):
                files.add(name)
    return files, below


def _look_below(place: str, files: Sequence[str]) -> array[int]:
    """Return a directory's mtime and its files' numbers, asking below an open directory: shorter ways."""
    directory = os.open(place, _OPEN_DIRECTORY)
    try:
        values = [os.fstat(directory).st_mtime_ns]
        for name in files:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                status = behind(status, name, dir_fd=directory)
            values += numbers_of(status)
    finally:
        os.close(directory)
    return array("q", values)


def _look_at_paths(place: str, files: Sequence[str]) -> array[int]:
    values = [os.lstat(place).st_mtime_ns]
    for name in files:
        status = os.lstat(f"{place}/{name}")
        if stat.S_ISLNK(status.st_mode):
            status = behind(status, f"{place}/{name}")
        values += numbers_of(status)
    return array("q", values)


def behind(status: os.stat_result, link: str, dir_fd: int | None = None) -> os.stat_result:
    """Return the status of the file that a symbolic link leads to; the link's own where it leads to none.

    :param status: of the link.
    :param dir_fd: the open directory that the link's path is relative to.
    """
    try:
        found = os.stat(link, dir_fd=dir_fd)
    except OSError:
        return status
    return found if stat.S_ISREG(found.st_mode) else status


look: Callable[[str, Sequence[str]], array[int]]
"""Return a directory's mtime and the numbers of its files, of which the names are given."""
look = _look_below if os.open in os.supports_dir_fd and os.stat in os.supports_dir_fd else _look_at_paths


class _Comparison:
    """One tree against one directory; each half may run in a process of its own."""

    def __init__(self, root: str, tree: Tree) -> None:
        self._root = root
        self._tree = tree

    def run(self, indexes: range, position: int = 0) -> str | None:
        """Compare some of the directories, and return the first difference.

        :param position: where the first of them begins in the tree's numbers.
        """
        numbers = self._tree.numbers
        for index in indexes:
            path, *files = self._tree.directories[index].split("\0")
            end = position + 1 + PER_FILE * len(files)
            try:
                found = look(f"{self._root}/{path}", files)
            except FileNotFoundError as error:
                name = os.path.basename(error.filename)  # with directory descriptors it is no more than that
                return f"{_join(path, name if name in files else None)} is missing"
            except NotADirectoryError:
                return f"{path} is no directory any more"
            except OSError as error:
                return f"{path or self._root} cannot be read ({error.strerror})"
            if found != numbers[position:end]:
                change = self._change(path, files, found, numbers[position:end])
                if change is not None:
                    return change
            position = end
        return None

    def _change(self, path: str, files: list[str], found: array[int], expected: array[int]) -> str | None:
        """Say what differs in one directory; ``None`` when only its own time does, as after writing bytecode."""
        for offset, name in enumerate(files):
            first, end = 1 + PER_FILE * offset, 1 + PER_FILE * (offset + 1)
            size, mtime_ns, before = numbers = expected[first:end]
            if found[first:end] != numbers and not self._is_the_link(_join(path, name), numbers):
                same = found[first : end - 1] == array("q", (size, mtime_ns))
                how = told_access(before, found[end - 1]) if same else "changed since"
                return f"{_join(path, name)} {how}"
        names, below = listing(os.path.join(self._root, path) if path else self._root, path)
        new = sorted(names.difference(files)) or sorted(os.path.basename(place) for place in below - self._paths)
        return f"{_join(path, new[0])} is new" if new else None

    def _is_the_link(self, path: str, numbers: array[int]) -> bool:
        """Tell whether numbers are those of a link that led to nothing when they were taken: to where a draft goes."""
        status = os.lstat(f"{self._root}/{path}")
        return stat.S_ISLNK(status.st_mode) and numbers_of(status) == tuple(numbers)

    @functools.cached_property
    def _paths(self) -> set[str]:
        return self._tree.paths


def _join(path: str, name: str | None) -> str:
    return "/".join(filter(None, (path, name))) or "the directory"


def _middle(tree: Tree) -> tuple[int, int]:
    """Return the index of the directory that halves the work, and where its numbers begin."""
    half, position = len(tree.numbers) // 2, 0
    for index, block in enumerate(tree.directories):
        if position >= half:
            return index, position
        position += 1 + PER_FILE * block.count("\0")
    return len(tree.directories), position


def _may_fork() -> bool:
    """Tell whether a child can be forked for a moment: not among threads, nor on macOS, whose libraries forbid it."""
    if not sys.platform.startswith("linux") or threading.active_count() > 1:
        return False
    return len(os.sched_getaffinity(0)) > 1


def _both(first: Callable[[], str | None], second: Callable[[], str | None]) -> str | None:
    """Run two comparisons at once, the first in a forked child; where the child fails, here."""
    reading, writing = os.pipe()
    try:
        with warnings.catch_warnings():
            # A thread that some library started in the background does not matter: the child takes no lock of it.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        return first() or second()
    if child == 0:
        code = 1
        try:
            change = first()
            os.write(writing, b"=" if change is None else b"!" + change.encode("utf-8", "surrogateescape"))
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    try:
        theirs = second()
        answer = b""
        while chunk := os.read(reading, 65536):
            answer += chunk
    finally:
        os.close(reading)
        with suppress(ChildProcessError):
            os.waitpid(child, 0)
    if not answer:
        return first() or theirs
    return answer[1:].decode("utf-8", "surrogateescape") if answer[:1] == b"!" else theirs
