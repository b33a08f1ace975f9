"""Take down what a build is about to change in a user's own tree, and change it back.

An undo log, written ahead: before a path is changed for the first time, what it was is noted, and an existing file's
content saved. So a tree of any size costs nothing but what is changed in it, and whoever comes after a crash (the
supervisor of the hook, or the next run) has all that is needed. Changing back is idempotent.

Only what the build itself has touched is changed back: a file that its user writes meanwhile is left alone. Who touches
what is told by the kernel (`system_calls`) or by the hook's own process (`backend_audit`), which does not know what
other programs do: for those a list of the tree is made before the first one starts, and what differs is judged
by its looks.

::

    journals/<key of the tree>/scope      the directory it is about
    journals/<key of the tree>/touched    one JSON list a line: a path, and what it was
    journals/<key of the tree>/listed     what the tree held before the first program of unknown doings
    journals/<key of the tree>/saved/     contents of files as they were

Part of `backend_server` as well: standard library only, Python 3.8 and newer.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import stat
import tempfile
import threading
from typing import Any

#: Version control's own files are its own business.
_ADMINISTRATIVE = frozenset({".git", ".hg", ".svn", ".jj", ".bzr"})
_ASIDE = ".fastenv-aside."
_SAVED_BYTES = 1024 * 1024
_ALL_SAVED_BYTES = 128 * 1024 * 1024


class Journal:
    """The changes to one tree; several processes of one build may write it.

    :param directory: of the journal; begun before.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        with open(os.path.join(directory, "scope"), encoding="utf-8", errors="surrogateescape") as file:
            self.tree, self._scope, self._without = file.read().split("\0")
        self._file = os.open(os.path.join(directory, "touched"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._known: set[str] = set()
        self._mutex = threading.RLock()

    @classmethod
    def begin(cls, directory: str, tree: str, scope: str, without: str) -> None:
        """Begin a journal for a build, and move away what earlier builds left that would find its way into this one.

        :param tree: the project's directory, a real path.
        :param scope: the directory around it whose changes count: that of its repository, or the same.
        :param without: a directory that may lie in it and whose changes do not count.
        """
        os.makedirs(os.path.join(directory, "saved"), exist_ok=True)
        text = f"{tree}\0{scope}\0{without}"
        with open(os.path.join(directory, "scope"), "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        journal = cls(directory)
        for place in _left_by_builds(tree):
            head, name = os.path.split(place)
            aside = os.path.join(head, f"{_ASIDE}{os.urandom(4).hex()}.{name}")
            journal._note([place, "aside", aside])
            with contextlib.suppress(OSError):
                os.rename(place, aside)
        journal.close()

    def close(self) -> None:
        """Write no more."""
        os.close(self._file)

    def hear(self, kind: str, path: str, to: str = "") -> None:
        """Take down what is at a path before something is done to it. Idempotent, thread-safe.

        :param kind: ``open`` (a file may be made), ``change`` (what is there), ``make`` (a directory, a link),
            ``remove``, ``rename`` or ``link`` (another name for a file).
        :param path: absolute.
        :param to: where it is renamed to, or the other name.
        """
        if kind == "rename":
            self._rename(path, to)
        elif kind == "link":
            self._touch(path, makes=False)  # what is written to the new name is written to the old one
            self._touch(path, follow=True, makes=False)
            self._touch(to)
        else:
            # A link at the path's end leads to what is opened or changed; it is itself what is made or removed.
            self._touch(path, follow=kind in ("open", "change"), makes=kind in ("open", "make"))

    def _rename(self, path: str, to: str) -> None:
        if not os.path.lexists(path):
            return
        for inner in sorted({"", *_inner(path), *_inner(to)}):  # two directories can change places in one call
            self._touch(os.path.join(path, inner) if inner else path)
            self._touch(os.path.join(to, inner) if inner else to)

    def _touch(self, path: str, *, follow: bool = False, makes: bool = True) -> None:
        if path.startswith(self._without + os.sep) and f"{os.sep}.." not in path:
            return  # the most frequent ones, by far: the build's scratch directory
        head, name = os.path.split(os.path.normpath(path))
        place = os.path.realpath(path) if follow else os.path.join(os.path.realpath(head), name)
        if place in self._known or place.startswith(self._without + os.sep):
            return
        if not place.startswith(self._scope + os.sep):
            if _is_told(place, os.path.dirname(self._scope)):
                self._known.add(place)
                self._note([place, "outside", _changed_ns(place)])
            return
        if not _ADMINISTRATIVE.isdisjoint(place[len(self._scope) + 1 :].split(os.sep)):
            return
        with self._mutex:
            state = self._state(place)
            if makes or state != ["absent"]:  # else what is about to be done will fail
                self._known.add(place)
                self._note([place, *state])

    def before_programs(self) -> None:
        """List the tree before the first program starts of which nobody knows what it will write. Idempotent."""
        target = os.path.join(self.directory, "listed")
        with self._mutex:
            if os.path.exists(target):
                return
            try:
                listed = list(_files(self.tree))
            except OSError:  # what a list has not would be taken for new: without one nothing is judged by its looks
                return
            rows = {}
            room = _ALL_SAVED_BYTES
            for path, status in listed:
                saved = ""
                if stat.S_ISREG(status.st_mode) and status.st_size <= min(_SAVED_BYTES, room):
                    saved = self._save(path)
                    room -= status.st_size
                rows[path] = [
                    status.st_size,
                    status.st_mtime_ns,
                    saved,
                    stat.S_IMODE(status.st_mode),
                    status.st_ctime_ns,
                ]
            temporary = target + ".new"
            with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as file:
                json.dump(rows, file)
            os.replace(temporary, target)

    def is_alive(self) -> None:
        """Leave a sign of life: what is changed later than the last one was not changed by the build."""
        with contextlib.suppress(OSError):
            os.utime(os.path.join(self.directory, "scope"))

    def _state(self, place: str) -> list[Any]:
        try:
            status = os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            return ["absent"]
        except OSError:  # what is absent goes again: this stays
            return ["other"]
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISLNK(status.st_mode):
            return ["link", os.readlink(place), status.st_mtime_ns]
        if stat.S_ISDIR(status.st_mode):
            return ["directory", mode]
        if stat.S_ISREG(status.st_mode):
            return ["file", mode, status.st_size, status.st_mtime_ns, self._save(place), status.st_ino]
        return ["other"]

    def _save(self, place: str) -> str:
        """Save a file's content and return its name, or nothing where that is not possible."""
        name = os.urandom(8).hex()
        try:
            shutil.copy2(place, os.path.join(self.directory, "saved", name))
        except OSError:
            return ""
        return name

    def _note(self, row: list[Any]) -> None:
        os.write(self._file, json.dumps(row).encode() + b"\n")


def _left_by_builds(tree: str) -> list[str]:
    """Return directories that earlier builds left in a tree, and that later ones would take for their own."""
    found = []
    for place in ("build", "", "src", "lib"):
        directory = os.path.join(tree, place) if place else tree
        try:
            names = os.listdir(directory)
        except OSError:
            continue
        for name in names:
            path = os.path.join(directory, name)
            if not os.path.isdir(path) or os.path.islink(path):
                continue
            if place == "build":
                if re.fullmatch(r"lib|lib\..+|temp\..+|bdist\..+|scripts-\d.*|__editable__\..+", name):
                    found.append(path)
            elif _is_stale_metadata(path, name):
                found.append(path)
    return found


def _is_stale_metadata(path: str, name: str) -> bool:
    is_ours = name.startswith(_ASIDE)
    return not is_ours and name.endswith(".egg-info") and os.path.isfile(os.path.join(path, "SOURCES.txt"))


def _is_told(place: str, around: str) -> bool:
    """Tell whether a place outside is near enough to a tree to be its user's work, and no cache or scratch file."""
    if not place.startswith(around.rstrip(os.sep) + os.sep) or "/." in place[len(around) :].replace(os.sep, "/"):
        return False
    if around in {os.path.realpath(tempfile.gettempdir()), os.path.realpath(os.path.expanduser("~")), os.sep}:
        return False  # what else is there has nothing to do with the tree
    return os.path.isdir(os.path.dirname(place)) and not os.path.isdir(place)


def _changed_ns(path: str) -> int:
    try:
        return os.lstat(path).st_ctime_ns
    except OSError:
        return 0


def _inner(path: str) -> list[str]:
    """Return the paths of what lies in a directory, relative to it; of anything else nothing."""
    found: list[str] = []
    if os.path.islink(path):
        return found
    for directory, folders, names in os.walk(path):
        inner = os.path.relpath(directory, path)
        found += [os.path.normpath(os.path.join(inner, name)) for name in (*folders, *names)]
    return found


def _files(tree: str) -> Any:
    """Yield the files of a tree; an error of the system is raised, unless nobody may read there."""

    def refuse(error: OSError) -> None:
        if not isinstance(error, (PermissionError, FileNotFoundError, NotADirectoryError)):
            raise error

    for directory, folders, names in os.walk(tree, onerror=refuse):
        folders[:] = [name for name in folders if name not in _ADMINISTRATIVE]
        for name in names:
            path = os.path.join(directory, name)
            with contextlib.suppress(FileNotFoundError):
                yield path, os.lstat(path)
