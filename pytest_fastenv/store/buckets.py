"""Buckets: every kind of thing that the store keeps, as values that describe themselves.

A room declares the buckets that it owns beside the code that fills them, with the shape of their paths;
`pytest_fastenv.upkeep.buckets` names them all. An entry is a directory
``<root>/<bucket>/<key[:2]>/<key>/`` that counts once it has its mark (see `pytest_fastenv.store.store`); a record is
one sealed file ``<root>/<bucket>/<key[:2]>/<key>.json``. A bucket whose content changes its shape gets another
version; the old one is left to its users and to pruning.

Beside the buckets lie ``locks/`` (one file per key that was in use lately), ``slots/`` (one file per machine-wide
slot), ``tmp/`` (private directories of running processes), ``logs/`` and ``journals/`` (what builds under way have
changed in users' own trees).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")

READY = ".ready"
"""The mark of a whole entry: a file in its directory that names its epoch (`pytest_fastenv.store.durability`).

The name is not free for contents.
"""

STAGING, WORKERS = ".staging", ".workers"
"""Private directories beside environments: of those that are being made, and of workers."""
PRIVATE_PLACES = ("tmp", f"environments/{STAGING}", f"environments/{WORKERS}")
"""Where running processes have private directories in a store, relative to its root (`store.temporary`)."""


class InStore(NamedTuple):
    """Names an entry or a record of the store, for something that needs it: as long as that stands, this must.

    :ivar bucket: the bucket's directory.
    """

    bucket: str
    key: str


class Remaking(Enum):
    """How something is had again that the store has lost; what costs least comes first."""

    #: It is asked again: a question to a server or to a program of this machine.
    ASKED = 0
    #: It is made of other things in the store, in moments.
    LINKED = 1
    #: It is downloaded again.
    FETCHED = 2
    #: It is built again, which may take many minutes.
    BUILT = 3


def _nothing(_: Any) -> Iterable[Any]:
    return ()


@dataclass(frozen=True, eq=False)
class LockSpace:
    """A kind of work of which one at a time is done for each key (`Store.lock`).

    :ivar name: of the directory.
    :ivar about: one line for people.
    """

    name: str
    about: str

    @property
    def directory(self) -> str:
        """The name of the directory below ``locks/``; for a bucket, below the root as well."""
        return self.name


@dataclass(frozen=True, eq=False)
class Bucket(LockSpace):
    """A kind of thing in the store.

    :ivar version: changes with the shape of what is kept; ``None`` where names tell shapes apart already.
    :ivar remaking: what it costs to lose it. What something refers to costs as much as that, if it does not cost more.
    """

    version: int | None
    remaking: Remaking

    @property
    def directory(self) -> str:
        """The name of its directory below the root."""
        return self.name if self.version is None else f"{self.name}-v{self.version}"


@dataclass(frozen=True, eq=False)
class RecordBucket(Bucket, Generic[T]):
    """A bucket of small values that only save work.

    :ivar record: their class, or another type that `pytest_fastenv.model.codec` knows.
    :ivar refers_to: what a record needs of other buckets to be of use.
    :ivar projects: names of the projects that a record is about, normalized or not.
    :ivar beside: another bucket, whose record of the same key a record is about.
    """

    record: type[T]
    refers_to: Callable[[T], Iterable[InStore]] = _nothing
    projects: Callable[[T], Iterable[str]] = _nothing
    beside: Bucket | None = None


@dataclass(frozen=True, eq=False)
class EntryBucket(Bucket):
    """A bucket of directories.

    :ivar check: says in a few words how a whole entry differs from what was made; ``None`` when it does not. Blocks.
    :ivar refers_to: what an entry needs of other buckets for as long as it stands.
    :ivar projects: names of the projects that an entry holds, normalized or not.
    :ivar mark: the file that makes an entry count, relative to it.
    :ivar has_shards: entries lie in directories named by the first two characters of their keys.
    :ivar lease: where the lease lies that users of an entry hold; it is not removed under them.
    :ivar has_strangers: an entry may be used by what the store does not know of, and so does not go by itself.
    """

    check: Callable[[Path], str | None]
    refers_to: Callable[[Path], Iterable[InStore]] = _nothing
    projects: Callable[[Path], Iterable[str]] = _nothing
    mark: str = READY
    has_shards: bool = True
    lease: Callable[[Path], Path] | None = None
    has_strangers: bool = False

    def difference(self, entry: Path) -> str | None:
        """Say how a whole entry differs from what was made, as `check` does; where files are none any more as well."""
        try:
            return self.check(entry)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            return f"{os.path.basename(error.filename or entry)}: {error.strerror}"

    def is_damaged(self, entry: Path) -> bool:
        """Tell whether a whole entry is not as it was made. Blocks."""
        return self.difference(entry) is not None
