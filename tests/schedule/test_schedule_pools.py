"""No pool ever exceeds its limit; a task that was cancelled keeps no permit."""

from __future__ import annotations

import asyncio

import pytest

from pytest_fastenv.schedule.descriptors import Shares
from pytest_fastenv.schedule.pools import Pools


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_each_pool_has_its_own_limit_and_uses_it(limit: int) -> None:
    pools = Pools(Shares.wanted(downloads=limit, builds=limit + 1, installs=limit + 2))

    async def work(number: int) -> None:
        async with (pools.download, pools.build, pools.install)[number % 3]():
            for _ in range(number % 4 + 1):
                await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*map(work, range(120)))

    asyncio.run(main())
    assert pools.peak == {"download": limit, "build": limit + 1, "install": limit + 2}
    assert [pools.held(name) for name in pools.peak] == [0, 0, 0]


def test_pools_do_not_wait_for_each_other() -> None:
    pools = Pools(Shares.wanted(downloads=1, builds=1, installs=1))

    async def main() -> None:
        async with pools.download(), pools.build(), pools.install():
            assert [pools.held(name) for name in pools.peak] == [1, 1, 1]

    asyncio.run(main())


def test_serial_means_one_permit_for_everything() -> None:
    pools = Pools(Shares.wanted(downloads=1, builds=1, installs=1), serial=True)
    inside = 0

    async def work(number: int) -> None:
        nonlocal inside
        async with (pools.download, pools.build, pools.install)[number % 3]():
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            inside -= 1

    async def main() -> None:
        await asyncio.gather(*map(work, range(30)))

    asyncio.run(main())
    assert pools.peak == {"download": 1, "build": 1, "install": 1}


def test_the_highest_priority_goes_first_and_equals_in_order() -> None:
    pools = Pools(Shares.wanted(downloads=1, builds=1, installs=1))
    order: list[str] = []

    async def work(name: str, priority: float) -> None:
        async with pools.build(priority=priority):
            order.append(name)
            await asyncio.sleep(0)

    async def main() -> None:
        jobs = [("first", 0.0), ("short", 1.0), ("long", 60.0), ("longer", 90.0), ("long again", 60.0)]
        await asyncio.gather(*(work(*job) for job in jobs))

    asyncio.run(main())
    assert order == ["first", "longer", "long", "long again", "short"]


def test_a_cancelled_waiter_loses_no_permit() -> None:
    pools = Pools(Shares.wanted(downloads=1, builds=1, installs=1))

    async def work() -> None:
        async with pools.download():
            await asyncio.sleep(0)

    async def main() -> None:
        tasks = [asyncio.create_task(work()) for _ in range(6)]
        await asyncio.sleep(0)
        tasks[1].cancel()  # while it waits
        await asyncio.gather(*tasks, return_exceptions=True)
        async with pools.download():
            task = asyncio.create_task(work())
            await asyncio.sleep(0)
        task.cancel()  # when the permit was just given to it
        await asyncio.wait([task])
        async with asyncio.timeout(1), pools.download():
            pass

    asyncio.run(main())
    assert pools.held("download") == 0


def test_a_failed_holder_gives_its_permit_back() -> None:
    pools = Pools(Shares.wanted(downloads=1, builds=1, installs=1))

    async def main() -> None:
        with pytest.raises(ValueError, match="inside"):
            async with pools.install():
                raise ValueError("inside")
        async with pools.install():
            pass

    asyncio.run(main())


def test_a_pool_without_permits_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Pools(Shares.wanted(downloads=1, builds=0, installs=1))
