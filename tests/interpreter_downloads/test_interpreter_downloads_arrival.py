"""Many wait for one interpreter on its way; it belongs to none of them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv.errors import InterpreterError, NetworkError
from pytest_fastenv.interpreter.probe import probe
from pytest_fastenv.interpreter_downloads.arrival import Arrival, Present
from pytest_fastenv.model.protocols import Interpreter
from pytest_fastenv.model.target import Target


@pytest.fixture(scope="module")
def target() -> Target:
    """The running interpreter."""
    return probe(Path(sys.executable))


class Bringing:
    """An installation that the test lets go on."""

    def __init__(self, result: Target | BaseException) -> None:
        self._result = result
        self.on = asyncio.Event()
        self.begun = self.ended = 0

    async def __call__(self) -> Target:
        self.begun += 1
        try:
            await self.on.wait()
        finally:
            await asyncio.sleep(0.01)  # putting away takes a moment
            self.ended += 1
        if isinstance(self._result, BaseException):
            raise self._result
        return self._result


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


async def settled(*awaitables: Awaitable[Any]) -> list[Any]:
    return await asyncio.gather(*awaitables, return_exceptions=True)


def test_what_is_there_is_ready(target: Target) -> None:
    present: Interpreter = Present(target)
    asyncio.run(present.ready())
    assert present.target is target


def test_many_wait_and_it_is_brought_once(target: Target) -> None:
    async def work() -> None:
        bringing = Bringing(target)
        arrival = Arrival(target, bringing)
        interpreter: Interpreter = arrival
        assert interpreter.target is target
        waiters = [asyncio.create_task(arrival.ready()) for _ in range(3)]
        await asyncio.sleep(0.01)
        assert (bringing.begun, arrival.is_there) == (1, False)
        assert not any(waiter.done() for waiter in waiters)
        bringing.on.set()
        assert await settled(*waiters) == [None] * 3
        await arrival.ready()
        assert (bringing.begun, arrival.is_there) == (1, True)
        await arrival.aclose()
        assert arrival.is_there

    run(work)


def test_it_begins_when_told_and_not_before(target: Target) -> None:
    async def work() -> None:
        bringing = Bringing(target)
        arrival = Arrival(target, bringing)
        await asyncio.sleep(0)
        assert bringing.begun == 0
        arrival.begin()
        arrival.begin()
        await asyncio.sleep(0)
        assert bringing.begun == 1
        await arrival.aclose()
        unused = Arrival(target, bringing)
        await unused.aclose()
        assert bringing.begun == 1

    run(work)


def test_a_waiter_that_is_cancelled_leaves_it_on_its_way(target: Target) -> None:
    async def work() -> None:
        bringing = Bringing(target)
        arrival = Arrival(target, bringing)
        first, second = (asyncio.create_task(arrival.ready()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        assert first.cancelled()
        assert bringing.ended == 0
        bringing.on.set()
        await second
        assert arrival.is_there

    run(work)


def test_a_failure_is_told_to_everybody_each_time(target: Target) -> None:
    async def work() -> None:
        failure = NetworkError("the mirror is gone")
        bringing = Bringing(failure)
        arrival = Arrival(target, bringing)
        waiters = [asyncio.create_task(arrival.ready()) for _ in range(2)]
        await asyncio.sleep(0)
        bringing.on.set()
        assert await settled(*waiters, arrival.ready()) == [failure] * 3
        assert not arrival.is_there
        assert bringing.begun == 1
        await arrival.aclose()

    run(work)


def test_giving_it_up_waits_for_its_end(target: Target) -> None:
    async def work() -> None:
        bringing = Bringing(target)
        arrival = Arrival(target, bringing)
        waiter = asyncio.create_task(arrival.ready())
        await asyncio.sleep(0.01)
        assert bringing.begun == 1
        await arrival.aclose()
        assert bringing.ended == 1
        assert not arrival.is_there
        await asyncio.wait([waiter])
        assert waiter.cancelled()
        await arrival.aclose()

    run(work)


def test_giving_it_up_waits_for_its_end_even_when_cancelled(target: Target) -> None:
    async def work() -> None:
        bringing = Bringing(target)
        arrival = Arrival(target, bringing)
        arrival.begin()
        await asyncio.sleep(0)
        closing = asyncio.create_task(arrival.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        assert closing.cancelled()
        assert bringing.ended == 1

    run(work)


def test_a_failure_without_a_waiting_task_is_no_warning(target: Target) -> None:
    async def work() -> None:
        bringing = Bringing(NetworkError("the mirror is gone"))
        bringing.on.set()
        arrival = Arrival(target, bringing)
        arrival.begin()
        await asyncio.sleep(0.01)
        await arrival.aclose()

    run(work)


def test_what_is_not_what_it_was_taken_for_stops_with_both_values(target: Target) -> None:
    async def work() -> None:
        other = replace(target, version="3.99.7", free_threaded=not target.free_threaded)
        bringing = Bringing(other)
        bringing.on.set()
        arrival = Arrival(target, bringing)
        with pytest.raises(InterpreterError) as caught:
            await arrival.ready()
        assert "not the CPython" in caught.value.what
        assert target.version in str(caught.value.why)
        assert "3.99.7" in str(caught.value.why)
        assert len(str(caught.value.why).splitlines()) == 2
        assert caught.value.exit_code == 3
        assert not arrival.is_there

    run(work)
