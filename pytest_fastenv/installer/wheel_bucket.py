"""Where unpacked wheels lie in the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pytest_fastenv.installer.manifest import SUMMARY, WheelFacts, check
from pytest_fastenv.store.buckets import EntryBucket, Remaking


def _project(entry: Path) -> Iterator[str]:
    facts = WheelFacts.load(entry / SUMMARY)
    if facts is not None:
        yield facts.name


WHEELS = EntryBucket(
    name="wheels",
    version=3,
    about="wheels, unpacked, by SHA-256",
    remaking=Remaking.FETCHED,
    check=check,
    projects=_project,
)
