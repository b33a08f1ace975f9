"""Which directories of an environment can be one symbolic link each in its copies: a job for a worker process.

Those directly in site-packages that hold nothing but symbolic links, however deep. The copies' links lead to the
environment that was copied, never into the store, so that whatever is written through them stays out of the store.
"""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Iterable

from pytest_fastenv.environment.looking import opened
from pytest_fastenv.environment.original import Original, read_original


def mixed(prefix: str, begin: int, end: int) -> set[str]:
    """Return which directories in site-packages hold something else than symbolic links, as far as a range tells.

    :param begin: index of the first directory to look at, in the environment's tree.
    :param end: index after the last one.
    :raises StoreError: a file is not what it was when the environment was made.
    """
    original = read_original(prefix)
    found = set()
    for index in range(begin, end):
        with opened(original, index) as directory:
            linked = all(stat.S_ISLNK(status.st_mode) for status in directory.statuses())
        top = original.top(directory.path)
        if top is not None and not linked:
            found.add(top)
    return found


def foldable(original: Original, mixed: Iterable[str]) -> frozenset[str]:
    """Return the paths of directories to fold, given those that cannot be."""
    tops = {f"{root}/{name}" for root in original.roots for name in original.below.get(root, ())}
    outer = {posixpath.dirname(root) for root in original.roots}
    return frozenset(tops - set(mixed) - set(original.roots) - outer)
