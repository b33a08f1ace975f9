"""The store tells what it holds: listed, sized, checked, removed."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from store_buckets import ENTRIES, RECORDS

from pytest_fastenv.store import lease
from pytest_fastenv.store.buckets import READY, InStore
from pytest_fastenv.store.store import Store

KEY = "0123"


async def make(draft: Path) -> None:
    (draft / "one").write_bytes(b"x" * 100)
    (draft / "below").mkdir()
    os.link(draft / "one", draft / "below" / "again")


def publish(store: Store, *keys: str) -> None:
    for key in keys:
        asyncio.run(store.publish(ENTRIES, key, make))


def test_the_mark_is_for_reading_alone(store: Store) -> None:
    publish(store, KEY)
    assert stat.S_IMODE((store.path(ENTRIES, KEY) / READY).stat().st_mode) & 0o222 == 0


def test_nothing_is_there(store: Store) -> None:
    assert list(store.kept(ENTRIES, RECORDS)) == []
    assert store.check(ENTRIES, KEY) == "it is not there, or not whole"
    assert store.check(RECORDS, KEY)


def _mark_bytes(store: Store) -> int:
    return (store.path(ENTRIES, KEY) / ".ready").stat().st_size


def test_entries_and_records_are_listed(store: Store) -> None:
    publish(store, KEY, "0199", "ab")
    store.write_record(RECORDS, "some", {"a": 1})
    (store.path(ENTRIES, "ab") / ".ready").unlink()
    found = {(one.bucket, one.key): one for one in store.kept(ENTRIES, RECORDS)}
    assert found.keys() == {(ENTRIES, KEY), (ENTRIES, "0199"), (ENTRIES, "ab"), (RECORDS, "some")}
    assert {key for (_, key), one in found.items() if not one.is_whole} == {"ab"}
    assert found[ENTRIES, KEY].path == store.path(ENTRIES, KEY)
    assert found[ENTRIES, KEY].size_bytes == 100 + _mark_bytes(store)
    record = found[RECORDS, "some"]
    assert record.size_bytes == record.path.stat().st_size
    assert abs(record.used_at - record.path.stat().st_mtime) < 3600


def test_a_file_with_several_links_counts_once(store: Store) -> None:
    async def link(draft: Path) -> None:
        os.link(store.path(ENTRIES, KEY) / "one", draft / "one")

    publish(store, KEY)
    asyncio.run(store.publish(ENTRIES, "another", link))
    assert sorted(one.size_bytes for one in store.kept(ENTRIES)) == sorted(
        [_mark_bytes(store), 100 + _mark_bytes(store)]
    )


@pytest.mark.parametrize("place", ["file", "directory", "missing"])
def test_a_check_that_does_not_find_files_says_so(store: Store, place: str) -> None:
    """Another kind of file lies where one is expected."""
    bucket = replace(ENTRIES, check=lambda entry: (entry / "one/two").read_text() and None)
    publish(store, KEY)
    (store.path(ENTRIES, KEY) / "one").unlink()
    if place == "file":
        (store.path(ENTRIES, KEY) / "one").write_text("")
    elif place == "directory":
        (store.path(ENTRIES, KEY) / "one/two").mkdir(parents=True)
    why = {"file": "Not a directory", "directory": "Is a directory", "missing": "No such file or directory"}[place]
    assert store.check(bucket, KEY) == f"two: {why}"
    assert bucket.is_damaged(store.path(ENTRIES, KEY))


def test_links_are_not_followed(store: Store, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "large").write_bytes(b"x" * 5000)
    later = time.time() + 3600
    os.utime(outside / "large", (later, later))

    async def link(draft: Path) -> None:
        (draft / "file").symlink_to(outside / "large")
        (draft / "directory").symlink_to(outside)

    asyncio.run(store.publish(ENTRIES, KEY, link))
    (found,) = store.kept(ENTRIES)
    assert found.size_bytes == len(str(outside / "large")) + len(str(outside)) + _mark_bytes(store)
    assert found.used_at < later - 60


def test_the_latest_use_counts(store: Store, tmp_path: Path) -> None:
    publish(store, KEY)
    leased = replace(ENTRIES, lease=lambda entry: tmp_path / f"{entry.name}.lease")
    entry = store.path(ENTRIES, KEY)
    os.close(lease.hold(tmp_path / f"{KEY}.lease"))
    for number, path in enumerate((entry, entry / ".ready", tmp_path / f"{KEY}.lease")):
        os.utime(path, (2_000_000_000, 1_000_000_000 + number))  # that a file was read tells nothing of its use
    assert [one.used_at for one in store.kept(ENTRIES)] == [1_000_000_001]
    assert [one.used_at for one in store.kept(leased)] == [1_000_000_002]
    os.utime(entry, (0, 1_000_000_009))
    assert [one.used_at for one in store.kept(leased)] == [1_000_000_009]


def test_use_is_noted_once_a_day(store: Store) -> None:
    publish(store, KEY)
    store.write_record(RECORDS, KEY, {})
    (record,) = (store.root / RECORDS.directory).rglob("*.json")
    places = (record, store.path(ENTRIES, KEY) / ".ready", store.path(ENTRIES, KEY))
    for age_s, is_noted in ((3600, False), (2 * 86400, True), (-2 * 86400, True)):
        then = time.time() - age_s
        for path in places:
            os.utime(path, (then, then))
        publish(store, KEY)
        assert store.read_record(RECORDS, KEY) == {}
        assert store.lookup(ENTRIES, KEY)
        assert store.check(ENTRIES, KEY) is None
        list(store.kept(ENTRIES, RECORDS))
        noted = [abs(path.stat().st_mtime - time.time()) < 60 for path in places]
        assert noted == [is_noted, is_noted, False]


def test_what_is_held_is_told(store: Store, tmp_path: Path) -> None:
    leased = replace(ENTRIES, lease=lambda entry: tmp_path / f"{entry.name}.lease")
    publish(store, KEY, "0199")
    held = lease.hold(tmp_path / f"{KEY}.lease")
    assert {one.key: one.is_held for one in store.kept(leased)} == {KEY: True, "0199": False}
    assert not (tmp_path / "0199.lease").exists()
    os.close(held)
    assert not any(one.is_held for one in store.kept(leased))


def test_projects_are_told(store: Store) -> None:
    publish(store, KEY)
    store.write_record(RECORDS, KEY, {"a": "Some.Name"})
    entries = replace(ENTRIES, projects=lambda entry: [entry.name])
    records = replace(RECORDS, projects=lambda record: [record["a"]])
    assert [one.projects for one in store.kept(entries, records, ENTRIES)] == [{KEY}, {"Some.Name"}, set()]
    (store.path(ENTRIES, KEY) / ".ready").unlink()
    assert [one.projects for one in store.kept(entries)] == [set()]


def test_a_record_beside_another_one_needs_that(store: Store) -> None:
    store.write_record(RECORDS, KEY, {})
    beside = replace(RECORDS, beside=replace(RECORDS, name="others", version=7))
    assert [one.refers_to for one in store.kept(beside)] == [(InStore("others-v7", KEY),)]


def test_what_refers_to_others_says_so(store: Store) -> None:
    entries = replace(ENTRIES, refers_to=lambda entry: [InStore("of", entry.name)])
    records = replace(RECORDS, refers_to=lambda record: [InStore("of", record["a"])])
    publish(store, KEY, "0199")
    store.write_record(records, KEY, {"a": "b"})
    store.write_record(records, "other", {"a": "c"})
    (store.path(ENTRIES, "0199") / ".ready").unlink()
    (damaged,) = (store.root / RECORDS.directory).rglob("other.json")
    damaged.write_bytes(b"{}")
    told = {(one.bucket, one.key): one.refers_to for one in store.kept(entries, records)}
    assert told == {
        (entries, KEY): (InStore("of", KEY),),
        (entries, "0199"): (),
        (records, KEY): (InStore("of", "b"),),
        (records, "other"): (),
    }


def test_nothing_else_is_taken_for_an_entry_or_a_record(store: Store) -> None:
    publish(store, KEY)
    store.write_record(RECORDS, KEY, {})
    (store.path(ENTRIES, KEY).parent / "01.json").touch()
    (record,) = (store.root / RECORDS.directory).rglob("*.json")
    record.with_name("0199").touch()
    record.with_name("0198").mkdir()
    (store.root / RECORDS.directory / "file").touch()
    assert [(one.bucket, one.key) for one in store.kept(ENTRIES, RECORDS)] == [(ENTRIES, KEY), (RECORDS, KEY)]


def test_a_record_with_several_names_counts_once(store: Store) -> None:
    store.write_record(RECORDS, KEY, {"a": 1})
    (record,) = (store.root / RECORDS.directory).rglob("*.json")
    os.link(record, record.with_name("0199.json"))
    os.utime(record, (2_000_000_000, 1_000_000_000))
    found = list(store.kept(RECORDS))
    assert sorted(one.size_bytes for one in found) == [0, record.stat().st_size]
    assert {one.used_at for one in found} == {1_000_000_000}


def test_an_entry_is_named_by_a_path_in_it(store: Store) -> None:
    entry = store.path(ENTRIES, KEY)
    assert store.entry_with(f"{entry}/bin/python") == InStore("entries-v1", KEY)
    assert store.entry_with(f"{store.root}/logs/a/b") is None
    assert store.entry_with(str(entry)) is None  # it does not lie in itself
    assert store.entry_with(f"{store.root}/entries-v1/98/{KEY}/bin/python") is None
    assert store.entry_with("/usr/bin/python3") is None
    assert store.entry_with("/a/ab/c/d/e") is None


def test_one_is_checked(store: Store) -> None:
    publish(store, KEY)
    store.write_record(RECORDS, KEY, {"a": 1})
    assert store.check(ENTRIES, KEY) is None
    assert store.check(RECORDS, KEY) is None
    (store.path(ENTRIES, KEY) / "one").unlink()
    assert store.check(ENTRIES, KEY) == "one is missing"
    (record,) = (store.root / RECORDS.directory).rglob("*.json")
    record.write_bytes(record.read_bytes().replace(b"1", b"2"))
    assert store.check(RECORDS, KEY) == "it is not there, or not as it was written"
    assert [one.is_whole for one in store.kept(RECORDS)] == [False]


def test_a_record_is_removed(store: Store) -> None:
    store.write_record(RECORDS, KEY, {"a": 1})
    assert asyncio.run(store.withdraw(RECORDS, KEY, only_damaged=True)) is False
    assert asyncio.run(store.withdraw(RECORDS, KEY)) is True
    assert not store.has_record(RECORDS, KEY)
    assert asyncio.run(store.withdraw(RECORDS, KEY)) is False


def test_a_damaged_record_is_removed(store: Store) -> None:
    store.write_record(RECORDS, KEY, {"a": 1})
    (record,) = (store.root / RECORDS.directory).rglob("*.json")
    record.write_bytes(b"{}")
    assert asyncio.run(store.withdraw(RECORDS, KEY, only_damaged=True)) is True


def test_what_is_in_use_is_not_removed(store: Store, tmp_path: Path) -> None:
    leased = replace(ENTRIES, lease=lambda entry: tmp_path / f"{entry.name}.lease")
    publish(store, KEY)
    held = lease.hold(tmp_path / f"{KEY}.lease")
    assert asyncio.run(store.withdraw(leased, KEY)) is False
    assert store.lookup(ENTRIES, KEY)
    os.close(held)
    assert asyncio.run(store.withdraw(leased, KEY)) is True
    assert store.lookup(ENTRIES, KEY) is None


def test_entries_without_shards(store: Store) -> None:
    flat = replace(ENTRIES, name="flat", version=None, has_shards=False, mark="own/ready")
    entry = store.root / "flat" / "some-1"
    (entry / "own").mkdir(parents=True)
    (store.root / "flat" / ".leases").mkdir()
    assert [(one.key, one.is_whole) for one in store.kept(flat)] == [("some-1", False)]
    (entry / "own" / "ready").touch()
    assert [(one.key, one.is_whole) for one in store.kept(flat)] == [("some-1", True)]
    assert store.lookup(flat, "some-1") == entry


@pytest.mark.skipif(os.name == "nt", reason="what is put in a record's place is made with POSIX's calls")
@pytest.mark.parametrize("put", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_in_a_records_place_is_no_record_and_can_go(store: Store, put: Callable[[Path], None]) -> None:
    store.write_record(RECORDS, "some", {"a": 1})
    (one,) = store.kept(RECORDS)
    one.path.unlink()
    put(one.path)
    assert store.read_record(RECORDS, "some") is None
    assert [(found.key, found.is_whole) for found in store.kept(RECORDS)] == [("some", False)]
    assert store.check(RECORDS, "some")
    assert asyncio.run(store.withdraw(RECORDS, "some"))
    assert not os.path.lexists(one.path)
    store.write_record(RECORDS, "some", {"a": 2})
    assert store.read_record(RECORDS, "some") == {"a": 2}
