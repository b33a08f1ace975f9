"""The directory of a process below the store's ``tmp/``: its own while it lives, gone afterwards."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from pytest_fastenv.store.temporary import Home, has_leftovers, sweep


@pytest.fixture
def tmp(tmp_path: Path) -> Path:
    place = tmp_path / "tmp"
    place.mkdir()
    return place


def fill(home: Home) -> Path:
    directory = Path(home.directory("draft"))
    (directory / "below").mkdir()
    (directory / "below" / "file").write_text("text")
    return directory


def test_it_is_this_users_alone(tmp: Path) -> None:
    home = Home(str(tmp))
    directory = Path(home.directory("draft"))
    assert directory.parent == Path(home.path)
    assert directory.name.startswith("draft-")
    assert stat.S_IMODE(directory.stat().st_mode) == stat.S_IMODE(os.stat(home.path).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(home.directory("open", 0o755)).st_mode) == 0o755
    assert home.file("a") != home.file("a")
    assert not os.path.exists(home.file("a"))
    home.close()
    home.close()
    assert list(tmp.iterdir()) == []


def test_a_living_process_keeps_its_own(tmp: Path) -> None:
    home = Home(str(tmp))
    directory = fill(home)
    sweep(str(tmp))
    assert (directory / "below" / "file").exists()
    home.close()


def test_what_was_left_is_removed_by_a_process_that_holds_its_lease(tmp: Path) -> None:
    home = Home(str(tmp))
    fill(home)
    (lease,) = (path for path in tmp.iterdir() if path.is_file())
    with lease.open("rb") as file:
        home.leave()
        fcntl.flock(file, fcntl.LOCK_EX)  # until that process has ended
    assert list(tmp.iterdir()) == []


@pytest.mark.parametrize("name", ["mine", "mine.lease", "2026-11", "7-0123456789ab-copy", "a-0123456789ab.lease"])
def test_what_somebody_else_has_there_stays(tmp: Path, name: str) -> None:
    """``FASTENV_CACHE_DIR`` may be a directory that is used for other things, with a ``tmp`` of its own."""
    foreign = tmp / name
    beside = tmp / name.removesuffix(".lease")
    foreign.touch() if name.endswith(".lease") else foreign.mkdir()
    beside.mkdir(exist_ok=True)
    (beside / "precious").touch()
    assert not has_leftovers(str(tmp))
    sweep(str(tmp))
    assert foreign.exists()
    assert (beside / "precious").exists()


def test_a_directory_that_has_lost_its_lease_goes(tmp: Path) -> None:
    (tmp / "7-0123456789ab" / "below").mkdir(parents=True)
    assert has_leftovers(str(tmp))
    sweep(str(tmp))
    assert list(tmp.iterdir()) == []
