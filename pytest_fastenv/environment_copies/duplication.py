"""Copy part of an environment into several places at once: a job for a worker process.

Each directory is looked at once, brought into all places one after the other while everything about it is at hand, and
then looked at again. Files that are linked to the store are linked the same way in the copies; what is an environment's
own is copied. Files that hold a prefix are left to `pytest_fastenv.environment_copies.completion`.
"""

from __future__ import annotations

import os
import stat
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from pytest_fastenv.environment_copies.directory import NOT_FOLLOWED, Directory, opened
from pytest_fastenv.environment_copies.original import read_original
from pytest_fastenv.filesystem import bytecode
from pytest_fastenv.filesystem.file_copies import IMPOSSIBLE, NOT_LINKED, clone, copy


class Part(NamedTuple):
    """Directories to copy.

    :ivar original: prefix of the environment.
    :ivar begin: index of the first directory in its tree.
    :ivar end: index after the last one.
    :ivar targets: prefixes of the copies; the directories are there.
    :ivar folded: relative paths of directories that become one symbolic link each.
    """

    original: str
    begin: int
    end: int
    targets: tuple[str, ...]
    folded: frozenset[str] = frozenset()


def copy_part(part: Part) -> list[bytes]:
    """Copy some directories with their files, and the directories in them without theirs.

    :return: for each copy the mtimes of the directories, as bytes of an ``array("q")``; 0 for folded ones.
    :raises StoreError: a file is not what it was when the environment was made; then the copies are no good.
    :raises OSError: a copy cannot be written.
    """
    copying = _Copying(part)
    with _working_directory():
        for index in range(part.begin, part.end):
            copying.directory(index)
    return [times.tobytes() for times in copying.times]


class Duplicator:
    """Makes files with the content of others and their times of modification.

    :param clones: make clones where the file system has them.
    """

    def __init__(self, *, clones: bool) -> None:
        self._clones = clones

    def file(self, source: str, target: str, mtime_ns: int) -> None:
        """Make one; there must be nothing of that name."""
        if self._clones:
            try:
                clone(source, target)
            except OSError as error:
                if error.errno not in IMPOSSIBLE:
                    raise
                self._clones = False
        if not self._clones:
            copy(source, target)
        os.utime(target, ns=(mtime_ns, mtime_ns))


def symlink(leads_to: str, target: str, mtime_ns: int) -> None:
    """Make a symbolic link with a time of modification, where the system can set that."""
    os.symlink(leads_to, target)
    if os.utime in os.supports_follow_symlinks:
        os.utime(target, ns=(mtime_ns, mtime_ns), follow_symlinks=False)


class _Contents(NamedTuple):
    """The files of one directory by what is done with them.

    :ivar linked: what gets one more name: files of the store, and symbolic links to them.
    :ivar links: symbolic ones that lead into the environment by its path, with that and their mtimes.
    :ivar own: with their mtimes.
    :ivar compiled: names in ``__pycache__``.
    """

    linked: list[str]
    links: list[tuple[str, str, int]]
    own: list[tuple[str, int]]
    compiled: list[str]

    def add(self, name: str, status: os.stat_result, directory: Directory) -> None:
        if stat.S_ISLNK(status.st_mode) and directory.leads_within(name):
            self.links.append((name, directory.readlink(name), status.st_mtime_ns))
        elif status.st_nlink > 1 or stat.S_ISLNK(status.st_mode):
            self.linked.append(name)
        else:
            self.own.append((name, status.st_mtime_ns))


