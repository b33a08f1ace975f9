"""The store: what was made once on this machine, shared by all processes of a user.

In two parts. Looking things up, reading records and holding leases is all that a warm run does: it needs nothing but
the standard library, never writes, and works in a read-only store. Making things (`Store.publish`, `Store.lock`,
`Store.temporary`) needs asyncio, locks and private directories: those modules are imported when first used.
"""

from __future__ import annotations

import os
import stat
import threading
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store import durability, lease
from pytest_fastenv.store.buckets import PRIVATE_PLACES, Bucket, EntryBucket, InStore, LockSpace, RecordBucket

if TYPE_CHECKING:
    from pytest_fastenv.filesystem.oslock import OsLock as Lock
    from pytest_fastenv.store.inventory import Kept
    from pytest_fastenv.store.temporary import Home

T = TypeVar("T")

_UNFIT = frozenset('/\\:*?"<>|\0\n')
_SWEPT_EVERY_S = 60.0
_TAG_FILE = "CACHEDIR.TAG"
_TAG = """Signature: 8a477f597d28d172789f06886806bc55
# This directory is a cache of pytest-fastenv: it can be made again, so backups need not hold it.
# See https://bford.info/cachedir/
"""


class Store:
    """The cache below one directory; any number of objects and processes may use it at once.

    :param root: need not exist; nothing is touched before something is written.
    :ivar lock_timeout_s: how long a lock is waited for.
    :ivar shared: others use it, too, and may write there.
    :ivar recorder: hears of waits, and of what is made for the store itself.
    """

    def __init__(self, root: Path, *, recorder: Recorder, lock_timeout_s: float = 900.0, shared: bool = False) -> None:
        self.root = Path(os.path.abspath(root))
        self.recorder = recorder
        self.lock_timeout_s = lock_timeout_s
        self.shared = shared
        self._home: Home | None = None
        self._has_locks = False
        self._was_cut_off: bool | None = None
        self._mutex = threading.Lock()

    def path(self, bucket: EntryBucket, key: str) -> Path:
        """Return where an entry is or would be: ``<root>/<bucket>/<key[:2]>/<key>``.

        :raises ValueError: the key does not do as a file name; keys are digests and normalized names.
        """
        return Path(self._stem(bucket, key))

    def entry_with(self, path: str) -> InStore | None:
        """Name the entry that a path lies in; ``None`` where it lies outside of all. Touches nothing."""
        parts = path.removeprefix(f"{self.root}{os.sep}").split(os.sep)
        is_inside = path.startswith(f"{self.root}{os.sep}") and len(parts) > 3 and parts[2].startswith(parts[1])
        return InStore(parts[0], parts[2]) if is_inside else None

    def lookup(self, bucket: EntryBucket, key: str) -> Path | None:
        """Return a whole entry's directory, or ``None``. Costs one look at the file system and writes nothing.

        What goes on to use it says so (`note_use`), unless it becomes part of an environment that says so itself.
        After the machine stopped at a bad moment, what that may have damaged is verified first, which blocks.
        """
        stem = self._stem(bucket, key)
        if not os.path.exists(f"{stem}/{bucket.mark}"):
            return None
        entry = Path(stem)
        if self._was_cut_off is None:
            self._was_cut_off = durability.was_cut_off(self.root)
        if self._was_cut_off:
            from pytest_fastenv.store.recovery import may_be_used  # once in the life of a machine

            if not may_be_used(self.root, bucket, entry, lambda: self.try_lock(bucket, key), self.recorder):
                return None
        return entry

    def note_use(self, bucket: EntryBucket, key: str, used_at: float | None = None) -> None:
        """Note that an entry is used, for its age; at most once a day, and only where that can be written.

        :param used_at: seconds since the epoch; default: now.
        """
        lease.note_use(f"{self._stem(bucket, key)}/{bucket.mark}", used_at)

    async def publish(
        self,
        bucket: EntryBucket,
        key: str,
        make: Callable[[Path], Awaitable[None]],
        *,
        lock: Lock | None = None,
        subject: str = "",
    ) -> Path:
        """Return the entry; make it if it is not there, once on the machine however many ask at the same moment.

        The maker gets an empty private directory on the store's file system and fills it. When it fails or is
        cancelled, what it left is removed and the error passes; nothing is remembered. What it made appears at once
        and whole. See `pytest_fastenv.store.publish` for the order of steps.

        :param make: must have ended all its writing when it returns or raises.
        :param lock: the key's own lock where the caller already holds it (to hand its descriptor to children).
        :param subject: see `lock`.
        :raises LockTimeoutError: another process did not finish in time.
        :raises StoreError: the store cannot be written.
        """
        found = self.lookup(bucket, key)
        if found is not None:
            self.note_use(bucket, key)
            return found
        if lock is not None:
            return await self._make(bucket, key, make)
        async with self.lock(bucket, key, subject=subject):
            return await self._make(bucket, key, make)

    async def supersede(self, bucket: EntryBucket, key: str, make: Callable[[Path], Awaitable[None]]) -> Path:
        """Make an entry also where there is one, which then goes; see `publish`. The caller holds the key's lock.

        For a moment between two renames there is none. For entries of which nothing is missed but time.

        :raises StoreError: the store cannot be written.
        """
        from pytest_fastenv.store.publish import make_entry  # asyncio is not on the warm path

        entry = self.path(bucket, key)
        await make_entry(self.root, self.private(), entry, make)
        return entry

    async def withdraw(self, bucket: Bucket, key: str, *, only_damaged: bool = False) -> bool:
        """Take an entry or a record out of the store, whole or not, under its lock; tell whether that was done.

        The next `publish` makes an entry anew. Files of it that are linked elsewhere stay. One whose lease is held
        stays, too.

        :param only_damaged: it goes only if its bucket's check, made under the lock, finds it damaged: another process
            that saw the same damage may have made it anew meanwhile, and others may be using that.
        """
        from pytest_fastenv.store.publish import remove_entry  # neither this nor asyncio is on the warm path
        from pytest_fastenv.store.removal import remove_record

        async with self.lock(bucket, key):
            if isinstance(bucket, EntryBucket):
                entry = self.path(bucket, key)
                return await remove_entry(self.root, self.private(), bucket, entry, only_damaged=only_damaged)
            if only_damaged and self.check(bucket, key) is None:
                return False
            return remove_record(self.root, self._record_path(bucket, key))

    def kept(self, *buckets: Bucket) -> Iterator[Kept]:
        """Yield what some buckets hold, whole or not, in no order. Looks at every file; blocks; writes nothing.

        A file that several of them link to is counted with the first one.
        """
        from pytest_fastenv.store.inventory import kept  # for people who ask what is there

        return kept(self.root, buckets)

    def check(self, bucket: Bucket, key: str) -> str | None:
        """Say in a few words how an entry or a record differs from what was made; ``None`` when it does not. Blocks."""
        if isinstance(bucket, EntryBucket):
            entry = self.lookup(bucket, key)
            return "it is not there, or not whole" if entry is None else bucket.difference(entry)
        whole = not isinstance(bucket, RecordBucket) or self.read_record(bucket, key) is not None
        return None if whole else "it is not there, or not as it was written"

    def lock(self, space: LockSpace, key: str, *, subject: str = "") -> AbstractAsyncContextManager[Lock]:
        """Hold the key's lock around a block: one holder among all tasks, threads and processes.

        Not reentrant. Waiting is bounded, can be cancelled, and is recorded as a ``lock-wait`` span that names the
        holder. ``lock.fileno()`` may be handed to a child (``pass_fds``), which then holds the lock as well.

        :param space: the bucket that something is made in, or another kind of work.
        :param subject: what is worked on, for people; else space and key.
        :raises LockTimeoutError: it was not free in time.
        :raises StoreError: lock files cannot be written, or their file system has no locks.
        """
        from pytest_fastenv.store.locks import LockRequest, hold  # asyncio is not on the warm path

        self._check_key(key)
        self._prepare_root()
        self._check_locks()
        path = os.path.join(self.root, "locks", space.directory, f"{key}.lock")
        return hold(LockRequest(path, subject or f"{space.directory}/{key}", key, self.lock_timeout_s), self.recorder)

    def try_lock(self, space: LockSpace, key: str) -> Lock | None:
        """Take the key's lock if it is free at this moment, for the caller to release. See `lock`.

        :raises StoreError: lock files cannot be written, or their file system has no locks.
        """
        from pytest_fastenv.filesystem.oslock import try_lock  # most warm runs take none

        return try_lock(self._lock_path(space, key))

    def _lock_path(self, space: LockSpace, key: str) -> str:
        self._check_key(key)
        self._prepare_root()
        return os.path.join(self.root, "locks", space.directory, f"{key}.lock")

    @asynccontextmanager
    async def making(self) -> AsyncIterator[None]:
        """Say for a block that something is made here: no entry that is looked up in it is taken out meanwhile.

        :raises LockTimeoutError: a process that takes entries out does not come to its end.
        """
        from pytest_fastenv.errors import StoreError
        from pytest_fastenv.store.makers import making  # asyncio is not on the warm path

        with suppress(StoreError):  # what cannot be made is told where it is needed
            self._prepare_root()
        self._check_locks()
        async with making(self.root, self.lock_timeout_s):
            yield

    @asynccontextmanager
    async def temporary(self, prefix: str) -> AsyncIterator[Path]:
        """Make a private directory below ``<root>/tmp`` for a block and remove it after.

        What a killed process leaves is removed by a later one.

        :raises StoreError: the store cannot be written.
        """
        from pytest_fastenv.store.diagnosis import diagnosed
        from pytest_fastenv.store.publish import temporary  # asyncio is not on the warm path

        with diagnosed("the store cannot be written", self.root):
            async with temporary(self.private(), prefix) as path:
                yield path

    def has_record(self, bucket: RecordBucket[T], key: str) -> bool:
        """Tell whether there is a record, readable or not. Costs one look at the file system."""
        return os.path.exists(self._record_path(bucket, key))

    def read_record(self, bucket: RecordBucket[T], key: str) -> T | None:
        """Return a record, or ``None`` when it is missing or not as it was written.

        Writes nothing but the day of the use (`lease.note_use`).
        """
        from pytest_fastenv.store.sealed import load  # a run that finds its environment by another way needs none

        path = self._record_path(bucket, key)
        record = load(path, bucket.record)
        if record is not None:
            lease.note_use(path)
        return record

    def write_record(self, bucket: RecordBucket[T], key: str, value: T) -> None:
        """Keep a record, replacing the last one at once: readers see the one or the other.

        Records only save work. Where the store is read-only or full, this one is not kept and nothing is said.
        """
        from pytest_fastenv.errors import StoreError
        from pytest_fastenv.store.sealed import to_bytes

        content = to_bytes(value, bucket.record)
        target = self._record_path(bucket, key)
        with suppress(OSError, StoreError):
            _replace(self.private().file("record"), target, content)

    @property
    def wants_upkeep(self) -> bool:
        """Whether nobody has looked after it for a day, or a killed process left something, and this process may.

        Costs a few looks at the file system.
        """
        try:
            looked_after_at = os.stat(f"{self.root}/{_TAG_FILE}").st_mtime
        except OSError:
            looked_after_at = 0.0
        not_for_s = abs(time.time() - looked_after_at)
        is_due = not_for_s > lease.NOTED_EVERY_S or (not_for_s > _SWEPT_EVERY_S and self._has_leftovers())
        return is_due and os.access(self.root, os.W_OK)

    @property
    def wants_flush(self) -> bool:
        """Whether something may not be on the disk yet, or was not when the machine stopped. Costs one look."""
        return not durability.is_flushed(self.root) or durability.was_cut_off(self.root)

    def _has_leftovers(self) -> bool:
        for place in PRIVATE_PLACES:
            path = os.path.join(self.root, place)
            if os.path.isdir(path) and os.listdir(path):
                from pytest_fastenv.store.temporary import has_leftovers  # something lies there while others write

                if has_leftovers(path):
                    return True
        return False

    def note_upkeep(self) -> None:
        """Note that it is being looked after."""
        with suppress(OSError):
            with open(self.root / _TAG_FILE, "a", encoding="utf-8") as file:
                if not file.tell():
                    file.write(_TAG)
            os.utime(self.root / _TAG_FILE)

    def log_path(self, name: str) -> Path:
        """Return ``<root>/logs/<name>`` for writing; directories are made.

        :raises StoreError: they cannot be made.
        """
        from pytest_fastenv.store.diagnosis import diagnosed

        self._prepare_root()
        path = self.root / "logs" / name
        with diagnosed("the directory for logs cannot be made", self.root, any_reason=True):
            os.makedirs(path.parent, exist_ok=True)
        return path

    async def _make(self, bucket: EntryBucket, key: str, make: Callable[[Path], Awaitable[None]]) -> Path:
        from pytest_fastenv.store.publish import make_entry

        entry = self.path(bucket, key)
        if self.lookup(bucket, key) is None:  # another process may have made it while we waited for the lock
            await make_entry(self.root, self.private(), entry, make)
        return entry

    def _stem(self, bucket: Bucket, key: str) -> str:
        self._check_key(key)
        has_shards = not isinstance(bucket, EntryBucket) or bucket.has_shards
        return (
            f"{self.root}/{bucket.directory}/{key[:2]}/{key}" if has_shards else f"{self.root}/{bucket.directory}/{key}"
        )

    def _record_path(self, bucket: Bucket, key: str) -> str:
        return f"{self._stem(bucket, key)}.json"

    @staticmethod
    def _check_key(key: str) -> None:
        if not key or key[0] == "." or not _UNFIT.isdisjoint(key):
            msg = f"{key!r} does not do as a key of the store"
            raise ValueError(msg)

    def private(self) -> Home:
        """Return this object's directory below ``tmp/``, made when first needed and removed at the end.

        :raises StoreError: the store cannot be written.
        """
        with self._mutex:
            if self._home is None or not os.path.isdir(self._home.path):  # the user may have removed the whole store
                from pytest_fastenv.filesystem.uncollected import keep_from_collection  # nothing is written when warm
                from pytest_fastenv.store.diagnosis import diagnosed
                from pytest_fastenv.store.temporary import Home

                self._prepare_root()
                self._check_locks()
                with diagnosed("the store cannot be written", self.root):
                    self._home = Home(str(self.root / "tmp"))
                keep_from_collection(self.root)
                weakref.finalize(self, self._home.close)
            return self._home

    def _prepare_root(self) -> None:
        """Make the store's directory; a new one is marked as a cache for backup programs."""
        if os.path.isdir(self.root):
            return
        from pytest_fastenv.store.diagnosis import diagnosed

        with diagnosed("the store's directory cannot be made", self.root, any_reason=True):
            os.makedirs(self.root, exist_ok=True)
            _keep_others_out(self.root, shared=self.shared)
            with open(self.root / _TAG_FILE, "w", encoding="utf-8") as file:
                file.write(_TAG)

    def _check_locks(self) -> None:
        """Look once whether locks hold; see `pytest_fastenv.store.lock_probe`."""
        if not self._has_locks:
            from pytest_fastenv.store.lock_probe import check_locks  # nothing is made when warm

            check_locks(str(self.root))
            self._has_locks = True


def _keep_others_out(root: Path, *, shared: bool) -> None:
    """Give a new store its mode: where the umask lets others write, they get into a store of one user not at all."""
    mode = stat.S_IMODE(os.stat(root).st_mode)
    if shared:
        os.chmod(root, mode | stat.S_IRWXG | stat.S_ISGID)  # noqa: S103 - asked for: what lies in it has its group
    elif mode & (stat.S_IWGRP | stat.S_IWOTH):
        os.chmod(root, stat.S_IRWXU)


def _replace(private: str, target: str, content: bytes) -> None:
    from pytest_fastenv.filesystem.private_files import write  # nothing is written when warm

    try:
        write(private, content)
        try:
            os.replace(private, target)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.replace(private, target)
    except OSError:
        with suppress(OSError):
            os.unlink(private)
        raise
