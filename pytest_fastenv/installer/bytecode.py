"""Compiled modules of wheels: made once on the machine for a form of bytecode, and linked beside a wheel's files.

::

    bytecode-v1/ab/<key>/files/0         compiled files, by number
    bytecode-v1/ab/<key>/index.json      what each was compiled from, and what it is called; sealed

Python takes a compiled file for valid where its header has size and time of the source (PEP 552). A hard link has the
times of the store's file, and other ways to bring a file into an environment keep its time of modification; so what was
compiled in one environment is valid in all that have the same unpacked wheel, until somebody edits the source there.
Only whole seconds count: what was unpacked within this one comes without, since an edit that follows could not be seen.

An entry is never changed; one with more modules takes its place (`pytest_fastenv.installer.compilation`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pytest_fastenv.filesystem.bytecode import CACHE
from pytest_fastenv.filesystem.tree import numbers_of
from pytest_fastenv.installer.placement import Placer
from pytest_fastenv.model.digest import file_sha256, key_of
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.model.target import Target
from pytest_fastenv.store.buckets import EntryBucket, Remaking
from pytest_fastenv.store.sealed import load, to_bytes

FILES, INDEX = "files", "index.json"
"""Names inside an entry."""


#: File systems take the time from a clock that lags behind by up to a few milliseconds.
_COARSE_S = 0.02


class Stamp(NamedTuple):
    """What a compiled file says of its source.

    :ivar mtime_s: the time of modification, in whole seconds.
    """

    size: int
    mtime_s: int

    @classmethod
    def of(cls, size: int, mtime_ns: int) -> Stamp:
        """Return the stamp of a source by its size and time."""
        return cls(size, mtime_ns // 10**9)


class Compiled(NamedTuple):
    """A compiled file.

    :ivar source: path of the module, relative to where the wheel's modules lie; forward slashes.
    :ivar of: what the source was when it was compiled.
    :ivar name: in ``__pycache__`` beside the source.
    :ivar place: the file in the store.
    """

    source: str
    of: Stamp
    name: str
    place: str

    @property
    def target(self) -> str:
        """Where it goes, relative to where the wheel's modules lie."""
        directory, _, _ = self.source.rpartition("/")
        return f"{directory}/{CACHE}/{self.name}" if directory else f"{CACHE}/{self.name}"


class Index(NamedTuple):
    """What an entry holds, column by column; the row of a file is its number.

    :ivar sizes: of the compiled files.
    :ivar mtimes_ns: of the compiled files.
    :ivar accesses: likewise (`pytest_fastenv.filesystem.tree.access`).
    :ivar sha256s: of their contents.
    """

    sources: list[str]
    source_sizes: list[int]
    source_mtimes_s: list[int]
    names: list[str]
    sizes: list[int]
    mtimes_ns: list[int]
    accesses: list[int]
    sha256s: list[str]

    @classmethod
    def load(cls, entry: str | Path) -> Index | None:
        """Read the index of an entry; ``None`` when it is not there or not whole."""
        return load(f"{entry}/{INDEX}", cls)

    def save(self, entry: str | Path) -> None:
        """Write it to a new file."""
        with open(f"{entry}/{INDEX}", "xb") as file:
            file.write(to_bytes(self))

    def files(self, entry: str | Path) -> Iterator[Compiled]:
        """Yield what is in an entry as it was put there: an edit through a link, and a power cut, show here.

        What has another time and the same content gets its time back: it comes from an archive that keeps no times.
        """
        for number, (source, size, mtime_s, name, *known, sha256) in enumerate(zip(*self, strict=True)):
            place = f"{entry}/{FILES}/{number}"
            with suppress(OSError):
                found = list(numbers_of(os.lstat(place)))
                if found != known and found[::2] == known[::2] and file_sha256(place) == sha256:
                    os.utime(place, ns=(known[1], known[1]), follow_symlinks=False)
                    found = known
                if found == known:
                    yield Compiled(source, Stamp(size, mtime_s), name, place)


def _check(entry: Path) -> str | None:
    index = Index.load(entry)
    if index is None:
        return "what is known of its files is damaged"
    places = {one.place for one in index.files(entry)}
    for number, (source, sha256) in enumerate(zip(index.sources, index.sha256s, strict=True)):
        place = f"{entry}/{FILES}/{number}"
        if place not in places or file_sha256(place) != sha256:
            return f"what {source} was compiled to has changed"
    return None


BYTECODE = EntryBucket(
    name="bytecode",
    version=1,
    about="compiled modules of wheels, by the wheel and the form of bytecode",
    remaking=Remaking.LINKED,
    check=_check,
)


def bytecode_key(content: str, target: Target) -> str:
    """Return the key of what some modules are compiled to.

    :param content: the wheel's SHA-256, or another digest of the modules.
    """
    return key_of(content, target.bytecode)


def place_bytecode(entry: str | Path, sources: Mapping[str, Stamp], base: str, mode: LinkMode) -> int:
    """Bring compiled files beside their sources; return how many. One that cannot be brought is left out.

    :param sources: the files that lie in the environment, by their paths relative to `base`.
    :param mode: how the sources got there.
    """
    index = Index.load(entry)
    if index is None:
        return 0
    placer = Placer(way_of(mode), str(entry), base)
    made: set[str] = set()
    count = 0
    now_s = int(time.time() - _COARSE_S)
    for compiled in index.files(entry):
        if sources.get(compiled.source) != compiled.of or compiled.of.mtime_s >= now_s:
            continue
        target = f"{base}/{compiled.target}"
        with suppress(OSError):  # the entry has been replaced since, or there is no room: Python compiles it
            cache = os.path.dirname(target)
            if cache not in made:
                os.makedirs(cache, exist_ok=True)
                made.add(cache)
            if not os.path.lexists(target):
                count += placer.place(compiled.place, target)
    return count


def way_of(mode: LinkMode) -> LinkMode:
    """Return how compiled files get into an environment.

    Hard links instead of symbolic ones: nothing leads to an entry then that another one may take the place of.
    """
    return LinkMode.HARDLINK if mode is LinkMode.SYMLINK else mode
