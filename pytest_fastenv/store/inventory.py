"""What is in the store: for people, and for code that makes room."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_fastenv.store import lease
from pytest_fastenv.store.buckets import Bucket, EntryBucket, InStore, RecordBucket
from pytest_fastenv.store.listing import is_own, own_names
from pytest_fastenv.store.sealed import load

_RECORD = ".json"


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry or a record.

    :ivar path: the entry's directory, or the record's file.
    :ivar is_whole: it has its mark, or can be read. What is not whole is a leftover, or being made at this moment.
    :ivar size_bytes: of all its files; a file with several links counts once, for the entry that was listed first.
    :ivar used_at: seconds since the epoch when it was made or last used, as far as that is noted (`Store.note_use`, the
        lease of an entry, the file system).
    :ivar is_held: its users hold its lease.
    :ivar refers_to: what it needs of other buckets.
    """

    bucket: Bucket
    key: str
    path: Path
    is_whole: bool
    size_bytes: int
    used_at: float
    is_held: bool
    refers_to: tuple[InStore, ...]

    @property
    def name(self) -> InStore:
        """What others call it that need it."""
        return InStore(self.bucket.directory, self.key)

    @property
    def projects(self) -> frozenset[str]:
        """The projects that it is about, as they are written there; it is read for that."""
        if isinstance(self.bucket, EntryBucket):
            return frozenset(self.bucket.projects(self.path) if self.is_whole else ())
        record = load(self.path, self.bucket.record) if isinstance(self.bucket, RecordBucket) else None
        return frozenset(self.bucket.projects(record) if record is not None else ())  # type: ignore[attr-defined]


def kept(root: Path, buckets: Sequence[Bucket], seen: set[tuple[int, int]] | None = None) -> Iterator[Kept]:
    """Yield what is in some buckets, and nothing that lies behind a link; see `Store.kept`.

    :param seen: files with several links that were counted already; those that are counted are added.
    """
    seen = set() if seen is None else seen
    for bucket in buckets:
        for key, path in _found(root / bucket.directory, bucket):
            described = _described(bucket, key, path, seen)
            if described is not None:
                yield described


def _found(directory: Path, bucket: Bucket) -> Iterator[tuple[str, Path]]:
    """Yield keys and paths of what has the name of an entry or a record."""
    is_entries = isinstance(bucket, EntryBucket)
    has_shards = not isinstance(bucket, EntryBucket) or bucket.has_shards
    places = [directory / shard for shard in _names(directory)] if has_shards else [directory]
    for place in places:
        for name in _names(place):
            path = place / name
            if is_entries and is_own(path):
                yield name, path
            elif not is_entries and name.endswith(_RECORD):
                yield name.removesuffix(_RECORD), path


def _names(directory: Path) -> list[str]:
    return sorted(name for name in own_names(directory) if not name.startswith("."))


def _described(bucket: Bucket, key: str, path: Path, seen: set[tuple[int, int]]) -> Kept | None:
    """Describe one; ``None`` when it went away meanwhile."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    if isinstance(bucket, EntryBucket):
        is_whole = os.path.exists(path / bucket.mark)
        refers_to = tuple(bucket.refers_to(path)) if is_whole else ()
        lease_path = bucket.lease(path) if bucket.lease is not None else None
        used_at = max(status.st_mtime, _modified(path / bucket.mark), _modified(lease_path))
        is_held = lease_path is not None and lease.is_held(lease_path)
        return Kept(bucket, key, path, is_whole, size_bytes(path, seen), used_at, is_held, refers_to)
    size = _counted(status, seen)
    if not isinstance(bucket, RecordBucket) or (record := load(path, bucket.record)) is None:
        return Kept(bucket, key, path, False, size, status.st_mtime, False, ())
    refers_to = tuple(bucket.refers_to(record))
    if bucket.beside is not None:
        refers_to = (*refers_to, InStore(bucket.beside.directory, key))
    return Kept(bucket, key, path, True, size, status.st_mtime, False, refers_to)


def _modified(path: Path | None) -> float:
    try:
        return os.stat(path).st_mtime if path is not None else 0.0
    except OSError:
        return 0.0


def size_bytes(directory: Path, seen: set[tuple[int, int]]) -> int:
    """Return the size of all files below a directory, without those that were counted already; see `kept`."""
    total = 0
    waiting = [os.fspath(directory)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as found:
                for item in found:
                    if item.is_dir(follow_symlinks=False):
                        waiting.append(item.path)
                    else:
                        total += _counted(item.stat(follow_symlinks=False), seen)
        except OSError:  # it is being removed
            continue
    return total


def _counted(status: os.stat_result, seen: set[tuple[int, int]]) -> int:
    """Return a file's size, or 0 if it was counted by another name."""
    if status.st_nlink > 1:
        identity = (status.st_dev, status.st_ino)
        if identity in seen:
            return 0
        seen.add(identity)
    return status.st_size
