"""The engine's coroutine runs to its end from anywhere, and signals end it in good order."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from functools import partial

import pytest

from pytest_fastenv.schedule.event_loop import Cancellation, run_to_end


async def _thread() -> str:
    return threading.current_thread().name


def test_runs_in_this_thread_and_gives_the_result() -> None:
    assert run_to_end(_thread()) == threading.current_thread().name


def test_where_a_loop_runs_already_another_thread_does_it() -> None:
    async def outer() -> str:
        return run_to_end(_thread())

    assert asyncio.run(outer()) == "pytest-fastenv"


def test_errors_pass_from_the_other_thread() -> None:
    async def fail() -> None:
        raise LookupError("inner")

    async def outer() -> None:
        run_to_end(fail())

    with pytest.raises(LookupError, match="inner"):
        asyncio.run(outer())


@pytest.mark.parametrize(
    ("number", "outcome"),
    [(signal.SIGTERM, SystemExit(143)), (signal.SIGHUP, SystemExit(129)), (signal.SIGINT, KeyboardInterrupt())],
)
def test_a_signal_ends_it_in_good_order(
    number: signal.Signals, outcome: BaseException, request: pytest.FixtureRequest
) -> None:
    tidied = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # tidying may wait, too
            tidied.append(True)

    if number == signal.SIGHUP:  # ignored, where the run of tests was started by nohup
        request.addfinalizer(partial(signal.signal, number, signal.signal(number, signal.SIG_DFL)))
    before = signal.getsignal(number)
    with pytest.raises(type(outcome)) as caught:
        run_to_end(work())
    assert caught.value.args == outcome.args
    assert tidied == [True]
    assert signal.getsignal(number) is before


def test_a_signal_that_is_ignored_stays_so() -> None:
    async def work() -> str:
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.01)
        return "done"

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run_to_end(work()) == "done"
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_can_cancel_it() -> None:
    begun, ended = threading.Event(), threading.Event()
    cancellation = Cancellation()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    def run() -> None:
        with cancellation, pytest.raises(asyncio.CancelledError):
            run_to_end(work())

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(10)
    cancellation.cancel()
    thread.join(10)
    assert ended.is_set()
    cancellation.cancel()  # its loop has ended


def test_what_is_cancelled_before_does_not_begin() -> None:
    begun = threading.Event()

    async def work() -> None:
        await asyncio.sleep(0)
        begun.set()

    cancellation = Cancellation()
    cancellation.cancel()
    with cancellation, pytest.raises(asyncio.CancelledError):
        run_to_end(work())
    assert not begun.is_set()
    run_to_end(work())
    assert begun.is_set()
