"""From what a hook was seen to read to what its result rests on.

What decides are the files it opened and the directories it listed. Where it started other programs, what those read is
not known: for version control it is the history, for compilers all sources but Python modules, for anything else all
sources. What an editable build wrote into the tree belongs to its result, and has to be there as long as that is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_fastenv.filesystem.observations import observe
from pytest_fastenv.filesystem.source_digest import NOT_SOURCES
from pytest_fastenv.model.observation import Observation

_VERSION_CONTROL = frozenset({"git", "hg", "svn", "jj", "fossil", "darcs", "bzr"})
_COMPILERS = frozenset(
    """
    cc c++ gcc g++ clang clang++ cl link ld ar ranlib as strip gfortran nvcc rustc cargo maturin uv go zig
    cmake ninja samu make meson swig cython pkg-config pkgconf xcrun ccache sccache
    """.split()  # noqa: SIM905 - a list of so many is not read one by line
)
#: More than this, and a look at the whole tree costs less.
_MOST_PATHS = 2000
_UNSTABLE = "changed while it was being read"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a hook's process was seen to do; absolute paths.

    :ivar read: files that it opened to read, there or not; compiled Python by its source.
    :ivar listed: directories.
    :ivar written: files that it opened to write.
    :ivar programs: names of programs that it started.
    :ivar is_complete: the interpreter tells all of this.
    """

    read: frozenset[str] = frozenset()
    listed: frozenset[str] = frozenset()
    written: frozenset[str] = frozenset()
    programs: frozenset[str] = frozenset()
    is_complete: bool = True

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Seen:
        """Make the value from what the hook's process wrote."""
        sets = {name: frozenset(value[name]) for name in ("read", "listed", "written", "programs")}
        return cls(**sets, is_complete=bool(value["is_complete"]))

    @property
    def asks_history(self) -> bool:
        """Whether the result may depend on a commit or a tag."""
        return bool(self.programs) or not self.is_complete or any(map(_is_history, (*self.read, *self.listed)))


@dataclass(frozen=True, slots=True)
class Watch:
    """A user's own tree while one of its hooks runs; made before.

    :param tree: the project's directory.
    :param place: where the hook runs: the same directory, or its copy.
    :param copy: what was copied with it, from its top; ``None`` where nothing was.
    :param editable: what the hook writes into the tree stays there, and belongs to its result. Else the tree's content
        is part of the key.
    """

    tree: Path
    place: Path
    copy: Path | None = None
    editable: bool = True
    _before: Mapping[str, tuple[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_before", _files(self.tree) if self.editable else {})

    def observations(self, seen: Seen) -> tuple[Observation, ...]:
        """Return what the hook's result rests on. Blocks on the file system.

        :param seen: what was seen of it.
        """
        found = []
        if seen.asks_history:
            found.append(observe("history", self.tree))
        if not self.editable:
            return (*found, *self._read(self._of_originals(seen), {}))
        after = _files(self.tree)
        products = {path: stamps for path, stamps in after.items() if self._before.get(path) != stamps}
        others = seen.programs - _VERSION_CONTROL
        if others or not seen.is_complete or len(seen.read) + len(seen.listed) > _MOST_PATHS:
            compiled = seen.is_complete and others and all(map(_is_compiler, others))
            found.append(observe("native sources" if compiled else "sources", self.tree))
        found += self._read(seen, products)
        found += [_product(self.tree, path) for path in sorted(products) if path in seen.written or others]
        return tuple(dict.fromkeys(found))

    def _of_originals(self, seen: Seen) -> Seen:
        """Return what was read besides the tree, which is part of the key, by where the originals lie."""
        copy = self.copy or self.place
        inside = Path(os.path.realpath(self.place)).relative_to(os.path.realpath(copy)).parts
        top = self.tree.parents[len(inside) - 1] if inside else self.tree

        def originals(paths: frozenset[str]) -> frozenset[str]:
            found = set()
            for path in map(Path, paths):
                for base in {copy, Path(os.path.realpath(copy))}:
                    if path.is_relative_to(base):
                        path = top / path.relative_to(base)  # noqa: PLW2901 - the same file, where it was copied from
                if not path.is_relative_to(self.tree):
                    found.add(str(path))
            return frozenset(found)

        return replace(seen, read=originals(seen.read), listed=originals(seen.listed))

    def _read(self, seen: Seen, products: Mapping[str, tuple[int, int]]) -> Iterator[Observation]:
        if len(seen.read) + len(seen.listed) > _MOST_PATHS:
            return
        for path in sorted(seen.read - seen.written):
            if _is_history(path) or os.path.isdir(path):
                continue
            with suppress(OSError):  # what cannot be read now could not be read then
                # Another program changed it while the hook ran: which content the hook has read is unknown.
                edited = path in products and not seen.programs - _VERSION_CONTROL
                yield Observation("file", path, _UNSTABLE) if edited else observe("file", path)
        for path in sorted(seen.listed):
            if not _is_history(path):
                with suppress(OSError):
                    yield observe("names", path)


def _product(tree: Path, path: str) -> Observation:
    """Return what must be there of something a build made: files where they are used, else their directory."""
    parts = Path(path).relative_to(tree).parts
    for number, part in enumerate(parts):
        if part.endswith(".egg-info"):
            return observe("presence", tree.joinpath(*parts[: number + 1]))
        if part == "build" and number + 1 < len(parts):
            return observe("presence", tree.joinpath(*parts[: number + 2]))
    return observe("file", path)


def _files(tree: Path) -> dict[str, tuple[int, int]]:
    """Return size and modification time of all files that a build could have made."""
    found = {}
    for directory, folders, names in os.walk(tree):
        folders[:] = [folder for folder in folders if folder not in NOT_SOURCES]
        for name in names:
            path = os.path.join(directory, name)
            with suppress(OSError):
                status = os.stat(path)
                found[path] = status.st_size, status.st_mtime_ns
    return found


def _is_history(path: str) -> bool:
    return f"{os.sep}.git{os.sep}" in f"{path}{os.sep}"


def _is_compiler(program: str) -> bool:
    """Tell whether a program is one, by its name: ``x86_64-linux-gnu-gcc-13`` and ``clang-18``, too."""
    parts = program.lower().split("-")
    return program in _COMPILERS or (len(parts) > 1 and any(part in _COMPILERS for part in parts))