class _Copying:
    """One part on its way.

    :ivar times: as `copy_part` returns them.
    """

    def __init__(self, part: Part) -> None:
        self._original = read_original(part.original)
        self._part = part
        self._shares_bytecode = self._original.link.shares_files
        self._duplicator = Duplicator(clones=self._original.link.clones_own_files)
        self.times = [array("q") for _ in part.targets]

    def directory(self, index: int) -> None:
        """Bring one directory into all copies."""
        if self._part.folded and self._original.top(self._original.path(index)) in self._part.folded:
            for times in self.times:
                times.append(0)
            return
        with opened(self._original, index) as directory:
            contents = self._look(directory)
            for target, times in zip(self._part.targets, self.times, strict=True):
                _enter(f"{target}/{directory.path}")
                self._fill(directory, contents, target)
                times.append(os.stat(".").st_mtime_ns)
            directory.statuses()  # what was edited since the first look has reached the copies

    def _look(self, directory: Directory) -> _Contents:
        """Look at a directory, and compare it with what it was."""
        contents = _Contents([], [], [], [])
        sources: dict[str, tuple[int, int]] = {}
        for name, status in zip(directory.names, directory.statuses(), strict=True):
            if self._original.is_own(directory.path, name):
                continue
            contents.add(name, status, directory)
            if name.endswith(".py"):
                sources[name] = (status.st_size, status.st_mtime_ns)
        cached = False
        with os.scandir(directory.place) as entries:
            for entry in entries:
                if entry.name == bytecode.CACHE:
                    cached = True
                elif entry.name.endswith(".pyc") and entry.name[:-1] not in sources:
                    # A module that came compiled only; the tree leaves it out, as it does all bytecode.
                    contents.add(entry.name, os.lstat(entry.path), directory)
        if cached and sources:
            contents.compiled.extend(bytecode.valid(directory.place, sources))
        return contents

    def _fill(self, directory: Directory, contents: _Contents, target: str) -> None:
        """Bring a directory's files into the working directory, and make the directories in it."""
        self._make_directories(directory.path, target)
        if contents.compiled:
            self._fill_cache(directory.place, contents.compiled)
        for name, leads_to, mtime_ns in contents.links:
            symlink(self._original.led(leads_to, target), name, mtime_ns)
        for name, mtime_ns in contents.own:
            self._duplicator.file(f"{directory.place}/{name}", name, mtime_ns)
        lead, options, link = directory.lead, directory.link_options, os.link
        for name in contents.linked:
            try:
                link(lead + name, name, **options)
            except OSError as error:
                self._duplicate_after(error, f"{directory.place}/{name}", name)

    def _make_directories(self, path: str, target: str) -> None:
        for name in self._original.below.get(path, ()):
            inner = f"{path}/{name}" if path else name
            if inner in self._part.folded:
                self._fold(inner, name, target)
                continue
            with suppress(FileExistsError):  # another process needed it
                os.mkdir(name)

    def _fold(self, path: str, name: str, target: str) -> None:
        """Make a symbolic link for a directory, or one more name for the first copy's symbolic link."""
        first = self._part.targets[0]
        if target != first:
            with suppress(OSError):
                os.link(f"{first}/{path}", name, **NOT_FOLLOWED)
                return
        os.symlink(f"{self._original.prefix}/{path}", name)

    def _fill_cache(self, place: str, names: list[str]) -> None:
        os.mkdir(bytecode.CACHE)
        for name in names:
            source, target = f"{place}/{bytecode.CACHE}/{name}", f"{bytecode.CACHE}/{name}"
            with suppress(FileNotFoundError):  # removed just now by another program
                if not self._shares_bytecode:
                    self._duplicator.file(source, target, os.stat(source).st_mtime_ns)
                    continue
                try:
                    os.link(source, target)
                except OSError as error:
                    self._duplicate_after(error, source, target)

    def _duplicate_after(self, error: OSError, source: str, target: str) -> None:
        """Make a file with an inode of its own where none can be linked (too many links, no links at all)."""
        if error.errno not in NOT_LINKED:
            raise error
        status = os.lstat(source)
        if stat.S_ISLNK(status.st_mode):
            symlink(os.readlink(source), target, status.st_mtime_ns)
        else:
            self._duplicator.file(source, target, status.st_mtime_ns)


def _enter(place: str) -> None:
    """Make a copy's directory the working directory: names without paths are quickest."""
    try:
        os.chdir(place)
    except FileNotFoundError:  # the process that copies the directory above it was not as quick
        os.makedirs(place, exist_ok=True)
        os.chdir(place)


@contextmanager
def _working_directory() -> Iterator[None]:
    """Return to the working directory at the end, or to the root where it is gone."""
    try:
        before = os.getcwd()
    except FileNotFoundError:
        before = os.path.abspath(os.sep)
    try:
        yield
    finally:
        os.chdir(before)
