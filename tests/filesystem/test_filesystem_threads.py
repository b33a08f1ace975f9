"""Threads that never outlive the task which waits for them."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pytest_fastenv.filesystem.threads import in_thread


def test_results_and_errors() -> None:
    assert asyncio.run(in_thread(divmod, 7, 2)) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_thread(divmod, 7, 0))


@pytest.mark.parametrize("fails", [False, True])
def test_cancelled_however_often_it_waits_for_the_end(fails: bool) -> None:
    begun, go_on = threading.Event(), threading.Event()
    ended: list[str] = []

    def work() -> None:
        begun.set()
        assert go_on.wait(30)
        ended.append("ended")
        if fails:
            raise ValueError

    async def run() -> None:
        task = asyncio.create_task(in_thread(work))
        await asyncio.to_thread(begun.wait)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == ["ended"]

    asyncio.run(run())


def test_a_thread_that_has_not_begun_is_waited_for_as_well() -> None:
    """What waits in the queue cannot be taken back for sure."""
    turn = threading.Event()
    ended: list[str] = []

    async def run() -> None:
        from concurrent.futures import ThreadPoolExecutor

        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, turn.wait)
        task = asyncio.create_task(in_thread(ended.append, "ended"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        loop.call_later(0.05, turn.set)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == ["ended"]
        await busy

    asyncio.run(run())
