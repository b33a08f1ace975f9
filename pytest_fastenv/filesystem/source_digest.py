"""A digest over a source tree: cheap enough to be taken at every start, and different whenever a build could be.

Standard library only: this module is on the warm path.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from pytest_fastenv.filesystem.walks import walk_what_may_be_read

#: Directories that no build reads: version control, caches of tools, other environments, what builds and tests leave.
NOT_SOURCES = frozenset(
    {
        ".benchmarks", ".eggs", ".git", ".hg", ".hypothesis", ".mypy_cache", ".nox", ".pytest_cache", ".ruff_cache",
        ".svn", ".tox", ".venv", "__pycache__", "htmlcov", "node_modules",
    }
)  # fmt: skip

#: What reports that are written at a project's top are called, and how they end: each of them would else be a change,
#: and the project built anew by the next run.
_REPORTS = frozenset({"coverage", "junit", "lcov", "pytest", "report", "reports", "result", "results", "trace"})
_REPORT_ENDS = frozenset({"csv", "html", "info", "json", "jsonl", "lcov", "log", "svg", "xml"})
#: Directories at the top into which built distributions are put, and how these end.
_OUTPUTS = frozenset({"dist", "wheelhouse"})
_DISTRIBUTIONS = (".whl", ".tar.gz", ".zip")
_SEPARATORS = str.maketrans("-_.", "   ")

#: Files by which virtual environments and caches are known (https://bford.info/cachedir/); the store is a cache.
_MARKS = frozenset({"pyvenv.cfg", "CACHEDIR.TAG"})
#: How the names of files and directories end that builds leave beside the sources.
PRODUCTS = (".so", ".pyd", ".dylib", ".dll", ".o", ".obj", ".a", ".lib", ".pyc", ".egg-info", ".log")


def source_digest(tree: str | os.PathLike[str], without: tuple[str, ...] = ()) -> str:
    """Return a digest over path, size and modification time of every file that could be a source.

    Version control, caches (the store, too), virtual environments and what tools leave do not count: data of coverage,
    and at the tree's top reports with their usual names, lock files, built distributions. What symbolic links lead to
    does, as a build reads that.
    Blocks on the file system.

    :param without: ends of names that do not count either; with them, directories named ``build`` do not.
    :raises OSError: the tree cannot be read.
    """
    top = os.fspath(tree)
    digest = hashlib.sha256(os.fsencode(top))
    for path, status in _files(top, without, {os.path.realpath(top)}):
        digest.update(os.fsencode(os.path.relpath(path, top)))
        digest.update(b"\0%d\0%d\0" % (status.st_size, status.st_mtime_ns))
    return digest.hexdigest()


def _files(top: str, without: tuple[str, ...], seen: set[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Yield files with their status, below links to directories, too: each of those once."""
    skipped = NOT_SOURCES | ({"build"} if without else set())
    for directory, folders, names in walk_what_may_be_read(top):
        if directory != top and not _MARKS.isdisjoint(names):
            folders.clear()
            continue
        folders[:] = sorted(f for f in folders if f not in skipped and not (without and f.endswith(without)))
        for name in sorted(names):
            if (without and name.endswith(without)) or _is_passing(name, directory, top):
                continue
            path = os.path.join(directory, name)
            try:
                status = os.lstat(path)
            except FileNotFoundError:  # gone meanwhile
                continue
            yield path, status
            if stat.S_ISLNK(status.st_mode):
                with suppress(OSError):  # it leads nowhere
                    yield path, os.stat(path)
        for path in (os.path.join(directory, folder) for folder in folders):
            if os.path.islink(path):
                yield path, os.lstat(path)
                target = os.path.realpath(path)
                if target not in seen:
                    seen.add(target)
                    yield from _files(path, without, seen)


def is_output(name: str) -> bool:
    """Tell whether a file or directory at a project's top is there because of builds, locks or tests, by its name."""
    if name in _OUTPUTS or (name.startswith("pylock.") and name.endswith(".toml")):
        return True
    stem, dot, end = name.lower().rpartition(".")
    return bool(dot) and end in _REPORT_ENDS and not _REPORTS.isdisjoint(stem.translate(_SEPARATORS).split())


def _is_passing(name: str, directory: str, top: str) -> bool:
    """Tell whether a file comes and goes with builds and tests; coverage writes data wherever a test has gone."""
    if name == ".coverage" or name.startswith(".coverage."):
        return True
    if directory == top:
        return is_output(name)
    above, below = os.path.split(directory)
    return above == top and below in _OUTPUTS and name.endswith(_DISTRIBUTIONS)
