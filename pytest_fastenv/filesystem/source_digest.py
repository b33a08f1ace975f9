"""A digest over a source tree: cheap enough to be taken at every start, and different whenever a build could be.

Standard library only: this module is on the warm path.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import suppress

#: Directories that no build reads: version control, caches of tools, other environments, what builds and tests leave.
NOT_SOURCES = frozenset(
    {
        ".benchmarks", ".eggs", ".git", ".hg", ".hypothesis", ".mypy_cache", ".nox", ".pytest_cache", ".ruff_cache",
        ".svn", ".tox", ".venv", "__pycache__", "htmlcov", "node_modules",
    }
)  # fmt: skip

#: Files that test runs write at a project's top: each of them would else be a change, and the project built anew by
#: the next run.
RESULTS = frozenset(
    {
        "coverage.json", "coverage.lcov", "coverage.xml", "junit.xml", "lcov.info", "pytest.xml", "report.html",
        "report.json", "report.xml", "results.xml", "test-results.xml",
    }
)  # fmt: skip

#: Files by which virtual environments and caches are known (https://bford.info/cachedir/); the store is a cache.
_MARKS = frozenset({"pyvenv.cfg", "CACHEDIR.TAG"})
#: How the names of files and directories end that builds leave beside the sources.
PRODUCTS = (".so", ".pyd", ".dylib", ".dll", ".o", ".obj", ".a", ".lib", ".pyc", ".egg-info", ".log")


def source_digest(tree: str | os.PathLike[str], without: tuple[str, ...] = ()) -> str:
    """Return a digest over path, size and modification time of every file that could be a source.

    Version control, caches (the store, too), virtual environments and what test runs leave (data of coverage, reports
    at the tree's top with their usual names) do not count. What symbolic links lead to does, as a build reads that.
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
    for directory, folders, names in os.walk(top):
        if directory != top and not _MARKS.isdisjoint(names):
            folders.clear()
            continue
        folders[:] = sorted(f for f in folders if f not in skipped and not (without and f.endswith(without)))
        for name in sorted(names):
            if (without and name.endswith(without)) or _is_result(name, is_at_top=directory == top):
                continue
            path = os.path.join(directory, name)
            status = os.lstat(path)
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


def _is_result(name: str, *, is_at_top: bool) -> bool:
    """Tell whether a file is what a test run leaves; coverage writes its data wherever a test has gone."""
    return name == ".coverage" or name.startswith(".coverage.") or (is_at_top and name in RESULTS)
