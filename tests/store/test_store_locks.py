"""One holder at a time: among tasks, event loops, threads and processes."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from store_buckets import ENTRIES

from pytest_fastenv.errors import LockTimeoutError, StoreError
from pytest_fastenv.filesystem import oslock
from pytest_fastenv.model.events import Recorder, Span
from pytest_fastenv.store import locks
from pytest_fastenv.store.store import Store

if TYPE_CHECKING:
    from conftest import Start

KEY = "0123456789abcdef"


@pytest.fixture
def lock_path(store: Store) -> Path:
    return store.root / "locks" / ENTRIES.directory / f"{KEY}.lock"


def waits(recorder: Recorder) -> list[Span]:
    return [span for span in recorder.spans if span.kind == "lock-wait"]


async def until(condition: threading.Event) -> None:
    await asyncio.to_thread(condition.wait)


def threads_waiting() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("lock-wait ")]


async def threads_waiting_are(count: int) -> None:
    while len(threads_waiting()) != count:
        await asyncio.sleep(0.001)


def test_a_free_lock_is_taken_without_a_wait(store: Store, recorder: Recorder, lock_path: Path) -> None:
    async def main() -> None:
        for _ in range(2):
            async with store.lock(ENTRIES, KEY) as lock:
                assert oslock.try_lock(lock_path) is None
                assert os.fstat(lock.fileno()).st_ino == lock_path.stat().st_ino

    asyncio.run(main())
    assert waits(recorder) == []
    assert locks.in_use() == frozenset()
    assert lock_path.exists()


def test_the_holder_is_named_in_the_file(store: Store, lock_path: Path) -> None:
    async def main() -> None:
        async with store.lock(ENTRIES, KEY):
            holder = oslock.read_holder(lock_path)
            assert holder is not None
            assert (holder.pid, holder.host) == (os.getpid(), oslock.host_name())
            assert f"process {os.getpid()} on {holder.host} since {holder.since}" == str(holder)

    asyncio.run(main())


def test_tasks_take_turns_in_order(store: Store, recorder: Recorder) -> None:
    order: list[int] = []
    inside = 0

    async def work(number: int) -> None:
        nonlocal inside
        async with store.lock(ENTRIES, KEY):
            inside += 1
            assert inside == 1
            order.append(number)
            await asyncio.sleep(0)
            inside -= 1

    async def main() -> None:
        await asyncio.gather(*map(work, range(50)))

    asyncio.run(main())
    assert order == list(range(50))
    assert waits(recorder) == [], "a run does not wait for itself"
    assert locks.in_use() == frozenset()


def test_threads_with_event_loops_of_their_own_take_turns(store: Store) -> None:
    inside: list[int] = []
    done: list[int] = []

    async def work(number: int) -> None:
        for _ in range(3):
            async with store.lock(ENTRIES, KEY):
                assert inside == []
                inside.append(number)
                await asyncio.sleep(0)
                inside.remove(number)
        done.append(number)

    threads = [threading.Thread(target=lambda n=n: asyncio.run(work(n))) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(16))
    assert locks.in_use() == frozenset()


def test_many_waiters_on_one_loop_do_not_deadlock(store: Store, lock_path: Path) -> None:
    """Twenty keys, all held elsewhere, on a loop whose default executor has fewer threads and is busy."""
    keys = [f"{number:02}" for number in range(20)]
    held = [oslock.try_lock(lock_path.with_name(f"{key}.lock")) for key in keys]
    entered: list[str] = []
    blocker = threading.Event()

    async def work(key: str) -> None:
        async with store.lock(ENTRIES, key):
            entered.append(key)
            await asyncio.sleep(0)

    async def main() -> None:
        executor = [asyncio.create_task(until(blocker)) for _ in range(40)]
        tasks = [asyncio.create_task(work(key)) for key in keys * 2]
        await threads_waiting_are(20)
        for lock in held:
            assert lock is not None
            lock.release()
        await asyncio.gather(*tasks)
        blocker.set()
        await asyncio.gather(*executor)

    asyncio.run(main())
    assert sorted(entered) == sorted(keys * 2)


def test_one_thread_per_key_waits_in_the_system(store: Store, lock_path: Path) -> None:
    async def work() -> None:
        async with store.lock(ENTRIES, KEY):
            pass

    async def main() -> None:
        held = oslock.try_lock(lock_path)
        assert held is not None
        tasks = [asyncio.create_task(work()) for _ in range(30)]
        await threads_waiting_are(1)
        held.release()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert locks.in_use() == frozenset()


def test_a_cancelled_wait_ends_at_once_and_leaks_nothing(store: Store, recorder: Recorder, lock_path: Path) -> None:
    held = oslock.try_lock(lock_path)
    assert held is not None

    async def work() -> None:
        async with store.lock(ENTRIES, KEY):
            pytest.fail("the lock was held")

    async def main() -> None:
        task = asyncio.create_task(work())
        await threads_waiting_are(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(threads_waiting()) == 1  # a thread cannot be called back
        held.release()
        await threads_waiting_are(0)  # it obtained the lock and gave it up
        free = oslock.try_lock(lock_path)
        assert free is not None
        free.release()

    asyncio.run(main())
    assert waits(recorder)[0].args["error"] == "CancelledError"
    assert locks.in_use() == frozenset()


def test_the_thread_of_a_cancelled_wait_works_for_the_next(store: Store, lock_path: Path) -> None:
    held = oslock.try_lock(lock_path)
    assert held is not None

    async def work() -> str:
        async with store.lock(ENTRIES, KEY):
            return "entered"

    async def main() -> None:
        for _ in range(5):
            task = asyncio.create_task(work())
            await threads_waiting_are(1)
            task.cancel()
            await asyncio.wait([task])
        task = asyncio.create_task(work())
        await asyncio.sleep(0)  # it runs until it has to wait
        assert len(threads_waiting()) == 1
        held.release()
        assert await task == "entered"

    asyncio.run(main())
    assert locks.in_use() == frozenset()


def test_a_lock_handed_over_in_the_moment_of_cancelling_is_released(store: Store, lock_path: Path) -> None:
    held = oslock.try_lock(lock_path)
    assert held is not None

    async def work() -> None:
        async with store.lock(ENTRIES, KEY):
            pytest.fail("it was cancelled")

    async def main() -> None:
        task = asyncio.create_task(work())
        await threads_waiting_are(1)
        held.release()
        while threads_waiting():  # the event loop stands still meanwhile: the task cannot have noticed
            time.sleep(0.0001)
        task.cancel()
        await asyncio.wait([task])
        free = oslock.try_lock(lock_path)
        assert free is not None
        free.release()

    asyncio.run(main())
    assert locks.in_use() == frozenset()


def test_cancelling_one_in_the_queue_lets_the_others_pass(store: Store) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        entered: list[int] = []

        async def work(number: int) -> None:
            async with store.lock(ENTRIES, KEY):
                entered.append(number)
                await gate.wait()

        tasks = [asyncio.create_task(work(number)) for number in range(4)]
        while not entered:
            await asyncio.sleep(0)
        tasks[1].cancel()
        gate.set()
        tasks[2].cancel()  # in the same moment in which it may be its turn
        await asyncio.gather(*tasks, return_exceptions=True)
        assert entered[0] == 0
        assert entered[-1] == 3
        assert 1 not in entered

    asyncio.run(main())
    assert locks.in_use() == frozenset()


def test_a_wait_shows_whom_it_waits_for(
    store: Store, recorder: Recorder, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "SHOW_AFTER_S", 0.0)
    owner = start("hold")
    assert owner.stdout is not None
    assert owner.stdin is not None
    assert owner.stdout.readline() == "held\n"
    shown: list[str] = []

    def listen(what: str, event: object) -> None:
        if what == "progress" and isinstance(event, Span):
            shown.append(str(event.args["holder"]))
            owner.stdin.close()

    recorder.subscribe(listen)

    async def main() -> None:
        async with store.lock(ENTRIES, KEY, subject="spam 1.0"):
            pass

    asyncio.run(main())
    (span,) = waits(recorder)
    assert span.subject == "spam 1.0"
    assert span.args["key"] == KEY
    assert shown[0].startswith(f"process {owner.pid} on ")


def test_a_wait_is_bounded(tmp_path: Path, recorder: Recorder) -> None:
    store = Store(tmp_path / "cache", recorder=recorder, lock_timeout_s=0.05)
    path = store.root / "locks" / ENTRIES.directory / f"{KEY}.lock"
    held = oslock.try_lock(path)
    assert held is not None

    async def main() -> None:
        async with store.lock(ENTRIES, KEY, subject="building spam 1.0"):
            pytest.fail("the lock was held")

    with pytest.raises(LockTimeoutError) as caught:
        asyncio.run(main())
    held.release()
    assert caught.value.what == "building spam 1.0 was not free within 0.05 s"
    assert caught.value.why == "held by other work of this process"
    assert waits(recorder)[0].args["error"] == "LockTimeoutError"


def test_a_wait_for_another_task_is_bounded_too(tmp_path: Path, recorder: Recorder) -> None:
    store = Store(tmp_path / "cache", recorder=recorder, lock_timeout_s=0.05)

    async def main() -> None:
        async with store.lock(ENTRIES, KEY):
            with pytest.raises(LockTimeoutError):
                async with store.lock(ENTRIES, KEY):
                    pytest.fail("the lock was held")

    asyncio.run(main())
    assert locks.in_use() == frozenset()


def test_a_lock_file_deleted_while_held_is_not_mistaken_for_the_new_one(store: Store, lock_path: Path) -> None:
    """Who waited on the deleted file obtains it, sees that, and queues at the new one."""
    old = oslock.try_lock(lock_path)
    assert old is not None

    async def main() -> None:
        async def work() -> int:
            async with store.lock(ENTRIES, KEY) as lock:
                return os.fstat(lock.fileno()).st_ino

        task = asyncio.create_task(work())
        await threads_waiting_are(1)
        lock_path.unlink()
        new = oslock.try_lock(lock_path)
        assert new is not None
        old.release()
        done, _ = await asyncio.wait([task], timeout=0.02)
        assert not done
        inode = os.fstat(new.fileno()).st_ino
        new.release()
        assert await task == inode

    asyncio.run(main())


def test_a_lock_that_cannot_be_opened_is_a_diagnosis(store: Store, lock_path: Path) -> None:
    lock_path.mkdir(parents=True)

    async def main() -> None:
        async with store.lock(ENTRIES, KEY):
            pytest.fail("there is no file")

    with pytest.raises(StoreError) as caught:
        asyncio.run(main())
    assert caught.value.where == str(lock_path)
    assert locks.in_use() == frozenset()


@pytest.mark.slow
def test_sixteen_processes_contend(store: Store, start: Start, tmp_path: Path) -> None:
    processes = [start("contend", tmp_path / "sentinel", 20) for _ in range(16)]
    assert [process.wait(60) for process in processes] == [0] * 16


@pytest.mark.slow
def test_random_kills_never_let_two_hold_it(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    chance = random.Random(1)
    processes = [start("log_intervals", log) for _ in range(4)]
    for _ in range(24):
        seen = log.stat().st_size
        while log.stat().st_size < seen + chance.randrange(40, 400):
            time.sleep(0.0002)
        victim = chance.randrange(4)
        processes[victim].kill()
        processes[victim] = start("log_intervals", log)
    for process in processes:
        process.kill()
        process.wait()
    holder = ""
    for line in log.read_text().splitlines():
        pid, what = line.split()
        if what == "begin":
            holder = pid  # where the last one has not ended it was killed: it does not end later
        else:
            assert holder == pid


@pytest.mark.slow
def test_a_waiter_goes_on_when_the_owner_is_killed(store: Store, start: Start, recorder: Recorder) -> None:
    owner = start("hold")
    assert owner.stdout is not None
    assert owner.stdout.readline() == "held\n"

    async def main() -> float:
        async def work() -> float:
            async with store.lock(ENTRIES, KEY):
                return asyncio.get_running_loop().time()

        task = asyncio.create_task(work())
        await threads_waiting_are(1)
        killed_at = asyncio.get_running_loop().time()
        owner.kill()
        return await task - killed_at

    assert asyncio.run(main()) < 1.0
    assert len(waits(recorder)) == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a lock cannot be shared with a child there")
def test_a_child_that_has_the_descriptor_keeps_the_lock(store: Store, start: Start, lock_path: Path) -> None:
    """Builders never overlap: the guardian of a killed owner holds the lock until it has ended."""
    owner = start("hold_with_child")
    assert owner.stdout is not None
    child = int(owner.stdout.readline().split()[1])
    owner.kill()
    owner.wait()
    assert oslock.is_alive(child)
    assert oslock.try_lock(lock_path) is None
    assert "that process has ended" in str(oslock.read_holder(lock_path))

    async def main() -> None:
        async def work() -> None:
            async with store.lock(ENTRIES, KEY):
                pass

        task = asyncio.create_task(work())
        await threads_waiting_are(1)
        assert owner.stdin is not None
        owner.stdin.close()  # the child ends
        await task

    asyncio.run(main())


def test_a_program_that_ends_is_not_held_up_by_a_waiting_thread(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = oslock.try_lock(path)
    program = (
        "import sys, threading; sys.path[:0] = eval(sys.argv[2])\n"
        "from pytest_fastenv.filesystem import oslock\n"
        "threading.Thread(target=oslock.wait_lock, args=(sys.argv[1],), daemon=True).start()\n"
    )
    command = [sys.executable, "-I", "-S", "-c", program, str(path), repr(sys.path)]
    assert subprocess.run(command, timeout=10, check=True).returncode == 0
    assert held is not None
    held.release()
