"""After the machine stopped at a bad moment: what may not have been on the disk yet is verified before it is used.

See `pytest_fastenv.store.durability` for how that is known. Hardly ever imported.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_fastenv.errors import StoreError
from pytest_fastenv.store import durability
from pytest_fastenv.store.buckets import READY, EntryBucket

if TYPE_CHECKING:
    from pytest_fastenv.filesystem.oslock import OsLock as Lock
    from pytest_fastenv.model.events import Recorder

_NOTICE = (
    "the machine stopped before everything in the store was on its disk: "
    "what was made then is verified before it is used, and what is damaged is made again"
)


def may_be_used(
    root: Path, bucket: EntryBucket, entry: Path, take_turn: Callable[[], Lock | None], recorder: Recorder
) -> bool:
    """Tell whether an entry that has its mark is whole; where that is in doubt every byte of it is read. Blocks.

    A damaged one loses its mark, so that it is made again. One that another process looks at, or makes, at this moment
    is not used before that process has come to its end.

    :param take_turn: takes the lock of the entry's key; ``None``: another process has it.
    :param recorder: hears once that something is in doubt.
    """
    mark = entry / bucket.mark
    if not _is_in_doubt(root, bucket, mark):
        return True
    recorder.notice("warning", _NOTICE, of="run")
    try:
        turn = take_turn()
    except StoreError:  # nothing can be written: it is looked at each time
        return not _is_damaged(bucket, entry)
    if turn is None:
        return False
    try:
        if not _is_in_doubt(root, bucket, mark):
            return True
        is_damaged = _is_damaged(bucket, entry)
        with suppress(OSError):
            if bucket.mark == READY and is_damaged:
                mark.unlink()
            elif bucket.mark == READY:
                durability.mark(root, str(mark), again=True)
        return not is_damaged
    finally:
        turn.release()


def _is_damaged(bucket: EntryBucket, entry: Path) -> bool:
    """Tell whether an entry is not as it was made; what the disk does not give back is not."""
    try:
        return bucket.is_damaged(entry)
    except OSError:
        return True


def _is_in_doubt(root: Path, bucket: EntryBucket, mark: Path) -> bool:
    try:
        epoch = mark.read_text(encoding="ascii") if bucket.mark == READY else ""
    except FileNotFoundError:
        return False  # gone meanwhile: that is seen by who looks for its files
    except (OSError, ValueError):
        epoch = ""
    return durability.is_lost(root, epoch)
