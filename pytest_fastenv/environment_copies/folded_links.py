"""Which directories of an environment can be one symbolic link each in its copies: a job for a worker process.

Those directly in site-packages that hold nothing but symbolic links, however deep. The copies' links lead to the
environment that was copied, never into the store, so that what is written through them stays out of the store.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable

from pytest_fastenv.environment_copies.directory import changed, place_of
from pytest_fastenv.environment_copies.original import Original, read_original


def mixed(prefix: str, begin: int, end: int) -> set[str]:
    """Return which directories in site-packages hold something else than symbolic links, as far as a range tells.

    :param begin: index of the first directory to look at, in the environment's tree.
    :param end: index after the last one.
    :raises StoreError: a directory is gone.
    """
    original = read_original(prefix)
    found = set()
    for index in range(begin, end):
        top = original.top(original.path(index))
        if top is not None and top not in found and not _has_links_only(original, index):
            found.add(top)
    return found


def _has_links_only(original: Original, index: int) -> bool:
    """Tell what a directory's files are by its list alone; what was compiled does not count."""
    try:
        with os.scandir(place_of(original, index)) as entries:
            return all(
                entry.is_symlink() or entry.is_dir(follow_symlinks=False) or entry.name.endswith(".pyc")
                for entry in entries
            )
    except (FileNotFoundError, NotADirectoryError):
        raise changed(original, original.path(index), "it is missing") from None


def foldable(original: Original, mixed: Iterable[str]) -> frozenset[str]:
    """Return the paths of directories to fold.

    :param mixed: directories that hold something else than links, as `mixed` found them.
    """
    tops = {f"{root}/{name}" for root in original.roots for name in original.below.get(root, ())}
    outer = {posixpath.dirname(root) for root in original.roots}
    return frozenset(tops - set(mixed) - set(original.roots) - outer)
