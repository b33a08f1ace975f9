"""So many at once over all processes of the machine, and who holds a slot is named."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_fastenv.errors import LockTimeoutError
from pytest_fastenv.filesystem import oslock
from pytest_fastenv.model.events import Recorder, Span
from pytest_fastenv.schedule import slots
from pytest_fastenv.schedule.slots import MachineSlots


def waits(recorder: Recorder) -> list[Span]:
    return [span for span in recorder.spans if span.kind == "slot-wait"]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_never_more_than_there_are(tmp_path: Path, recorder: Recorder, count: int) -> None:
    """Two objects on one directory, as two processes would have."""
    both = [MachineSlots(tmp_path / "slots", count, recorder, 10) for _ in range(2)]
    inside = most = 0

    async def work(number: int) -> None:
        nonlocal inside, most
        async with both[number % 2].take(f"job {number}"):
            inside += 1
            most = max(most, inside)
            for _ in range(3):
                await asyncio.sleep(0)
            inside -= 1

    async def main() -> None:
        await asyncio.gather(*map(work, range(12)))

    asyncio.run(main())
    assert most == count
    assert len(list((tmp_path / "slots").iterdir())) == count


def test_a_free_slot_is_taken_without_a_wait(tmp_path: Path, recorder: Recorder) -> None:
    places = MachineSlots(tmp_path, 2, recorder, 10)

    async def main() -> None:
        async with places.take("one") as one, places.take("two") as two:
            assert one.path != two.path
            assert os.fstat(two.fileno()).st_ino == os.stat(two.path).st_ino

    asyncio.run(main())
    assert waits(recorder) == []


def test_free_slots_are_counted_and_stay_free(tmp_path: Path, recorder: Recorder) -> None:
    ours, theirs = (MachineSlots(tmp_path, 3, recorder, 10) for _ in range(2))

    async def main() -> list[int]:
        async with ours.take("one"), theirs.take("two"):
            return [ours.free(), theirs.free()]

    assert asyncio.run(main()) == [1, 1]
    assert ours.free() == 3


def test_a_slot_given_back_goes_to_the_next_at_once(
    tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "POLL_S", 60.0)  # so long that none is found by looking again
    places = MachineSlots(tmp_path, 1, recorder, 10)
    order: list[int] = []

    async def work(number: int) -> None:
        async with places.take(f"job {number}"):
            order.append(number)
            await asyncio.sleep(0)

    async def main() -> None:
        async with asyncio.timeout(10):
            await asyncio.gather(*map(work, range(20)))

    asyncio.run(main())
    assert order == list(range(20))
    assert len(waits(recorder)) == 19


_HOLD = """
import sys
from pytest_fastenv.filesystem import oslock
held = oslock.try_lock(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def never(tmp_path: Path, recorder: Recorder) -> str | None:
    """Ask in vain for a slot; gives why there was none."""

    async def main() -> None:
        async with MachineSlots(tmp_path, 1, recorder, 0.05).take("building spam 1.0"):
            pytest.fail("there was no slot")

    with pytest.raises(LockTimeoutError, match=r"for building spam 1\.0 within 0\.05 s") as caught:
        asyncio.run(main())
    return caught.value.why


def test_a_wait_names_the_holders_and_is_bounded(
    tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "SHOW_AFTER_S", 0.0)
    command = [sys.executable, "-c", _HOLD, str(tmp_path / "0.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert f"held by process {other.pid} on" in str(never(tmp_path, recorder))
        (span,) = waits(recorder)
        assert span.subject == "building spam 1.0"
        assert str(span.args["holder"]).startswith(f"process {other.pid} on")
        other.communicate()


def test_nobody_is_told_to_wait_for_this_process(
    tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "SHOW_AFTER_S", 0.0)
    held = oslock.try_lock(tmp_path / "0.lock")
    assert held is not None
    assert never(tmp_path, recorder) is None
    held.release()
    assert "holder" not in waits(recorder)[0].args


def test_a_cancelled_wait_ends_and_the_next_one_goes_on(tmp_path: Path, recorder: Recorder) -> None:
    held = oslock.try_lock(tmp_path / "0.lock")
    assert held is not None
    places = MachineSlots(tmp_path, 1, recorder, 10)

    async def work() -> str:
        async with places.take("job"):
            return "entered"

    async def main() -> None:
        tasks = [asyncio.create_task(work()) for _ in range(3)]
        while len(waits(recorder)) < 3:
            await asyncio.sleep(0)
        tasks[0].cancel()
        tasks[1].cancel()
        await asyncio.wait(tasks[:2])
        held.release()
        assert await tasks[2] == "entered"

    asyncio.run(main())


@pytest.mark.skipif(sys.platform == "win32", reason="a lock cannot be shared with a child there")
def test_a_slot_is_held_until_the_child_that_has_it_ends(tmp_path: Path, recorder: Recorder) -> None:
    places = MachineSlots(tmp_path, 1, recorder, 10)
    wait = [sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()"]

    async def main() -> None:
        async with places.take("building") as slot:
            child = subprocess.Popen(wait, stdin=subprocess.PIPE, pass_fds=(slot.fileno(),))
        with child:
            assert oslock.try_lock(slot.path) is None
            child.kill()
            child.wait()
            async with places.take("the next"):
                pass

    asyncio.run(main())
