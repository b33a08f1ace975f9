"""What a run did to an environment's files: which edits reach other environments, and which stay in it.

A file that was changed and still has other names (hard links: in the store, in other environments) was written into:
all of those show the change. One that was replaced has no other name. Behind a symbolic link, what was written after
the environment was made was written into as well.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pytest_fastenv.environment import manifest, tree
from pytest_fastenv.environment.bytecode import CACHE
from pytest_fastenv.environment.manifest import Manifest
from pytest_fastenv.environment.tree import OWN_DIRECTORY, Tree

#: More than anybody reads.
AT_MOST = 1000


class Changes(NamedTuple):
    """Files that are not as they were made, relative to the prefix, forward slashes.

    :ivar shared: written into where other environments have them too; sorted.
    :ivar private: replaced, added, removed, or written into where nobody else has them; sorted.
    :ivar more: there are more than are listed.
    """

    shared: list[str]
    private: list[str]
    more: bool = False


def changes(prefix: str, at_most: int = AT_MOST) -> Changes:
    """Compare an environment with its manifest: a job for a worker process.

    One that is gone, or was never whole, has no changes. Bytecode does not count.
    """
    known = manifest.read(Path(prefix))
    listed = manifest.read_tree(Path(prefix), known) if known is not None else None
    if known is None or listed is None:
        return Changes([], [])
    shared: set[str] = set()
    private: set[str] = set()
    found = list(islice(_found(prefix, known, listed), at_most + 1))
    for path, reaches_others in found[:at_most]:
        (shared if reaches_others else private).add(path)
    return Changes(sorted(shared), sorted(private), more=len(found) > at_most)


def _found(prefix: str, known: Manifest, listed: Tree) -> Iterator[tuple[str, bool]]:
    """Yield each changed file, and whether others have it too."""
    for change in tree.changes(prefix, listed):
        yield change.path, change.kind == "changed" and _has_other_names(f"{prefix}/{change.path}")
    if known.parts.get("link") == "symlink":
        made_ns = os.stat(f"{prefix}/{OWN_DIRECTORY}/ready").st_mtime_ns
        for path in _written_behind_links(prefix, listed, made_ns):
            yield path, True


def _has_other_names(path: str) -> bool:
    status = os.lstat(path)
    return stat.S_ISREG(status.st_mode) and status.st_nlink > 1


def _written_behind_links(prefix: str, listed: Tree, made_ns: int) -> Iterator[str]:
    """Yield links to files that were written since; of a link to a directory, the files in that, however deep."""
    for block in listed.directories:
        directory, *names = block.split("\0")
        for name in names:
            path = f"{directory}/{name}" if directory else name
            place = f"{prefix}/{path}"
            if not os.path.islink(place) or not os.path.isabs(os.readlink(place)):
                continue
            if os.path.isdir(place):
                yield from (f"{path}/{inner}" for inner in _files(place) if _is_later(f"{place}/{inner}", made_ns))
            elif _is_later(place, made_ns):
                yield path


def _files(place: str) -> Iterator[str]:
    for directory, folders, names in os.walk(place):
        folders[:] = [folder for folder in folders if folder != CACHE]
        inner = os.path.relpath(directory, place)
        yield from (name if inner == "." else f"{inner}/{name}" for name in names if not name.endswith(".pyc"))


def _is_later(path: str, made_ns: int) -> bool:
    try:
        return os.stat(path).st_mtime_ns > made_ns
    except OSError:  # it leads to nothing any more: what it led to was taken out of the store
        return False
