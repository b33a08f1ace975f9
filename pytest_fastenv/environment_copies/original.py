"""The environment that copies are made of, as the processes that copy it see it: read once in each of them."""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pytest_fastenv.environment import manifest
from pytest_fastenv.environment.manifest import Manifest
from pytest_fastenv.errors import StoreError
from pytest_fastenv.filesystem.tree import PER_FILE, Tree
from pytest_fastenv.model.link import LinkMode


@dataclass(frozen=True, slots=True, eq=False)
class Original:
    """A whole environment and what it held when it was made.

    :ivar prefix: its directory.
    :ivar positions: for each of the tree's directories, where its numbers begin.
    :ivar below: names of the directories in each directory, by the relative path of that.
    :ivar scripts: the directory of programs, relative to the prefix, forward slashes.
    :ivar roots: the directories that distributions are installed into, likewise.
    """

    prefix: str
    manifest: Manifest
    tree: Tree
    positions: tuple[int, ...]
    below: Mapping[str, tuple[str, ...]]
    scripts: str
    roots: tuple[str, ...]

    def path(self, index: int) -> str:
        """Return the relative path of a directory by its index in the tree."""
        return self.tree.directories[index].partition("\0")[0]

    @property
    def link(self) -> LinkMode:
        """How its files were brought from the store."""
        return LinkMode.parse(self.manifest.parts["settings"]["link"])

    def led(self, leads_to: str, prefix: str) -> str:
        """Return what a symbolic link leads to in a copy."""
        within = leads_to == self.prefix or leads_to.startswith(f"{self.prefix}/")
        return prefix + leads_to[len(self.prefix) :] if within else leads_to

    def python(self, prefix: str) -> str:
        """Return the path of the interpreter in a copy; its scripts hold it."""
        return str(self.manifest.environment(Path(prefix)).python)

    def is_own(self, path: str, name: str) -> bool:
        """Tell whether a file is written for each copy: it may hold the prefix, or digests of files that do.

        :param path: the relative path of its directory.
        """
        return path in {"", self.scripts} or (name == "RECORD" and self.is_dist_info(path))

    def is_dist_info(self, path: str) -> bool:
        """Tell whether a directory is a distribution's ``.dist-info``."""
        return path.endswith(".dist-info") and posixpath.dirname(path) in self.roots

    def top(self, path: str) -> str | None:
        """Return the directory in site-packages that a directory lies in or is."""
        for root in self.roots:
            if path.startswith(f"{root}/"):
                return f"{root}/{path[len(root) + 1 :].partition('/')[0]}"
        return None

    def parts(self, count: int) -> list[tuple[int, int]]:
        """Divide the directories into so many ranges with about the same number of files and directories each."""
        cuts, size = [0], len(self.tree.numbers)
        for index, position in enumerate(self.positions):
            if position >= size * len(cuts) / count:
                cuts.append(index)
        cuts.append(len(self.positions))
        return [(begin, end) for begin, end in pairwise(cuts) if begin < end]


def read_original(prefix: str) -> Original:
    """Return an environment that is to be copied, as its manifest describes it; nothing is compared yet.

    :raises StoreError: it is not whole.
    """
    known = manifest.read(Path(prefix))
    if known is not None:
        with_tree = _read(prefix, known.tree_sha256)
        if with_tree is not None:
            return with_tree
    raise StoreError(
        "the session's environment cannot be copied: it is not whole",
        where=prefix,
        hint="run again: it is made anew then",
    )


@functools.lru_cache(maxsize=1)
def _read(prefix: str, tree_sha256: str) -> Original | None:
    """Read it once per process; another digest is another environment."""
    known = manifest.read(Path(prefix))
    tree = manifest.read_tree(Path(prefix), known) if known is not None else None
    if known is None or tree is None or known.tree_sha256 != tree_sha256:
        return None
    positions, position = [], 0
    below: dict[str, list[str]] = {}
    for block in tree.directories:
        positions.append(position)
        position += 1 + PER_FILE * block.count("\0")
        parent, _, name = block.partition("\0")[0].rpartition("/")
        if block and name:
            below.setdefault(parent, []).append(name)
    schemes = known.interpreter["schemes"]
    return Original(
        prefix=prefix,
        manifest=known,
        tree=tree,
        positions=tuple(positions),
        below={path: tuple(names) for path, names in below.items()},
        scripts=posixpath.normpath(schemes["scripts"]),
        roots=tuple({posixpath.normpath(schemes[name]): None for name in ("purelib", "platlib")}),
    )
