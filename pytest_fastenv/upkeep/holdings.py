"""Everything that a store holds: what is in its buckets, what refers to what, and what lies beside the buckets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pytest_fastenv.store.buckets import EntryBucket, InStore, Remaking
from pytest_fastenv.store.inventory import Kept, kept, size_bytes
from pytest_fastenv.store.store import Store
from pytest_fastenv.upkeep.buckets import ENTRIES, RECORDS

#: What lies beside the buckets, and what it is.
BESIDE = {
    "locks": "one file for each thing that was made of late",
    "slots": "one file for each build that may run at once",
    "tmp": "work in progress",
    "logs": "what build backends printed",
    "epochs": "what is not known to be on the disk yet",
    "journals": "what builds under way have changed in projects",
}
_FORMAT = re.compile(r"(?P<name>[a-z-]+)-v(?P<version>\d+)")


@dataclass(frozen=True, slots=True)
class Beside:
    """A directory of the store that is no bucket of this version.

    :ivar about: one line for people.
    :ivar is_older: it is a bucket of an older version; others are left alone.
    :ivar used_at: seconds since the epoch when something in it was last made or used.
    """

    path: Path
    about: str
    size_bytes: int
    is_older: bool = False
    used_at: float = 0.0


@dataclass(frozen=True)
class Holdings:
    """What a store held when it was looked at.

    :ivar kept: entries before records; a file with several links is counted with the first one.
    """

    root: Path
    kept: tuple[Kept, ...]
    beside: tuple[Beside, ...]

    @classmethod
    def of(cls, store: Store) -> Holdings:
        """Look at every file of a store. Blocks; writes nothing, and notes no use."""
        seen: set[tuple[int, int]] = set()
        found = tuple(kept(store.root, (*ENTRIES, *RECORDS), seen))
        return cls(store.root, found, tuple(_beside(store.root, seen)))

    @property
    def size_bytes(self) -> int:
        """The size of all files; hard links count once."""
        return sum(one.size_bytes for one in self.kept) + sum(one.size_bytes for one in self.beside)

    @cached_property
    def by_name(self) -> Mapping[InStore, Kept]:
        """What is whole, by its name."""
        return {one.name: one for one in self.kept if one.is_whole}

    @cached_property
    def users(self) -> Mapping[InStore, tuple[Kept, ...]]:
        """What refers to a thing, by the name of that."""
        found: dict[InStore, list[Kept]] = {}
        for one in self.kept:
            for name in one.refers_to:
                found.setdefault(name, []).append(one)
        return {name: tuple(users) for name, users in found.items()}

    @cached_property
    def costs(self) -> Mapping[InStore, Remaking]:
        """What it costs to lose a thing: as much as what refers to it, where that costs more by itself."""
        return {
            name: max([one.bucket.remaking, *(user.bucket.remaking for user in self.users.get(name, ()))], key=_cost)
            for name, one in self.by_name.items()
        }

    def used_at(self, now: float) -> Mapping[InStore, float]:
        """Return when each thing was last used.

        What refers to a thing uses it; what is held is used now. A record that leads to something is as young as that,
        which is where a run looks that finds everything ready.

        :param now: seconds since the epoch.
        """
        used = {name: now if one.is_held else min(one.used_at, now) for name, one in self.by_name.items()}
        changed = True
        while changed:  # references are three deep at most
            changed = False
            for name, one in self.by_name.items():
                for needed in one.refers_to:
                    if needed in used and used[needed] < used[name]:
                        used[needed] = used[name]
                        changed = True
        for _ in range(2):  # what is asked is a record beside the record of its answer
            for name, one in self.by_name.items():
                if not isinstance(one.bucket, EntryBucket) and one.refers_to:
                    used[name] = max(used[name], min(used.get(needed, 0.0) for needed in one.refers_to))
        return used


def _cost(remaking: Remaking) -> int:
    return int(remaking.value)


def _beside(root: Path, seen: set[tuple[int, int]]) -> Iterator[Beside]:
    current = {bucket.directory: bucket for bucket in (*ENTRIES, *RECORDS)}
    versions = {bucket.name: bucket.version or 0 for bucket in current.values()}
    try:
        with os.scandir(root) as found:
            names = sorted(item.name for item in found if item.is_dir(follow_symlinks=False))
    except OSError:
        return
    for name in names:
        path, form = root / name, _FORMAT.fullmatch(name)
        if name in current:
            continue
        if name in BESIDE:
            yield Beside(path, BESIDE[name], size_bytes(path, seen))
        elif form and form["name"] in versions and int(form["version"]) < versions[form["name"]]:
            about = "of an older version of pytest-fastenv"
            yield Beside(path, about, size_bytes(path, seen), is_older=True, used_at=_latest(path))
        else:
            about = "of another version of pytest-fastenv" if form else "not known"
            yield Beside(path, about, size_bytes(path, seen))


def _latest(directory: Path) -> float:
    """Return when an entry or a record of a bucket was last made or used: the marks and the records tell."""
    latest = 0.0
    for place, below, names in os.walk(directory):
        if len(Path(place).relative_to(directory).parts) >= 2:
            below.clear()
        for name in (*names, *below):
            try:
                status = os.lstat(os.path.join(place, name))
            except OSError:
                continue
            latest = max(latest, status.st_mtime)
    return latest
