"""An entry is whole or absent, however often its makers fail, are cancelled or killed."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from store_buckets import ENTRIES, RECORDS

from pytest_fastenv.errors import BuildError, StoreError
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store import temporary
from pytest_fastenv.store.buckets import READY
from pytest_fastenv.store.store import Store

if TYPE_CHECKING:
    from conftest import Start

KEY = "0123456789abcdef"


async def make(directory: Path) -> None:
    assert list(directory.iterdir()) == []
    (directory / "one").write_text("1")


async def never(directory: Path) -> None:
    pytest.fail(f"{directory}: it is already there")


def rubbish(store: Store) -> list[str]:
    """What lies in the private directories of this process."""
    return [str(path) for path in (store.root / "tmp").glob("*/*")]


def whole(entry: Path | None) -> bool:
    return entry is not None and sorted(os.listdir(entry)) == [".ready", "one", "two"]


def test_an_entry_is_made_once(store: Store, recorder: Recorder) -> None:
    assert store.lookup(ENTRIES, KEY) is None
    entry = asyncio.run(store.publish(ENTRIES, KEY, make))
    assert entry == store.root / "entries-v1" / "01" / KEY
    assert sorted(os.listdir(entry)) == [".ready", "one"]
    assert asyncio.run(store.publish(ENTRIES, KEY, never)) == entry
    assert store.lookup(ENTRIES, KEY) == entry
    assert rubbish(store) == []
    assert recorder.spans == []


def test_many_tasks_make_it_once(store: Store) -> None:
    made: list[Path] = []

    async def slow(directory: Path) -> None:
        await make(directory)
        for _ in range(5):
            await asyncio.sleep(0)
        made.append(directory)

    async def main() -> set[Path]:
        return set(await asyncio.gather(*(store.publish(ENTRIES, KEY, slow) for _ in range(100))))

    assert asyncio.run(main()) == {store.path(ENTRIES, KEY)}
    assert len(made) == 1


@pytest.mark.parametrize("error", [BuildError("it failed"), ValueError("a bug"), KeyboardInterrupt()])
def test_what_the_maker_raises_passes_and_nothing_is_left(store: Store, error: BaseException) -> None:
    async def fail(directory: Path) -> None:
        await make(directory)
        raise error

    with pytest.raises(type(error)):
        asyncio.run(store.publish(ENTRIES, KEY, fail))
    assert store.lookup(ENTRIES, KEY) is None
    assert rubbish(store) == []
    asyncio.run(store.publish(ENTRIES, KEY, make))


def test_a_cancelled_maker_leaves_nothing(store: Store) -> None:
    async def main() -> None:
        begun = asyncio.Event()

        async def hang(directory: Path) -> None:
            await make(directory)
            begun.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(store.publish(ENTRIES, KEY, hang))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert rubbish(store) == []
        await store.publish(ENTRIES, KEY, make)

    asyncio.run(main())


def test_an_entry_without_mark_is_replaced(store: Store) -> None:
    path = store.path(ENTRIES, KEY)
    path.mkdir(parents=True)
    (path / "two").write_text("a part")
    assert store.lookup(ENTRIES, KEY) is None
    asyncio.run(store.publish(ENTRIES, KEY, make))
    assert sorted(os.listdir(path)) == [".ready", "one"]
    assert rubbish(store) == []


def test_a_mark_that_cannot_be_made_takes_the_entry_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.open

    def full(path: Any, *rest: Any, **options: Any) -> int:
        if os.path.basename(path) == READY:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return really(path, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        with pytest.raises(StoreError, match="no space left"):
            asyncio.run(store.publish(ENTRIES, KEY, make))
    assert not store.path(ENTRIES, KEY).exists()
    assert rubbish(store) == []
    asyncio.run(store.publish(ENTRIES, KEY, make))


def test_who_holds_the_lock_hands_it_over(store: Store) -> None:
    async def main() -> None:
        async with store.lock(ENTRIES, KEY) as lock:
            await store.publish(ENTRIES, KEY, make, lock=lock)

    asyncio.run(main())
    assert store.lookup(ENTRIES, KEY)


def test_a_damaged_entry_is_withdrawn_and_made_again(store: Store) -> None:
    async def main() -> None:
        assert await store.withdraw(ENTRIES, KEY) is False
        entry = await store.publish(ENTRIES, KEY, make)
        (entry / "one").unlink()
        assert await store.withdraw(ENTRIES, KEY) is True
        assert store.lookup(ENTRIES, KEY) is None
        assert (await store.publish(ENTRIES, KEY, make) / "one").exists()

    asyncio.run(main())
    assert rubbish(store) == []


def test_what_was_mended_meanwhile_is_not_withdrawn(store: Store) -> None:
    """Two processes see the same damage; the second must not take away what the first has made anew."""

    async def main() -> None:
        entry = await store.publish(ENTRIES, KEY, make)
        (entry / "one").unlink()
        assert await store.withdraw(ENTRIES, KEY, only_damaged=True) is True
        await store.publish(ENTRIES, KEY, make)
        assert await store.withdraw(ENTRIES, KEY, only_damaged=True) is False
        assert store.lookup(ENTRIES, KEY) == entry
        assert await store.withdraw(ENTRIES, "another", only_damaged=True) is False

    asyncio.run(main())


def test_write_protected_directories_are_removed_all_the_same(tmp_path: Path) -> None:
    """The deeper calls are refused without privileges only, so the refusal is played where tests run with them."""
    inner = tmp_path / "top" / "inner"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    inner.chmod(0o500)
    temporary.remove_tree(tmp_path / "top")
    assert not (tmp_path / "top").exists()
    temporary.remove_tree(tmp_path / "top")


@pytest.mark.slow
def test_sixteen_processes_make_it_once(store: Store, start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    processes = [start("publish", log) for _ in range(16)]
    said = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 16
    assert said == {f"{store.path(ENTRIES, KEY)}\n"}
    assert len(log.read_text().splitlines()) == 1


@pytest.mark.slow
def test_a_killed_maker_is_followed_by_a_whole_one(store: Store, start: Start, tmp_path: Path) -> None:
    first = start("publish_half")
    assert first.stdout is not None
    assert first.stdout.readline() == "half\n"
    next_one = start("publish", tmp_path / "log")
    first.kill()
    next_one.communicate(timeout=30)
    assert whole(store.lookup(ENTRIES, KEY))
    temporary.sweep(str(store.root / "tmp"))
    assert list((store.root / "tmp").iterdir()) == []


@pytest.mark.slow
def test_killed_at_every_change_of_the_file_system(store: Store, start: Start, tmp_path: Path) -> None:
    """The process kills itself at its n-th change, for every n; the next one finds a whole entry or makes one."""
    codes, there = [], []
    for point in range(1, 100):
        temporary.sweep(str(store.root / "tmp"))  # else a thread of the process does, whose changes come at any time
        process = start("until_killed", tmp_path / "log", point, "publish")
        process.communicate(timeout=30)
        codes.append(process.returncode)
        found = store.lookup(ENTRIES, KEY)
        there.append(found is not None)
        if found is not None:
            assert whole(found), point
        if process.returncode == 0:
            break
        if found is not None:  # killed after the mark, while it cleaned up
            asyncio.run(store.withdraw(ENTRIES, KEY))
    else:
        pytest.fail("it never came to its end")
    assert len(codes) > 12
    assert set(there[:-1]) == {False, True}  # some kills came before the mark, some after it
    assert set(codes) == {-signal.SIGKILL, 0}
    assert whole(store.lookup(ENTRIES, KEY))
    temporary.sweep(str(store.root / "tmp"))
    leases = [path.name for path in (store.root / "tmp").iterdir()]
    assert {name.split("-")[0] for name in leases} <= {str(os.getpid())}


def test_an_entry_takes_the_place_of_another_one(store: Store) -> None:
    async def more(directory: Path) -> None:
        os.link(store.path(ENTRIES, KEY) / "one", directory / "one")  # the other one is there meanwhile
        (directory / "two").touch()

    async def fails(_directory: Path) -> None:
        raise BuildError("it failed")

    async def work() -> None:
        await store.publish(ENTRIES, KEY, make)
        async with store.lock(ENTRIES, KEY):
            with pytest.raises(BuildError):
                await store.supersede(ENTRIES, KEY, fails)
            assert sorted(os.listdir(store.lookup(ENTRIES, KEY) or "")) == [".ready", "one"]
            await store.supersede(ENTRIES, KEY, more)

    asyncio.run(work())
    assert whole(store.lookup(ENTRIES, KEY))
    assert rubbish(store) == []


@pytest.mark.slow
def test_killed_at_every_change_while_an_entry_takes_the_place_of_another_one(
    store: Store, start: Start, tmp_path: Path
) -> None:
    """There is the one, the other, or none; the next process makes it."""
    seen = set()
    for point in range(1, 100):
        asyncio.run(store.publish(ENTRIES, KEY, make))
        temporary.sweep(str(store.root / "tmp"))
        process = start("until_killed", tmp_path / "log", point, "supersede")
        process.communicate(timeout=30)
        found = store.lookup(ENTRIES, KEY)
        seen.add(tuple(sorted(os.listdir(found))) if found is not None else None)
        if process.returncode == 0:
            break
        if found is not None and whole(found):
            asyncio.run(store.withdraw(ENTRIES, KEY))
    else:
        pytest.fail("it never came to its end")
    assert whole(store.lookup(ENTRIES, KEY))
    before, after = (".ready", "one"), (".ready", "one", "two")
    assert {before, after} <= seen <= {before, after, None}  # which points are met depends on what is swept beside
    temporary.sweep(str(store.root / "tmp"))
    leases = [path.name for path in (store.root / "tmp").iterdir()]
    assert {name.split("-")[0] for name in leases} <= {str(os.getpid())}


def test_sweeping_leaves_the_living_alone(store: Store, tmp_path: Path) -> None:
    async def main() -> None:
        async with store.temporary("mine") as mine:
            tmp = mine.parent.parent
            orphan = tmp / "1-0123456789ab"
            (orphan / "deep").mkdir(parents=True)
            dead = tmp / "2-0123456789cd"
            dead.mkdir()
            (tmp / "2-0123456789cd.lease").touch()
            temporary.sweep(str(tmp))
            assert mine.exists()
            assert not orphan.exists()
            assert not dead.exists()
            assert sorted(os.listdir(tmp)) == sorted([mine.parent.name, f"{mine.parent.name}.lease"])

    asyncio.run(main())


def test_private_directories_go_with_the_store_object(tmp_path: Path, recorder: Recorder) -> None:
    store = Store(tmp_path / "cache", recorder=recorder)
    store.write_record(RECORDS, "key", {})
    assert len(os.listdir(tmp_path / "cache" / "tmp")) == 2
    del store
    assert os.listdir(tmp_path / "cache" / "tmp") == []


def test_a_store_that_was_removed_meanwhile_is_made_again(store: Store) -> None:
    store.write_record(RECORDS, "key", {"a": 1})
    shutil.rmtree(store.root)
    store.write_record(RECORDS, "key", {"a": 2})
    assert store.read_record(RECORDS, "key") == {"a": 2}
    asyncio.run(store.publish(ENTRIES, KEY, make))


@contextmanager
def few_descriptors() -> Iterator[None]:
    """Lower the limit of open files to what is open now, plus two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 2, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs a list of open files")
