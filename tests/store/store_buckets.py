"""Buckets for tests of the store itself, which knows nothing of what others keep in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_fastenv.store.buckets import EntryBucket, RecordBucket, Remaking


def check(entry: Path) -> str | None:
    """An entry is good as long as it has a file ``one``."""
    return None if (entry / "one").exists() else "one is missing"


ENTRIES = EntryBucket(name="entries", version=1, about="directories", remaking=Remaking.FETCHED, check=check)
RECORDS = RecordBucket(name="records", version=1, about="small values", remaking=Remaking.ASKED, record=dict[str, Any])
