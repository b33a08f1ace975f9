"""What is in the store: for people, and for code that makes room."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_fastenv.store.buckets import Bucket, EntryBucket, InStore, RecordBucket
from pytest_fastenv.store.diagnosis import diagnosed
from pytest_fastenv.store.sealed import load

_RECORD = ".json"


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry or a record.

    :ivar path: the entry's directory, or the record's file.
    :ivar is_whole: it has its mark, or can be read. What is not whole is a leftover, or being made at this moment.
    :ivar size_bytes: of all its files; a file with several links counts once, for the entry that was listed first.
    :ivar used_at: seconds since the epoch when it was made or, as far as the file system notes that, last read.
    :ivar refers_to: what it needs of other buckets.
    """

    bucket: Bucket
    key: str
    path: Path
    is_whole: bool
    size_bytes: int
    used_at: float
    refers_to: tuple[InStore, ...]


def kept(root: Path, buckets: Sequence[Bucket]) -> Iterator[Kept]:
    """Yield what is in some buckets; see `Store.kept`."""
    seen: set[tuple[int, int]] = set()
    for bucket in buckets:
        for key, path in _found(root / bucket.directory, bucket):
            described = _described(bucket, key, path, seen)
            if described is not None:
                yield described


def remove_record(root: Path, path: str) -> bool:
    """Take a record out of the store; tell whether it was there."""
    with diagnosed("a record of the store cannot be removed", root):
        try:
            os.unlink(path)
        except FileNotFoundError:
            return False
    return True


def _found(directory: Path, bucket: Bucket) -> Iterator[tuple[str, Path]]:
    """Yield keys and paths of what has the name of an entry or a record."""
    is_entries = isinstance(bucket, EntryBucket)
    has_shards = not isinstance(bucket, EntryBucket) or bucket.has_shards
    places = [directory / shard for shard in _names(directory)] if has_shards else [directory]
    for place in places:
        for name in _names(place):
            path = place / name
            if is_entries and path.is_dir():
                yield name, path
            elif not is_entries and name.endswith(_RECORD):
                yield name.removesuffix(_RECORD), path


def _names(directory: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(directory) if not name.startswith("."))
    except OSError:
        return []


def _described(bucket: Bucket, key: str, path: Path, seen: set[tuple[int, int]]) -> Kept | None:
    """Describe one; ``None`` when it went away meanwhile."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    if isinstance(bucket, EntryBucket):
        is_whole = os.path.exists(path / bucket.mark)
        refers_to = tuple(bucket.refers_to(path)) if is_whole else ()
        used_at = max([status.st_mtime, *_times(path)])
        return Kept(bucket, key, path, is_whole, _size_bytes(path, seen), used_at, refers_to)
    record = load(path, bucket.record) if isinstance(bucket, RecordBucket) else None
    refers_to = tuple(bucket.refers_to(record)) if isinstance(bucket, RecordBucket) and record is not None else ()
    used_at = max(status.st_mtime, status.st_atime)
    return Kept(bucket, key, path, record is not None, _counted(status, seen), used_at, refers_to)


def _times(entry: Path) -> Iterator[float]:
    """Yield when the files directly in an entry were written or read; every use of the entry reads them."""
    with os.scandir(entry) as found:
        for item in found:
            if item.is_file(follow_symlinks=False):
                status = item.stat(follow_symlinks=False)
                yield max(status.st_mtime, status.st_atime)


def _size_bytes(directory: Path, seen: set[tuple[int, int]]) -> int:
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
