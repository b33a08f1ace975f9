"""A private copy of a source tree that cannot be built where it lies: of a checkout in the store, or write-protected.

A copy leaves out only what tools make again from the rest: virtual environments, caches, what earlier builds left. All
else is kept, files that a version-control system ignores too: a build may need them.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pytest_fastenv.filesystem.file_copies import clone
from pytest_fastenv.installer.build.pyproject import MOST_BYTES
from pytest_fastenv.model.regular_files import read_regular

_CACHES = frozenset(
    {"__pycache__", ".tox", ".nox", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".eggs"}
)
_BUILT = re.compile(r"(lib|lib\..+|temp\..+|bdist\..+|scripts-\d.*|__editable__\..+)")
_ARTIFACT = re.compile(r".+\.(whl|tar\.gz|zip|tar\.bz2|egg)")
_LEADS_OUT = re.compile(r"""["'](?:file:)?\.\.(?:["'/])|search_parent_directories""")
_MOST_FILES = 20_000
_LARGE_BYTES = 64 * 1024 * 1024


def copy_tree(project: Path, into: Path, *, with_surroundings: bool = False) -> Path:
    """Copy a project and return its directory below `into`.

    Links inside the tree stay links; a relative link out of the tree is rewritten to lead to the same file. Large files
    are cloned or linked to, and what cannot be read is left out. The history of a git repository is read from the
    original. Where the project's files refer to the directory above (a shared licence, a version taken from the
    repository), the repository it lies in is copied with it. May block for long: call it in a thread.

    :param into: a directory that is not there yet.
    :param with_surroundings: where that is not so, links lead to what is around the project.
    :raises OSError: something cannot be written, or the project cannot be read.
    """
    root = _root(project)
    if root != project or not with_surroundings:
        _Copy(root, into).run()
        return into / project.relative_to(root)
    os.mkdir(into)
    with suppress(OSError):
        for entry in os.scandir(project.parent):
            if entry.name not in {project.name, ".git"}:
                os.symlink(entry.path, into / entry.name)
    _Copy(root, into / project.name).run()
    return into / project.name


def _root(project: Path) -> Path:
    """Return the directory to copy: the project's, or its repository's where the project's files refer to it."""
    if not _refers_out(project) or os.path.lexists(project / ".git"):
        return project
    for parent in project.parents:
        if os.path.lexists(parent / ".git"):
            return parent if _is_small(parent) else project
    return project


def _refers_out(project: Path) -> bool:
    for name in ("pyproject.toml", "setup.cfg", "setup.py"):
        try:
            text = read_regular(project / name, MOST_BYTES).decode("utf-8", "replace")
        except OSError:
            continue
        if _LEADS_OUT.search(text) or (name == "setup.cfg" and re.search(r"=\s*\.\./", text)):
            return True
    return False


def _is_small(tree: Path) -> bool:
    count = 0
    for _, directories, files in os.walk(tree):
        directories[:] = [name for name in directories if name != ".git"]
        count += len(files)
        if count > _MOST_FILES:
            return False
    return True


class _Copy:
    """One copy under way."""

    def __init__(self, source: Path, into: Path) -> None:
        self._source = os.path.realpath(source)
        self._into = os.fspath(into)

    def run(self) -> None:
        self._directory("")

    def _directory(self, inside: str) -> None:
        here, there = os.path.join(self._source, inside), os.path.join(self._into, inside)
        os.mkdir(there)
        for entry in self._entries(here, inside):
            path = os.path.join(inside, entry.name)
            if entry.is_symlink():
                self._link(path)
            elif entry.name == ".git":
                self._repository(path, is_directory=entry.is_dir())
            elif entry.is_dir():
                self._directory(path)
            elif entry.is_file():  # sockets and the like are no sources; reading a FIFO would never end
                self._file(entry, os.path.join(there, entry.name))
        shutil.copystat(here, there)
        os.chmod(there, stat.S_IMODE(os.stat(there).st_mode) | stat.S_IRWXU)

    @staticmethod
    def _file(entry: os.DirEntry[str], target: str) -> None:
        try:
            if entry.stat().st_size <= _LARGE_BYTES:
                shutil.copy2(entry.path, target)
                return
            try:
                clone(entry.path, target)
                shutil.copystat(entry.path, target)
            except OSError:
                os.symlink(entry.path, target)
        except PermissionError:  # no build could read it where it is
            with suppress(OSError):
                os.unlink(target)

    def _entries(self, here: str, inside: str) -> Iterator[os.DirEntry[str]]:
        with os.scandir(here) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False) and (
                    entry.name in _CACHES
                    or os.path.isfile(os.path.join(entry.path, "pyvenv.cfg"))
                    or os.path.isfile(os.path.join(entry.path, "CACHEDIR.TAG"))
                ):
                    continue
                if os.path.realpath(entry.path) == os.path.realpath(self._into):
                    continue  # the copy is made inside its source
                if not _left_by_builds(entry, os.path.basename(inside), here):
                    yield entry

    def _link(self, path: str) -> None:
        target = os.readlink(os.path.join(self._source, path))
        absolute = os.path.normpath(os.path.join(self._source, os.path.dirname(path), target))
        if not os.path.isabs(target) and not absolute.startswith(self._source + os.sep):
            target = absolute
        os.symlink(target, os.path.join(self._into, path))

    def _repository(self, path: str, *, is_directory: bool) -> None:
        """Give the copy a repository of its own that finds the objects in the original's.

        A file instead of a directory (a worktree, a submodule) names the repository; the copy's names it absolutely.
        """
        here, there = os.path.join(self._source, path), os.path.join(self._into, path)
        if not is_directory:
            with open(here, encoding="utf-8") as file:
                text = file.read()
            label, _, place = text.strip().partition(":")
            if label == "gitdir":
                text = f"gitdir: {os.path.normpath(os.path.join(os.path.dirname(here), place.strip()))}\n"
            with open(there, "w", encoding="utf-8") as file:
                file.write(text)
            return
        shutil.copytree(here, there, symlinks=True, ignore=_history)
        alternates = os.path.join(there, "objects", "info", "alternates")
        os.makedirs(os.path.dirname(alternates), exist_ok=True)
        with open(alternates, "a", encoding="utf-8") as file:
            file.write(os.path.join(here, "objects") + "\n")


def _history(directory: str, names: list[str]) -> list[str]:
    """Choose what of a repository's ``objects`` is not copied: all but ``info``."""
    if os.path.basename(directory) != "objects" or os.path.basename(os.path.dirname(directory)) != ".git":
        return [name for name in names if name == "fsmonitor--daemon.ipc"]
    return [name for name in names if name != "info"]


def _left_by_builds(entry: os.DirEntry[str], parent: str, here: str) -> bool:
    """Tell whether an entry was made by an earlier build: stale files there end up in wheels."""
    if not entry.is_dir(follow_symlinks=False):
        return False
    if parent == "build" and _BUILT.fullmatch(entry.name):
        return _is_project(os.path.dirname(here))
    if entry.name.endswith(".egg-info"):
        return _is_project(here) and os.path.isfile(os.path.join(entry.path, "PKG-INFO"))
    if entry.name == "dist" and _is_project(here):
        names = os.listdir(entry.path)
        return bool(names) and all(_ARTIFACT.fullmatch(name) for name in names)
    return False


def _is_project(directory: str) -> bool:
    return any(os.path.isfile(os.path.join(directory, name)) for name in ("pyproject.toml", "setup.py"))
