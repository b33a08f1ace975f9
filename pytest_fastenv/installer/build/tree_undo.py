"""Change back what a build has changed in a user's own tree, as its journal tells (`tree_journal`).

Idempotent: where that is cut short, it is begun again. What was changed after the build's end is another's and stays.

Part of `backend_server` as well: standard library only, Python 3.8 and newer.
"""

from __future__ import annotations

import contextlib
import filecmp
import json
import os
import re
import shutil
import stat
from typing import Any

_ASIDE = ".fastenv-aside."
_ADMINISTRATIVE = frozenset({".git", ".hg", ".svn", ".jj", ".bzr"})
#: What nobody writes by hand.
_PRODUCT = re.compile(
    r".+\.(?:so|pyd|dylib|dll|o|obj|a|lib|exp|pdb|d|dwo|ii|pyc|pyo|log|mo|whl|tar\.gz|rlib|rmeta|stamp|class|jar)|.+_pb2(?:_grpc)?\.pyi?"
    r"|Cargo\.lock|CACHEDIR\.TAG|CMakeCache\.txt|build\.ninja|\.ninja_log|config\.(?:status|cache)|\.rustc_info\.json"
)
#: A clock of files may be behind that of the last sign of life.
_SLACK_NS = 2 * 10**9


def undo(directory: str, *, after_crash: bool = False) -> list[str]:
    """Change back what a build changed, and end its journal; return paths of which that was not possible.

    :param directory: of the journal; nothing happens where none is there.
    :param after_crash: the journal was left by a build that was killed: what was changed after its last sign of life is
        another's.
    """
    if not os.path.exists(os.path.join(directory, "scope")):
        shutil.rmtree(directory, ignore_errors=True)
        return []
    until = os.stat(os.path.join(directory, "scope")).st_mtime_ns + _SLACK_NS if after_crash else None
    journal = _Undo(directory, until)
    left = journal.run()
    ended = f"{directory}.{os.urandom(4).hex()}"
    os.rename(directory, ended)  # gone at once: half of a journal is none
    shutil.rmtree(ended, ignore_errors=True)
    return left


