from __future__ import annotations

import asyncio

import pytest

from pytest_fastenv.errors import CycleError
from pytest_fastenv.installer.build.circle import Waits


def test_a_chain_that_comes_back_is_shown() -> None:
    waits = Waits()
    with (
        waits.building("a 1"),
        waits.building("b 1"),
        waits.building("c 1"),
        pytest.raises(CycleError) as caught,
        waits.waiting("b 1"),
    ):
        pass
    assert "b 1 -> c 1 -> b 1" in caught.value.diagnosis()
    assert caught.value.hint


def test_nested_builds_without_a_circle_pass() -> None:
    waits = Waits()
    with waits.waiting("a 1"), waits.building("a 1"), waits.waiting("b 1"), waits.building("b 1") as chain:
        assert chain == ("a 1", "b 1")
        with waits.waiting("c 1"):
            pass
    assert waits.chain == ()
    with waits.building("c 1"), waits.waiting("a 1"):  # a circle, if one of the waits above still counted
        pass


def test_builds_begun_side_by_side_that_wait_for_each_other_are_noticed() -> None:
    async def run() -> str:
        waits = Waits()
        begun = asyncio.Event()

        async def first() -> None:
            with waits.building("a 1"), waits.waiting("b 1"), waits.building("b 1"), waits.waiting("c 1"):
                begun.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(first())
        await begun.wait()
        try:
            with waits.building("c 1"), waits.waiting("a 1"):
                return "no circle"
        except CycleError as error:
            return error.why or ""
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    assert asyncio.run(run()) == "c 1 -> a 1 -> b 1 -> c 1"
