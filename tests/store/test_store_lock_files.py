"""Lock files go when nobody uses them, and no holder and no waiter is the worse for it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from store_buckets import ENTRIES

from pytest_fastenv.filesystem import oslock
from pytest_fastenv.store import lock_files
from pytest_fastenv.store.lock_files import sweep_locks
from pytest_fastenv.store.store import Store

if TYPE_CHECKING:
    from conftest import Start

KEY = "0123456789abcdef"


@pytest.fixture
def lock_path(store: Store) -> Path:
    return store.root / "locks" / ENTRIES.directory / f"{KEY}.lock"


def days_later(days: float) -> float:
    return time.time() + days * 86400


def test_what_was_unused_for_a_day_goes(store: Store, lock_path: Path) -> None:
    used, forgotten = store.try_lock(ENTRIES, KEY), store.try_lock(ENTRIES, "fedcba9876543210")
    assert used is not None
    assert forgotten is not None
    used.release()
    forgotten.release()
    os.utime(lock_path.with_name("fedcba9876543210.lock"), (0, 0))
    assert sweep_locks(store.root, time.time()) == 1
    assert os.listdir(lock_path.parent) == [lock_path.name]
    assert sweep_locks(store.root, days_later(0.9)) == 0
    assert sweep_locks(store.root, days_later(1.1)) == 1
    assert os.listdir(lock_path.parent) == []


def test_what_the_store_itself_holds_together_with_stays(store: Store) -> None:
    (store.root / "locks").mkdir(parents=True)
    makers = store.root / "locks" / "makers.lock"
    makers.touch()
    assert sweep_locks(store.root, days_later(100)) == 0
    assert makers.exists()


def test_what_is_held_for_days_stays(store: Store, lock_path: Path, start: Start) -> None:
    holder = start("hold")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    assert sweep_locks(store.root, days_later(100)) == 0
    assert oslock.try_lock(lock_path) is None


def test_what_a_child_holds_after_its_parent_was_killed_stays(store: Store, lock_path: Path, start: Start) -> None:
    holder = start("hold_with_child")
    assert holder.stdout is not None
    assert holder.stdout.readline().startswith("held ")
    holder.kill()
    holder.wait()
    assert sweep_locks(store.root, days_later(100)) == 0
    assert oslock.try_lock(lock_path) is None


def test_a_store_without_locks(store: Store) -> None:
    assert sweep_locks(store.root, days_later(100)) == 0
    assert not (store.root / "locks").exists()


def test_one_holder_at_a_time_while_lock_files_vanish(
    store: Store, lock_path: Path, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each contender makes a file that must not be there yet; a second holder would fail."""
    monkeypatch.setattr(lock_files, "UNUSED_S", -86400.0)  # every one counts as forgotten at once
    contenders = [start("contend", tmp_path / "sentinel", 300) for _ in range(4)]
    gone = 0
    while any(contender.poll() is None for contender in contenders):
        gone += sweep_locks(store.root, time.time())
    assert [contender.returncode for contender in contenders] == [0, 0, 0, 0]
    assert gone + sweep_locks(store.root, time.time()) > 0  # how often it is free while it is looked at, nobody knows
    assert not (tmp_path / "sentinel").exists()
