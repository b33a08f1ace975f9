"""What writers know of the files that they wrote, so that a tree can be taken down without a look at each of them.

What they know is what their files were when they wrote them. An edit that came between shows at the next comparison,
and is not taken for what was meant.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Mapping

from pytest_fastenv.filesystem.tree import PER_FILE, Tree, is_bytecode, listing, look

UNKNOWN = 0
"""Stands for the time of a directory that others write into as well."""

Numbers = tuple[int, int, int]
"""See `pytest_fastenv.filesystem.tree.numbers_of`."""


def piece_of(files: Mapping[str, Numbers], directories: Mapping[str, int]) -> Tree:
    """Return what one writer knows of a tree.

    :param files: by their relative paths.
    :param directories: times of modification, in nanoseconds, of those in which it has written, and made all that is in
        them; else `UNKNOWN`. By their relative paths.
    """
    inside: dict[str, list[tuple[str, Numbers]]] = {path: [] for path in directories if not is_bytecode(path)}
    for path, known in files.items():
        if not is_bytecode(path):
            directory, _, name = path.rpartition("/")
            inside.setdefault(directory, []).append((name, known))
    numbers = array("q")
    blocks = []
    for directory, names in inside.items():
        names.sort()
        numbers.append(directories.get(directory, UNKNOWN))
        for _, known in names:
            numbers.extend(known)
        blocks.append("\0".join((directory, *(name for name, _ in names))))
    return Tree(tuple(blocks), numbers)


class KnownFiles:
    """What all writers know together.

    :param pieces: see `piece_of`; no two know different things of one file.
    :param unknown: relative paths of files that were replaced since.
    """

    def __init__(self, pieces: Iterable[Tree] = (), unknown: Iterable[str] = ()) -> None:
        self._unknown = frozenset(unknown)
        self._blocks: dict[str, list[tuple[str, array[int]]]] = {}
        for piece in pieces:
            end = 0
            for block in piece.directories:
                begin, end = end, end + 1 + PER_FILE * block.count("\0")
                self._blocks.setdefault(block.partition("\0")[0], []).append((block, piece.numbers[begin:end]))

    def snapshot(self, root: str | os.PathLike[str]) -> Tree:
        """Take down what a directory holds now, as `tree.snapshot` does; what is known is not looked at.

        :raises OSError: it cannot be read, or changes meanwhile.
        """
        several = {os.path.dirname(path) for path in self._unknown}
        found = {
            path: blocks[0]
            for path, blocks in self._blocks.items()
            if len(blocks) == 1 and blocks[0][1][0] != UNKNOWN and path not in several
        }
        waiting = [""]
        while waiting:
            path = waiting.pop()
            place = os.path.join(root, path) if path else os.fspath(root)
            before = os.stat(place).st_mtime_ns  # before reading: what comes between makes the comparison look again
            files, below = listing(place, path)
            names = sorted(files)
            found[path] = ("\0".join((path, *names)), self._numbers(place, path, names, before))
            waiting.extend(below.difference(found))
        ordered = sorted(found.items(), key=lambda one: one[0].split("/") if one[0] else [])
        numbers = array("q")
        for _, (_, known) in ordered:
            numbers.extend(known)
        return Tree(tuple(block for _, (block, _) in ordered), numbers)

    def _numbers(self, place: str, path: str, names: list[str], mtime_ns: int) -> array[int]:
        known: dict[str, array[int]] = {}
        for block, numbers in self._blocks.get(path, ()):
            for offset, name in enumerate(block.split("\0")[1:]):
                if (f"{path}/{name}" if path else name) not in self._unknown:
                    known[name] = numbers[1 + PER_FILE * offset : 1 + PER_FILE * (offset + 1)]
        others = [name for name in names if name not in known]
        looked = look(place, others)
        known.update((name, looked[1 + PER_FILE * n : 1 + PER_FILE * (n + 1)]) for n, name in enumerate(others))
        together = array("q", [mtime_ns])
        for name in names:
            together.extend(known[name])
        return together