class _Undo:
    """One changing back."""

    def __init__(self, directory: str, until: int | None) -> None:
        self._directory = directory
        self._saved = os.path.join(directory, "saved")
        self._until = until
        self._left: list[str] = []
        self._asides: dict[str, str] = {}
        self._rows: dict[str, list[Any]] = {}
        for path, kind, *rest in _lines(os.path.join(directory, "touched")):
            if kind == "aside":
                self._asides[path] = rest[0]
            else:
                self._rows.setdefault(path, [kind, *rest])

    def run(self) -> list[str]:
        self._judge_programs()
        for path in sorted(self._rows, key=_depth, reverse=True):
            if self._rows[path][0] == "absent":
                self._attempt(self._remove, path)
        for path in sorted(self._rows, key=_depth):
            kind, *rest = self._rows[path]
            if kind in ("file", "link", "directory"):
                self._attempt(getattr(self, "_restore_" + kind), path, *rest)
            elif kind == "outside" and _is_changed(path, *rest):
                self._left.append(path)
        for path, aside in self._asides.items():
            self._attempt(self._move_back, path, aside)
        return sorted(set(self._left))

    def _attempt(self, action: Any, path: str, *details: Any) -> None:
        try:
            action(path, *details)
        except OSError:
            self._left.append(path)

    def _is_anothers(self, path: str) -> bool:
        """Tell whether something was changed after the build's end; it stays as it is then."""
        if self._until is None or os.lstat(path).st_ctime_ns <= self._until:
            return False
        self._left.append(path)
        return True

    def _remove(self, path: str) -> None:
        if not os.path.lexists(path):
            return
        if not os.path.isdir(path) or os.path.islink(path):
            if not self._is_anothers(path):
                os.unlink(path)
        elif not os.listdir(path):
            os.rmdir(path)
        # Else somebody else has put something into it.

    def _restore_file(self, path: str, mode: int, size: int, mtime_ns: int, saved: str, inode: int = 0) -> None:
        is_shared = False
        if os.path.lexists(path):
            now = os.lstat(path)
            looks_alike = (stat.S_IFREG | mode, size, mtime_ns) == (now.st_mode, now.st_size, now.st_mtime_ns)
            if looks_alike and self._holds_what_it_held(path, saved):
                return
            if self._is_anothers(path):
                return
            is_shared = stat.S_ISREG(now.st_mode) and now.st_ino == inode and now.st_nlink > 1
        if not saved:
            self._left.append(path)
            return
        kept = os.path.join(self._saved, saved)
        if is_shared:  # its other names, too, are to lead to what it was
            os.chmod(path, mode | stat.S_IWUSR)
            shutil.copyfile(kept, path)
            _set_mode_and_time(path, mode, mtime_ns)
            return
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _clear(path)
        temporary = os.path.join(os.path.dirname(path), _ASIDE + os.path.basename(path))
        shutil.copy2(kept, temporary)
        _set_mode_and_time(temporary, mode, mtime_ns)
        os.replace(temporary, path)

    def _holds_what_it_held(self, path: str, saved: str) -> bool:
        """Compare contents: another file of the same size can have the same time, such as one of the same archive."""
        return not saved or filecmp.cmp(path, os.path.join(self._saved, saved), shallow=False)

    def _restore_link(self, path: str, target: str, mtime_ns: int) -> None:
        if os.path.islink(path) and (os.readlink(path), os.lstat(path).st_mtime_ns) == (target, mtime_ns):
            return
        if os.path.lexists(path) and self._is_anothers(path):
            return
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _clear(path)
        if os.path.lexists(path):
            os.unlink(path)
        os.symlink(target, path)
        if os.utime in os.supports_follow_symlinks:
            os.utime(path, ns=(mtime_ns, mtime_ns), follow_symlinks=False)

    def _restore_directory(self, path: str, mode: int) -> None:
        if not os.path.isdir(path) or os.path.islink(path):
            if os.path.lexists(path):
                os.unlink(path)
            os.makedirs(path, exist_ok=True)
        if stat.S_IMODE(os.stat(path).st_mode) != mode:
            os.chmod(path, mode)

    @staticmethod
    def _move_back(path: str, aside: str) -> None:
        if not os.path.lexists(aside):
            return
        if os.path.lexists(path):  # made again by another tool meanwhile
            shutil.rmtree(aside)
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.rename(aside, path)

    def _differs(
        self, path: str, status: os.stat_result, size: int, mtime_ns: int, saved: str, _: int, ctime: int
    ) -> bool:
        """Tell whether a file is another than was listed."""
        if (size, mtime_ns) != (status.st_size, status.st_mtime_ns):
            return True
        return ctime != status.st_ctime_ns and not self._holds_what_it_held(path, saved)

    def _judge_programs(self) -> None:
        """Take what differs from the list, and looks like a product, for one; tell of the rest."""
        try:
            with open(os.path.join(self._directory, "listed"), encoding="utf-8", errors="surrogateescape") as file:
                before = json.load(file)
        except (OSError, ValueError):
            return
        with open(os.path.join(self._directory, "scope"), encoding="utf-8", errors="surrogateescape") as file:
            tree = file.read().split("\0")[0]
        folders = {os.path.dirname(path) for path in before}
        for path, status in list(_files(tree)):
            if path in self._rows:
                continue
            was = before.get(path)
            if was is None:
                top = _new_top(path, folders, tree)
                if _PRODUCT.fullmatch(os.path.basename(path)) or (top is not None and _holds_products(top)):
                    self._rows[path] = ["absent"]
                    for directory in _between(path, top or path):
                        self._rows.setdefault(directory, ["absent"])
                else:
                    self._left.append(path)
            elif self._differs(path, status, *was):
                if _PRODUCT.fullmatch(os.path.basename(path)) and was[2]:
                    self._rows[path] = ["file", was[3], was[0], was[1], was[2]]
                else:
                    self._left.append(path)
        for path, was in before.items():
            if path not in self._rows and was[2] and not os.path.lexists(path):
                self._left.append(path)


def _new_top(path: str, folders: set[str], tree: str) -> str | None:
    """Return the outermost directory around a path that had no file before; ``None`` where its own had one."""
    top = None
    directory = os.path.dirname(path)
    while directory not in folders and len(directory) > len(tree):
        top, directory = directory, os.path.dirname(directory)
    return top


def _between(path: str, top: str) -> list[str]:
    """Return the directories around a path up to one of them."""
    found = []
    while len(path) > len(top):
        path = os.path.dirname(path)
        found.append(path)
    return found


def _holds_products(top: str) -> bool:
    return any(_PRODUCT.fullmatch(os.path.basename(path)) for path, _ in _files(top))


def _files(tree: str) -> Any:
    for directory, folders, names in os.walk(tree):
        folders[:] = [name for name in folders if name not in _ADMINISTRATIVE]
        for name in names:
            path = os.path.join(directory, name)
            with contextlib.suppress(OSError):
                yield path, os.lstat(path)


def _lines(path: str) -> list[list[Any]]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    except OSError:
        return []
    rows = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError):  # the last one, cut off: what it is about was not begun
            rows.append(json.loads(line))
    return rows


def _clear(path: str) -> None:
    """Make room for a file where a build has put a directory; one with another's files in it stays."""
    if os.path.isdir(path) and not os.path.islink(path):
        os.rmdir(path)


def _set_mode_and_time(path: str, mode: int, mtime_ns: int) -> None:
    os.chmod(path, mode)
    os.utime(path, ns=(os.stat(path).st_atime_ns, mtime_ns))


def _is_changed(path: str, ctime_ns: int) -> bool:
    """Tell whether something else than a directory is at a path, and another than was."""
    return os.path.lexists(path) and not os.path.isdir(path) and os.lstat(path).st_ctime_ns != ctime_ns


def _depth(path: str) -> int:
    return path.count(os.sep)
