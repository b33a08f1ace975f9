"""Epochs: which things are on the disk. Other starts of the machine are tried in the integration tests."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from store_buckets import ENTRIES

from pytest_fastenv.store import durability
from pytest_fastenv.store.store import Store

pytestmark = pytest.mark.skipif(not sys.platform.startswith(("linux", "darwin")), reason="no boot has a name here")


async def _fill(place: Path) -> None:
    (place / "one").write_text("content")


def publish(store: Store, key: str) -> str:
    """Publish an entry, and return the epoch that its mark names."""
    entry = asyncio.run(store.publish(ENTRIES, key, _fill))
    return (entry / ENTRIES.mark).read_text()


def epochs(store: Store) -> list[str]:
    return os.listdir(store.root / "epochs")


def test_what_is_made_between_two_flushes_has_one_epoch(store: Store) -> None:
    first = publish(store, "aa")
    assert first.startswith(f"{durability.boot()}-")
    assert publish(store, "bb") == first
    assert epochs(store) == [first]
    assert not durability.is_flushed(store.root)
    assert durability.flush(store.root)
    assert durability.is_flushed(store.root)
    assert epochs(store) == []
    assert publish(store, "cc") != first


def test_another_store_object_uses_the_same_epoch(store: Store) -> None:
    first = publish(store, "aa")
    assert publish(Store(store.root, recorder=store.recorder), "bb") == first


def test_a_flush_between_the_choice_of_an_epoch_and_the_mark(tmp_path: Path) -> None:
    """It may have come before what is marked was written: another epoch is taken."""
    chosen: list[str] = []

    def text(epoch: str) -> str:
        chosen.append(epoch)
        if len(chosen) == 1:
            assert durability.flush(tmp_path)
        return epoch

    durability.mark(tmp_path, str(tmp_path / "mark"), text)
    assert len(chosen) == 2
    assert (tmp_path / "mark").read_text() == chosen[1] != chosen[0]
    assert durability.is_open(tmp_path, chosen[1])
    assert not durability.is_open(tmp_path, chosen[0])


def test_a_mark_is_not_written_over_unless_that_is_said(tmp_path: Path) -> None:
    durability.mark(tmp_path, str(tmp_path / "mark"))
    with pytest.raises(FileExistsError):
        durability.mark(tmp_path, str(tmp_path / "mark"))
    durability.mark(tmp_path, str(tmp_path / "mark"), lambda epoch: f"again {epoch}", again=True)
    assert (tmp_path / "mark").read_text().startswith("again ")


def test_only_the_original_of_an_epoch_is_lost(tmp_path: Path) -> None:
    """As after another start of the machine; a copy was read through the system."""
    directory = tmp_path / "epochs"
    directory.mkdir()
    (directory / "new").touch()
    lost = f"{'0' * 32}-{(directory / 'new').stat().st_ino}-{'a' * 12}"
    (directory / "new").rename(directory / lost)
    assert durability.is_lost(tmp_path, lost)
    assert durability.was_cut_off(tmp_path)
    assert durability.is_lost(tmp_path, "")  # what else a mark may hold after that
    assert durability.is_lost(tmp_path, "\0" * 60)
    assert not durability.is_lost(tmp_path, f"{'0' * 32}-1-{'b' * 12}")  # it was flushed
    assert not durability.is_lost(tmp_path, f"{durability.boot()}-1-{'c' * 12}")  # the machine still runs
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy / "epochs")
    assert not durability.was_cut_off(copy)
    assert not durability.is_lost(copy, lost)
    durability.settle(tmp_path)
    assert not durability.was_cut_off(tmp_path)
    assert durability.is_lost(tmp_path, lost)  # for what lies outside of the store
    assert not durability.is_lost(tmp_path, "")


def test_a_store_that_cannot_be_flushed_keeps_its_epoch(store: Store) -> None:
    first = publish(store, "aa")
    shutil.rmtree(store.root / "epochs")
    (store.root / "epochs").write_text("in the way")
    assert durability.flush(store.root)  # nothing of it is known any more, so nothing is to be done
    assert publish(store, "bb") == ""
    assert first


def test_what_a_killed_process_left_of_an_epoch_goes(store: Store) -> None:
    publish(store, "aa")
    for name, age_s in ((".old", 7200), (".new", 5)):
        (store.root / "epochs" / name).touch()
        os.utime(store.root / "epochs" / name, (time.time() - age_s,) * 2)
    assert durability.flush(store.root)
    assert epochs(store) == [".new"]
