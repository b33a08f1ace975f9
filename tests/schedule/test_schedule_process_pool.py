"""Jobs in processes of their own: results, errors, deaths, cancellation, the parent's end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pytest_fastenv.errors import FailureGroup, ProvideError, RecordError, ShortageError
from pytest_fastenv.filesystem import oslock
from pytest_fastenv.schedule.process_pool import ProcessPool


def run(scenario: Callable[[ProcessPool], Awaitable[None]], count: int = 1) -> None:
    async def main() -> None:
        async with asyncio.timeout(20), ProcessPool(count) as pool:
            await scenario(pool)

    asyncio.run(main())


def test_nothing_is_started_before_it_is_needed() -> None:
    async def scenario(pool: ProcessPool) -> None:
        assert pool.started == 0

    run(scenario, 4)


def test_values_go_there_and_back() -> None:
    async def scenario(pool: ProcessPool) -> None:
        assert await pool.call("pool_jobs:echo", {"path": Path("a")}, times=2) == [{"path": Path("a")}] * 2
        big = os.urandom(5 << 20)
        assert await pool.call("pool_jobs:echo", big) == [big]
        assert await pool.call("os:path.basename", "/a/b") == "b"
        assert pool.started == 1

    run(scenario)


def test_so_many_jobs_run_at_once_and_processes_stay(tmp_path: Path) -> None:
    async def scenario(pool: ProcessPool) -> None:
        jobs = (pool.call("pool_jobs:meet", str(tmp_path), 2) for _ in range(2))
        pids = set(await asyncio.gather(*jobs))
        assert len(pids) == 2
        later = await asyncio.gather(*(pool.call("pool_jobs:process_id") for _ in range(20)))
        assert set(later) <= pids
        assert pool.started == 2

    run(scenario, 2)


def test_output_of_jobs_does_not_disturb() -> None:
    async def scenario(pool: ProcessPool) -> None:
        assert await pool.call("pool_jobs:noise") == 0
        assert await pool.call("pool_jobs:echo", 1) == [1]

    run(scenario)


def test_errors_keep_their_class_and_parts() -> None:
    async def scenario(pool: ProcessPool) -> None:
        with pytest.raises(RecordError) as record:
            await pool.call("pool_jobs:raise_one", "record")
        assert record.value.diagnosis().splitlines()[1:] == [
            "  where: spam.whl",
            "  why:   one",
            "         two",
            "  next:  ask them",
        ]
        with pytest.raises(FailureGroup) as group:
            await pool.call("pool_jobs:raise_one", "group")
        assert [failure.what for failure in group.value.failures] == ["one", "two"]
        with pytest.raises(FileNotFoundError) as missing:
            await pool.call("pool_jobs:raise_one", "os")
        assert missing.value.filename == "/missing"
        with pytest.raises(Exception, match="this and that") as odd:
            await pool.call("pool_jobs:raise_one", "odd")
        assert type(odd.value).__name__ == "OddError"
        assert "in raise_one" in odd.value.__notes__[0]
        assert pool.started == 1

    run(scenario)


@pytest.mark.parametrize("name", ["local", "unpicklable"])
def test_an_error_that_cannot_be_sent_is_told_as_text(name: str) -> None:
    async def scenario(pool: ProcessPool) -> None:
        with pytest.raises(ProvideError, match="cannot be passed on") as caught:
            await pool.call("pool_jobs:raise_one", name)
        assert "in raise_one" in str(caught.value.why)
        with pytest.raises(Exception, match="pickle"):
            await pool.call("pool_jobs:unpicklable_result")
        with pytest.raises(ModuleNotFoundError):
            await pool.call("no_such_module:function")

    run(scenario)


def test_a_death_names_the_signal_and_the_next_process_goes_on() -> None:
    async def scenario(pool: ProcessPool) -> None:
        with pytest.raises(ProvideError) as killed:
            await pool.call("pool_jobs:die", signal.SIGKILL)
        assert killed.value.what == "a process of the pool was killed by SIGKILL while it did pool_jobs:die"
        assert killed.value.why == "the last words"
        assert "memory" in str(killed.value.hint)
        with pytest.raises(ProvideError, match="SIGSEGV"):
            await pool.call("pool_jobs:die", signal.SIGSEGV)
        with pytest.raises(ProvideError, match="ended with exit code 3"):
            await pool.call("pool_jobs:leave", 3)
        assert await pool.call("pool_jobs:echo", 1) == [1]
        assert pool.started == 4

    run(scenario)


def test_an_idle_process_that_died_is_replaced() -> None:
    async def scenario(pool: ProcessPool) -> None:
        pid = await pool.call("pool_jobs:process_id")
        os.kill(pid, signal.SIGKILL)
        while pool.idle:
            await asyncio.sleep(0.001)
        assert await pool.call("pool_jobs:echo", 1) == [1]
        assert pool.started == 2

    run(scenario)


def test_a_cancelled_job_writes_nothing_after_that(tmp_path: Path) -> None:
    counter = tmp_path / "counter"

    async def scenario(pool: ProcessPool) -> None:
        pid = await pool.call("pool_jobs:process_id")
        task = asyncio.create_task(pool.call("pool_jobs:write_slowly", str(counter)))
        while not counter.exists():
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()  # once more: it still waits for the end of the process
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not oslock.is_alive(pid)
        assert await pool.call("pool_jobs:echo", 1) == [1]

    run(scenario)


def test_a_cancelled_waiter_in_the_queue_costs_nothing(tmp_path: Path) -> None:
    async def scenario(pool: ProcessPool) -> None:
        pid = await pool.call("pool_jobs:process_id")
        first = asyncio.create_task(pool.call("pool_jobs:meet", str(tmp_path), 2))
        waiting = [asyncio.create_task(pool.call("pool_jobs:process_id")) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        (tmp_path / "other").touch()
        assert await first == pid
        assert await asyncio.gather(*waiting[1:]) == [pid, pid]
        assert pool.started == 1

    run(scenario)


def test_closing_kills_what_still_runs(tmp_path: Path) -> None:
    async def main() -> None:
        pool = ProcessPool(1)
        pid = await pool.call("pool_jobs:process_id")
        task = asyncio.create_task(pool.call("pool_jobs:write_slowly", str(tmp_path / "counter")))
        await asyncio.sleep(0)
        await pool.aclose()
        await pool.aclose()
        assert not oslock.is_alive(pid)
        with pytest.raises(ProvideError, match="SIGKILL"):
            await task
        with pytest.raises(RuntimeError, match="closed"):
            await pool.call("pool_jobs:process_id")

    asyncio.run(main())


@pytest.mark.skipif(sys.platform == "win32", reason="interrupts go another way there")
def test_an_interrupt_is_the_parents_to_decide() -> None:
    async def scenario(pool: ProcessPool) -> None:
        pid = await pool.call("pool_jobs:process_id")
        os.kill(pid, signal.SIGINT)
        assert await pool.call("pool_jobs:process_id") == pid
        assert os.getpgid(pid) != os.getpgid(0)

    run(scenario)


@pytest.mark.slow
def test_processes_end_with_their_parent_in_the_middle_of_a_job(tmp_path: Path) -> None:
    """The parent is killed and closes nothing; the job stops all the same."""
    counter = tmp_path / "counter"
    program = (
        "import asyncio, sys; sys.path[:] = eval(sys.argv[1])\n"
        "from pytest_fastenv.schedule.process_pool import ProcessPool\n"
        "async def main():\n"
        "    async with ProcessPool(1) as pool:\n"
        "        print(await pool.call('pool_jobs:process_id'), flush=True)\n"
        "        await pool.call('pool_jobs:write_slowly', sys.argv[2])\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", program, repr([str(Path(__file__).parent), os.getcwd(), *sys.path]), str(counter)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        while not counter.exists():
            time.sleep(0.001)
        parent.kill()
    deadline = time.monotonic() + 5
    while oslock.is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_the_program_imports_nothing_of_ours_to_start() -> None:
    from pytest_fastenv.schedule import pool_process

    program = "import runpy, sys; runpy.run_path(sys.argv[1]); print([m for m in sys.modules if 'fastenv' in m])"
    command = [sys.executable, "-I", "-S", "-c", program, pool_process.__file__]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_process_that_cannot_be_started_is_a_diagnosis(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(pool: ProcessPool) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", "/no/such/python")
            with pytest.raises(ProvideError, match="cannot be started") as caught:
                await pool.call("pool_jobs:process_id")
        assert caught.value.where == "/no/such/python"
        assert await pool.call("pool_jobs:echo", 1) == [1]

    run(scenario)


def test_a_process_without_threads_or_memory_is_a_shortage() -> None:
    async def scenario(pool: ProcessPool) -> None:
        for text, told in (("RuntimeError: can't start new thread", "threads"), ("MemoryError", "memory")):
            with pytest.raises(ShortageError, match=told) as caught:
                await pool.call("pool_jobs:end_saying", text)
            assert "Traceback" not in str(caught.value)

    run(scenario)


def test_no_processes_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        ProcessPool(0)
