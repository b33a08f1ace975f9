"""After the machine stopped at a bad moment: what may be damaged is looked at once, and then trusted again."""

from __future__ import annotations

from pytest_fastenv.schedule.event_loop import run_briefly
from pytest_fastenv.store import durability
from pytest_fastenv.store.buckets import READY
from pytest_fastenv.store.store import Store
from pytest_fastenv.upkeep.buckets import ENTRIES, RECORDS


def settle(store: Store) -> None:
    """Verify what was not known to be on the disk when the machine stopped; what is damaged goes. Blocks.

    :raises StoreError: something cannot be taken out.
    """
    if not durability.was_cut_off(store.root):
        return
    for bucket in ENTRIES:
        for kept in list(store.kept(bucket)):
            if kept.is_whole and (bucket.mark != READY or store.lookup(bucket, kept.key) is None):
                run_briefly(store.withdraw(bucket, kept.key, only_damaged=True))
    for record in list(store.kept(*RECORDS)):
        if not record.is_whole:
            run_briefly(store.withdraw(record.bucket, record.key, only_damaged=True))
    durability.settle(store.root)
