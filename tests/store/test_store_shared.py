"""One store of two users: what one makes the other uses, and both make more."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="needs root, to act for two users")
ONE, TWO, TEAM = 12345, 12346, 12347
PROGRAM = """
import asyncio, os, sys
from dataclasses import replace
from pathlib import Path
from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.provisioning.question import store_of
from pytest_fastenv.settings.layers import settings_from_variables
from pytest_fastenv.upkeep.diary import DIARY, LookedAfter

async def act(store, own, *others):
    async def make(place):
        (place / "content").write_text(own)
    async with store.lock(WHEELS, "a" * 64):
        pass
    for other in others:
        found = store.lookup(WHEELS, other * 64)
        assert found is not None and (found / "content").read_text() == other
        assert store.read_record(DIARY, other) == LookedAfter(1.0, 2, 3), other
        os.link(found / "content", str(store.root / f"link-{own}-{other}"))
        store.write_record(DIARY, other, LookedAfter(4.0, 2, 3))
        assert store.read_record(DIARY, other) == LookedAfter(4.0, 2, 3), other
        store.note_use(WHEELS, other * 64)
    assert await store.publish(WHEELS, own * 64, make)
    store.write_record(DIARY, own, LookedAfter(1.0, 2, 3))
    assert store.read_record(DIARY, own) == LookedAfter(1.0, 2, 3)
    async with store.temporary("x"):
        pass
    for other in others:
        assert await store.withdraw(WHEELS, other * 64)

def whole(root, *words):
    recorder = Recorder()
    settings = replace(settings_from_variables(), cache_dir=Path(root), shared_store=True)
    store = store_of(settings, recorder)
    assert (str(store.root), recorder.notices) == (root, [])
    asyncio.run(act(store, *words))

user, team, scratch, root, *words = sys.argv[1:]
os.umask(0o002)
whole(scratch, "1")  # as root, for the imports: other users need not be able to read the interpreter
whole(scratch, "2", "1")
os.setgroups([int(team)])
os.setgid(int(user))
os.setuid(int(user))
whole(root, *words)
"""


def act(user: int, store: Path, *words: str) -> None:
    scratch = store.parent.with_name(f"scratch-{words[0]}")
    program = [sys.executable, "-P", "-c", PROGRAM, str(user), str(TEAM), str(scratch), str(store), *words]
    ended = subprocess.run(program, cwd="/", stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 0, ended.stderr


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that other users can reach, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)


def test_two_users_of_one_store(place: Path) -> None:
    team = place / "team"
    team.mkdir()
    os.chown(team, 0, TEAM)
    team.chmod(0o2775)
    act(ONE, team / "store", "b")
    act(TWO, team / "store", "c", "b")
    act(ONE, team / "store", "d", "c")
    found = (team / "store").stat()
    assert (found.st_gid, found.st_mode & 0o7777) == (TEAM, 0o2775)
