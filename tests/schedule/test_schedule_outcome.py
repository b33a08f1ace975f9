"""All independent failures are reported; nothing new is begun after the first."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from pytest_fastenv.errors import BuildError, FailureGroup, HashError, UsageError
from pytest_fastenv.schedule.outcome import Admission, NotAdmittedError, run_all


async def give(value: int) -> int:
    return value


async def fail(error: BaseException, together: asyncio.Barrier | None = None) -> int:
    if together is not None:
        await together.wait()
    raise error


def run(*jobs: Coroutine[Any, Any, int], admission: Admission | None = None) -> list[int]:
    return asyncio.run(run_all(jobs, admission))


def test_results_come_in_order() -> None:
    assert run(give(1), give(2), give(3)) == [1, 2, 3]
    assert run() == []


def test_a_single_failure_is_raised_as_itself() -> None:
    error = BuildError("one")
    with pytest.raises(BuildError) as caught:
        run(give(1), fail(error))
    assert caught.value is error


def test_independent_failures_are_raised_together() -> None:
    async def main() -> None:
        gate = asyncio.Barrier(2)
        jobs = [fail(BuildError("one"), gate), fail(HashError("two"), gate), give(3)]
        await run_all(jobs)

    with pytest.raises(FailureGroup) as caught:
        asyncio.run(main())
    assert [failure.what for failure in caught.value.failures] == ["one", "two"]


def test_one_error_seen_by_several_jobs_counts_once() -> None:
    error = BuildError("one")

    async def main() -> None:
        gate = asyncio.Barrier(2)
        await run_all([fail(error, gate), fail(error, gate)])

    with pytest.raises(BuildError) as caught:
        asyncio.run(main())
    assert caught.value is error


def test_groups_within_are_taken_apart() -> None:
    one, two, three = BuildError("one"), HashError("two"), UsageError("three")

    async def main() -> None:
        gate = asyncio.Barrier(2)
        await run_all([fail(FailureGroup([one, two]), gate), fail(ExceptionGroup("tasks", [two, three]), gate)])

    with pytest.raises(FailureGroup) as caught:
        asyncio.run(main())
    assert caught.value.failures == (one, two, three)


def test_what_is_no_failure_of_ours_passes_first() -> None:
    async def main() -> None:
        gate = asyncio.Barrier(2)
        await run_all([fail(BuildError("one"), gate), fail(KeyError("a bug"), gate)])

    with pytest.raises(KeyError):
        asyncio.run(main())


def test_jobs_not_yet_begun_are_not_begun() -> None:
    begun: list[int] = []

    async def begin(number: int) -> int:
        begun.append(number)
        return number

    with pytest.raises(BuildError):
        run(begin(1), fail(BuildError("at once")), begin(2), begin(3))
    assert begun == [1]


def test_jobs_under_way_finish_and_ask_before_their_next_step() -> None:
    done: list[str] = []
    admission = Admission()

    async def main() -> None:
        gate = asyncio.Barrier(3)

        async def two_steps(name: str) -> int:
            await gate.wait()
            for _ in range(3):
                await asyncio.sleep(0)
            done.append(f"{name} fetched")
            admission.check()
            done.append(f"{name} built")
            return 0

        await run_all([two_steps("spam"), two_steps("eggs"), fail(BuildError("no"), gate)], admission)

    with pytest.raises(BuildError, match="no"):
        asyncio.run(main())
    assert done == ["spam fetched", "eggs fetched"]


def test_a_shared_admission_that_was_closed_is_no_failure() -> None:
    admission = Admission()
    admission.close()
    with pytest.raises(NotAdmittedError):
        run(give(1), give(2), admission=admission)


def test_cancelling_ends_every_job_before_it_passes() -> None:
    ended: list[int] = []

    async def work(number: int) -> int:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(5):
                await asyncio.sleep(0)
            ended.append(number)
        return number

    async def main() -> None:
        task = asyncio.create_task(run_all([work(1), work(2), work(3)]))
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sorted(ended) == [1, 2, 3]

    asyncio.run(main())
