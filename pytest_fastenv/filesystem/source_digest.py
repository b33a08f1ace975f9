"""A digest over a source tree: cheap enough to be taken at every start, and different whenever a build could be.

Standard library only: this module is on the warm path.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

#: Directories that no build reads: version control, caches of tools, other environments, and what builds leave behind.
NOT_SOURCES = frozenset(
    {
        ".eggs", ".git", ".hg", ".hypothesis", ".mypy_cache", ".nox", ".pytest_cache", ".ruff_cache", ".svn", ".tox",
        ".venv", "__pycache__", "node_modules",
    }
)  # fmt: skip


def source_digest(tree: str | os.PathLike[str]) -> str:
    """Return a digest over path, size and modification time of every file that could be a source.

    Version control, caches and virtual environments do not count. Blocks on the file system.

    :raises OSError: the tree cannot be read.
    """
    top = os.fspath(tree)
    digest = hashlib.sha256(os.fsencode(top))
    for path, status in _files(top):
        digest.update(os.fsencode(os.path.relpath(path, top)))
        digest.update(b"\0%d\0%d\0" % (status.st_size, status.st_mtime_ns))
    return digest.hexdigest()


def _files(top: str) -> Iterator[tuple[str, os.stat_result]]:
    for directory, folders, names in os.walk(top):
        if directory != top and "pyvenv.cfg" in names:
            folders.clear()
            continue
        folders[:] = sorted(folder for folder in folders if folder not in NOT_SOURCES)
        for name in sorted(names):
            path = os.path.join(directory, name)
            yield path, os.lstat(path)
