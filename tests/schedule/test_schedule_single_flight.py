"""One making per key, however many ask, fail or give up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pytest_fastenv.errors import BuildError
from pytest_fastenv.schedule.single_flight import SingleFlight


class Maker:
    """Makes when it is told to, and counts."""

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = 0
        self.gate = asyncio.Event()
        self.running = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        self.running.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.begun


def run(scenario: Callable[[SingleFlight[str, int], Maker], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(10):
            await scenario(SingleFlight(), Maker())

    asyncio.run(main())


def test_a_hundred_tasks_one_making() -> None:
    async def scenario(flights: SingleFlight[str, int], make: Maker) -> None:
        tasks = [asyncio.create_task(flights.do("key", make)) for _ in range(100)]
        await make.running.wait()
        assert flights.done("key") is None
        make.gate.set()
        assert await asyncio.gather(*tasks) == [1] * 100
        assert await flights.do("key", make) == 1
        assert flights.done("key") == 1
        assert await flights.do("other", make) == 2

    run(scenario)


def test_a_failure_is_told_to_all_who_wait_and_forgotten() -> None:
    async def scenario(flights: SingleFlight[str, int], make: Maker) -> None:
        async def fail() -> int:
            await make()
            raise BuildError("it failed")

        tasks = [asyncio.create_task(flights.do("key", fail)) for _ in range(3)]
        await make.running.wait()
        make.gate.set()
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(errors[0], BuildError)
        assert len(set(map(id, errors))) == 1
        assert flights.done("key") is None
        assert await flights.do("key", make) == 2

    run(scenario)


def test_the_making_goes_on_while_one_task_still_waits() -> None:
    async def scenario(flights: SingleFlight[str, int], make: Maker) -> None:
        first, second = (asyncio.create_task(flights.do("key", make)) for _ in range(2))
        await make.running.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        make.gate.set()
        assert await second == 1
        assert make.cancelled == 0

    run(scenario)


def test_the_last_one_to_give_up_ends_the_making() -> None:
    async def scenario(flights: SingleFlight[str, int], make: Maker) -> None:
        tasks = [asyncio.create_task(flights.do("key", make)) for _ in range(3)]
        await make.running.wait()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert make.cancelled == 1
        make.gate.set()
        assert await flights.do("key", make) == 2

    run(scenario)


def test_who_comes_while_it_is_being_cancelled_makes_anew_after_its_end() -> None:
    async def scenario(flights: SingleFlight[str, int], make: Maker) -> None:
        tidied = asyncio.Event()
        ended: list[str] = []

        async def slow_to_end() -> int:
            try:
                return await make()
            finally:
                await tidied.wait()
                ended.append("first")

        async def second() -> int:
            ended.append("second")
            return 7

        first = asyncio.create_task(flights.do("key", slow_to_end))
        await make.running.wait()
        first.cancel()
        await asyncio.sleep(0)
        newcomer = asyncio.create_task(flights.do("key", second))
        await asyncio.sleep(0)
        first.cancel()  # once more: it still waits for the end
        await asyncio.sleep(0)
        assert not first.done()
        tidied.set()
        assert await newcomer == 7
        assert ended == ["first", "second"]
        with pytest.raises(asyncio.CancelledError):
            await first

    run(scenario)


def test_a_failure_without_a_waiting_task_is_no_warning() -> None:
    async def scenario(flights: SingleFlight[str, int], make: Maker) -> None:
        async def fail_when_cancelled() -> int:
            try:
                return await make()
            finally:
                raise BuildError("while it was being cancelled")

        task = asyncio.create_task(flights.do("key", fail_when_cancelled))
        await make.running.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(scenario)


@pytest.mark.parametrize("turns", range(6))
def test_what_has_landed_is_to_be_had_until_those_who_waited_have_taken_it(turns: int) -> None:
    """Whoever asks some turns of the loop after the landing, but before the first has its result, gets that."""

    async def scenario(_: SingleFlight[str, int], make: Maker) -> None:
        flights: SingleFlight[str, int] = SingleFlight(remembers=False)
        loop = asyncio.get_running_loop()
        taken: list[int] = []
        late: list[asyncio.Task[tuple[bool, int]]] = []

        async def ask() -> tuple[bool, int]:
            came_before_it_was_taken = not taken
            return came_before_it_was_taken, await flights.do("key", make)

        def begin(turns_left: int) -> None:
            if turns_left:
                loop.call_soon(begin, turns_left - 1)
            else:
                late.append(asyncio.create_task(ask()))

        async def land() -> int:
            loop.call_soon(begin, turns)
            return await make()

        make.gate.set()
        taken.append(await flights.do("key", land))
        while not late:
            await asyncio.sleep(0)
        came_before, got = await late[0]
        assert got == (1 if came_before else 2)
        assert await flights.do("key", make) == got + 1  # and nothing is remembered

    run(scenario)
