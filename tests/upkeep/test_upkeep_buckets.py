"""The table of buckets names all that rooms declare, and each describes itself."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest
from kit.damage import damaged
from kit.examples import example

import pytest_fastenv
from pytest_fastenv.model.codec import members
from pytest_fastenv.store.buckets import Bucket, RecordBucket
from pytest_fastenv.store.store import Store
from pytest_fastenv.upkeep.buckets import ENTRIES, RECORDS

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "store.md"


def declared() -> dict[int, Bucket]:
    """Return every bucket that a module of the package has."""
    found: dict[int, Bucket] = {}
    for module in pkgutil.walk_packages(pytest_fastenv.__path__, "pytest_fastenv."):
        if not module.name.endswith("__main__"):
            values = vars(importlib.import_module(module.name)).values()
            found.update({id(value): value for value in values if isinstance(value, Bucket)})
    return found


@pytest.mark.slow
def test_no_bucket_is_missing_in_the_table() -> None:
    names = sorted(bucket.name for bucket in (*ENTRIES, *RECORDS))
    assert sorted(bucket.name for bucket in declared().values()) == names
    assert len(set(names)) == len(names)


def test_each_tells_what_it_is_for_in_one_line() -> None:
    for bucket in (*ENTRIES, *RECORDS):
        assert re.fullmatch(r"[a-z-]+", bucket.name)
        assert 10 < len(bucket.about) < 120, bucket.name
        assert "\n" not in bucket.about


def test_records_are_classes_whose_fields_are_known() -> None:
    for bucket in RECORDS:
        if bucket.name != "timings":  # two levels of names
            assert members(bucket.record), bucket.name


def test_the_reference_shows_the_same_table() -> None:
    shown = re.findall(r"^\| `([a-z0-9-]+)` \| (entries|records) \| (.*) \|$", DOCUMENT.read_text(), re.MULTILINE)
    assert shown == [
        *((bucket.directory, "entries", bucket.about) for bucket in ENTRIES),
        *((bucket.directory, "records", bucket.about) for bucket in RECORDS),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("bucket", RECORDS, ids=[bucket.name for bucket in RECORDS])
def test_a_record_of_each_kind_is_absent_when_any_byte_of_it_is_wrong(store: Store, bucket: RecordBucket[Any]) -> None:
    value = example(bucket.record)
    store.write_record(bucket, "key", value)
    assert store.read_record(bucket, "key") == value
    (record,) = (store.root / bucket.directory).rglob("*.json")
    for damage in damaged(record):
        assert store.read_record(bucket, "key") is None, damage
    assert store.read_record(bucket, "key") == value
