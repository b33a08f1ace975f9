"""What the store does on a full disk and in a read-only file system; says what it sees on the standard output."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from store_buckets import ENTRIES, RECORDS

from pytest_fastenv.errors import StoreError
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store import lease
from pytest_fastenv.store.store import Store

KEY = "0123456789abcdef"


async def make(directory: Path) -> None:
    (directory / "one").write_text("1")


async def too_many_bytes(directory: Path) -> None:
    (directory / "one").write_bytes(bytes(1 << 20))


async def too_many_files(directory: Path) -> None:
    for number in range(200):
        (directory / str(number)).touch()


async def publishing(store: Store, maker: object) -> str:
    try:
        await store.publish(ENTRIES, KEY, maker)  # type: ignore[arg-type]
    except StoreError as error:
        return error.what
    return "made"


def full(store: Store) -> None:
    print("bytes:", asyncio.run(publishing(store, too_many_bytes)))
    print("inodes:", asyncio.run(publishing(store, too_many_files)))
    store.write_record(RECORDS, KEY, {"text": "x" * (1 << 20)})
    print("record:", store.read_record(RECORDS, KEY))
    print("again:", asyncio.run(publishing(store, make)) == "made")
    print("rubbish:", [str(path) for path in (store.root / "tmp").glob("*/*")])


def fill(store: Store) -> None:
    asyncio.run(store.publish(ENTRIES, KEY, make))
    store.write_record(RECORDS, KEY, {"a": 1})
    os.close(lease.hold(store.root / "lease"))


def read_only(store: Store) -> None:
    print("found:", store.lookup(ENTRIES, KEY) is not None)
    print("record:", store.read_record(RECORDS, KEY))
    store.write_record(RECORDS, KEY, {"a": 2})
    print("kept:", store.read_record(RECORDS, KEY))
    print("lease:", lease.hold(store.root / "lease") > 2)
    print("lease without file:", lease.hold(store.root / "another") > 2)
    try:
        asyncio.run(store.publish(ENTRIES, "another", make))
    except StoreError as error:
        print("publish:", error.what)


if __name__ == "__main__":
    globals()[sys.argv[1]](Store(Path(sys.argv[2]), recorder=Recorder()))