def test_no_file_descriptors_is_a_diagnosis_and_passes(store: Store) -> None:
    async def greedy(directory: Path) -> None:
        files = []
        try:
            with few_descriptors():
                for number in range(5000):
                    files.append(open(directory / str(number), "w"))  # noqa: SIM115, PERF401
        finally:
            for file in files:
                file.close()

    with pytest.raises(StoreError, match="too many open files") as caught:
        asyncio.run(store.publish(ENTRIES, KEY, greedy))
    assert "ulimit -n" in str(caught.value.hint)
    assert rubbish(store) == []
    asyncio.run(store.publish(ENTRIES, KEY, make))


def in_small_namespace(script: str, root: Path) -> subprocess.CompletedProcess[str]:
    """Run a shell script in a mount namespace of its own: real full disks and real read-only file systems."""
    return subprocess.run(
        ["unshare", "-rm", "sh", "-euc", script, "sh", str(root), sys.executable, str(program())],
        capture_output=True,
        text=True,
        check=False,
    )


def program() -> Path:
    return Path(__file__).with_name("store_faults.py")


needs_namespaces = pytest.mark.skipif(
    not sys.platform.startswith("linux") or subprocess.run(["unshare", "-rm", "true"], check=False).returncode != 0,
    reason="FAULTS ARE NOT TESTED: mount namespaces (unshare -rm) are missing on this machine",
)


@needs_namespaces
@pytest.mark.slow
def test_a_full_disk_is_a_diagnosis_and_passes(tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o size=256k,nr_inodes=100 none "$1"; "$2" "$3" full "$1"'
    result = in_small_namespace(script, tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "bytes: an entry of the store cannot be written: no space left",
        "inodes: an entry of the store cannot be written: no space left",
        "record: None",
        "again: True",
        "rubbish: []",
    ]


@needs_namespaces
@pytest.mark.slow
def test_a_read_only_store_is_read(tmp_path: Path) -> None:
    script = 'mount -t tmpfs none "$1"; "$2" "$3" fill "$1"; mount -o remount,ro "$1"; "$2" "$3" read_only "$1"'
    result = in_small_namespace(script, tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "found: True",
        "record: {'a': 1}",
        "kept: {'a': 1}",
        "lease: True",
        "lease without file: True",
        "publish: a lock file cannot be opened",
    ]
