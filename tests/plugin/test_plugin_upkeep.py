"""The store is looked after when a session ends, once a day, by a process that nothing waits for."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from kit.archives import make_wheel

from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store.store import Store
from pytest_fastenv.upkeep.diary import DIARY, LAST, LookedAfter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.slow


def looked_after(store: Store, within_s: float) -> LookedAfter | None:
    """Wait for a process that belongs to nobody, until what it took out is gone, too."""
    end = time.monotonic() + within_s
    known = None
    while known is None or any((store.root / "tmp").iterdir()):
        if time.monotonic() >= end:
            break
        time.sleep(0.01)
        known = store.read_record(DIARY, LAST)
    return known


def test_once_a_day_after_a_session(project: Project, tmp_path: Path) -> None:
    artifacts = tmp_path / "more"
    artifacts.mkdir()
    make_wheel(artifacts, "library")
    root = tmp_path / "store"
    project.variables |= {"FASTENV_FIND_LINKS": str(artifacts), "FASTENV_CACHE_DIR": str(root)}
    project.write(requirements__txt="library\n", test_inside__py="def test(): import library\n")
    store = Store(root, recorder=Recorder())

    def run() -> None:
        ran = project.run("--fastenv", "requirements.txt")
        assert ran.returncode == 0, ran.stdout + ran.stderr

    run()
    (root / "wheels-v1").mkdir()
    for path in (root / "CACHEDIR.TAG", root / "wheels-v1"):
        os.utime(path, (0, 0))
    assert looked_after(store, 0) is None, "the store is new"
    run()
    known = looked_after(store, 60)
    assert known is not None
    assert (known.removed, known.failed) == (1, "")
    assert not (root / "wheels-v1").exists()
    before = {path: path.stat().st_mtime_ns for path in root.iterdir()}
    run()
    assert {path: path.stat().st_mtime_ns for path in root.iterdir()} == before
