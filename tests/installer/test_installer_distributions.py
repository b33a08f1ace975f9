"""What several ask for is made once; what the resolver has pinned is begun while it still searches."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from installing import artifact, engine, run
from kit import faults
from kit.archives import make_sdist, make_wheel
from kit.server import Handler, IndexServer

from pytest_fastenv import provision
from pytest_fastenv.errors import BuildError, NotFoundError
from pytest_fastenv.installer.unpacked_wheel import UnpackedWheel
from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.plan import Distribution, SdistSource, WheelSource
from pytest_fastenv.schedule.outcome import Admission, NotAdmittedError
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store

Serve = Callable[..., IndexServer]


def pin(path: Path, server: IndexServer) -> Distribution:
    found = artifact(path, f"{server.files_url}{path.name}")
    return Distribution(found.name, found.version, WheelSource(found))


def source(path: Path) -> Distribution:
    found = artifact(path)
    return Distribution(found.name, found.version, SdistSource(found))


def file_name(distribution: Distribution) -> str:
    name = distribution.source.filename
    assert name is not None
    return name


class Held:
    """Holds back what a server sends of a file until it is let go."""

    def __init__(self, server: IndexServer, name: str) -> None:
        self.asked, self._free = threading.Event(), threading.Event()
        server.fault(name, self._hold)

    def _hold(self, _handler: Handler) -> bool:
        self.asked.set()
        self._free.wait(10)
        return False

    async def was_asked_for(self) -> None:
        assert await asyncio.to_thread(self.asked.wait, 10)

    def let_go(self) -> None:
        self._free.set()


def test_what_was_pinned_is_given_once_as_what_was_made(
    store: Store, recorder: Recorder, artifacts: Path, index_server: Serve
) -> None:
    wanted = pin(make_wheel(artifacts, "demo"), index_server())

    async def work() -> None:
        async with engine(store, recorder=recorder) as parts:
            door = parts.distributions
            door.pinned(wanted)
            door.pinned(wanted)
            first, second = await door.obtain(wanted), await door.obtain(wanted)
            assert (first.name, first.provenance, first.fresh) == ("demo", "network", True)
            assert (second.provenance, second.fetched_bytes, second.fresh) == ("cache", 0, False)
            door.pinned(wanted)
            assert door.wasted_bytes == 0

    run(work())
    assert [span.kind for span in recorder.spans].count("fetch") == 1


def test_those_who_ask_at_once_share_the_making(
    store: Store, recorder: Recorder, artifacts: Path, index_server: Serve
) -> None:
    wanted = pin(make_wheel(artifacts, "demo"), index_server())
    built = source(make_sdist(artifacts, "source"))

    async def work(distribution: Distribution) -> list[UnpackedWheel]:
        async with engine(store, recorder=recorder) as parts:
            return await asyncio.gather(*(parts.distributions.obtain(distribution) for _ in range(3)))

    for distribution, provenance in ((wanted, "network"), (built, "built")):
        wheels: list[UnpackedWheel] = run(work(distribution))
        assert [wheel.provenance for wheel in wheels] == [provenance, "cache", "cache"]
        assert [wheel.fresh for wheel in wheels] == [True, False, False]
    kinds = [span.kind for span in recorder.spans]
    assert (kinds.count("fetch"), kinds.count("build"), kinds.count("lock-wait")) == (2, 2, 0)


def test_one_that_is_closed_does_not_end_what_another_needs(store: Store, artifacts: Path, index_server: Serve) -> None:
    """Two environments get the same wheel, and one of them has failed."""
    wanted = pin(make_wheel(artifacts, "demo"), index_server())
    failed, going_on = Admission(), Admission()

    async def work(*admissions: Admission) -> list[object]:
        async with engine(store, downloads=1) as parts:
            async with parts.tools.pools.download():
                asking = [asyncio.create_task(parts.distributions.obtain(wanted, one)) for one in admissions]
                while not parts.tools.pools.waiting("download"):
                    await asyncio.sleep(0)
                failed.close()
            return await asyncio.gather(*asking, return_exceptions=True)

    (alone,) = run(work(failed))
    assert isinstance(alone, NotAdmittedError)
    failed = Admission()
    both = run(work(failed, going_on))
    assert all(isinstance(answer, UnpackedWheel) for answer in both)


def test_what_was_damaged_is_replaced(store: Store, artifacts: Path) -> None:
    async def work(wanted: Distribution) -> None:
        async with engine(store) as parts:
            door = parts.distributions
            first = await door.obtain(wanted)
            (first.tree / f"{wanted.name}/__init__.py").write_text("damaged")
            again = await door.replace(wanted, first)
            assert again.fresh
            assert (again.tree / f"{wanted.name}/__init__.py").read_text() != "damaged"

    wheel = artifact(make_wheel(artifacts, "wheel"))
    run(work(Distribution("wheel", "1.0", WheelSource(wheel))))
    run(work(source(make_sdist(artifacts, "sdist"))))


def test_what_was_taken_back_is_counted_and_kept(
    store: Store, recorder: Recorder, artifacts: Path, index_server: Serve
) -> None:
    path = make_wheel(artifacts, "demo")
    wanted = pin(path, index_server())

    async def work() -> None:
        async with engine(store) as parts:
            door = parts.distributions
            door.pinned(wanted)
            async with asyncio.timeout(20):
                while door.wasted_bytes == 0:  # so far it was not asked for
                    await asyncio.sleep(0)
            door.unpinned("demo")
            await door.give_up()
            assert door.wasted_bytes == path.stat().st_size

    run(work())
    assert [entry.name for entry in (store.root / WHEELS.directory).glob("*/*")]


def test_another_choice_takes_the_place_of_the_first(
    store: Store, recorder: Recorder, artifacts: Path, index_server: Serve
) -> None:
    server = index_server()
    first, second = (pin(make_wheel(artifacts, "demo", version), server) for version in ("1.0", "2.0"))
    held = Held(server, file_name(first))

    async def work() -> None:
        async with engine(store) as parts:
            door = parts.distributions
            door.pinned(first)
            await held.was_asked_for()
            door.pinned(second)
            assert (await door.obtain(second)).version == "2.0"

    try:
        run(work())
    finally:
        held.let_go()
    assert len(list((store.root / WHEELS.directory).glob("*/*"))) == 1


def test_what_is_taken_back_before_its_bytes_came_is_given_up(
    store: Store, recorder: Recorder, artifacts: Path, index_server: Serve
) -> None:
    server = index_server()
    wanted = pin(make_wheel(artifacts, "demo"), server)
    held = Held(server, file_name(wanted))

    async def work() -> None:
        async with engine(store) as parts:
            door = parts.distributions
            door.pinned(wanted)
            await held.was_asked_for()
            door.unpinned("demo")
            await door.give_up()
            assert door.wasted_bytes == 0

    try:
        run(work())
    finally:
        held.let_go()
    assert not list((store.root / WHEELS.directory).glob("*/*"))


def test_a_failure_is_no_failure_for_a_later_request(
    store: Store, recorder: Recorder, artifacts: Path, index_server: Serve
) -> None:
    server = index_server()
    wanted = pin(make_wheel(artifacts, "demo"), server)
    server.fault(file_name(wanted), faults.answer(404))

    async def work() -> None:
        async with engine(store) as parts:
            door = parts.distributions
            before = asyncio.all_tasks()
            door.pinned(wanted)
            await asyncio.wait(asyncio.all_tasks() - before)
            server.mend()
            assert (await door.obtain(wanted)).provenance == "network"

    run(work())


def test_a_failure_after_the_claim_is_the_claimers(
    store: Store, recorder: Recorder, artifacts: Path, index_server: Serve
) -> None:
    server = index_server()
    wanted = pin(make_wheel(artifacts, "demo"), server)
    server.fault(file_name(wanted), faults.answer(404))

    async def work() -> None:
        async with engine(store) as parts:
            door = parts.distributions
            door.pinned(wanted)
            with pytest.raises(NotFoundError):
                await door.obtain(wanted)

    run(work())


def test_what_has_no_permit_when_something_fails_is_not_begun(
    store: Store, recorder: Recorder, artifacts: Path, index_server: Serve
) -> None:
    server = index_server()
    wanted = pin(make_wheel(artifacts, "demo"), server)

    async def work() -> None:
        async with engine(store, downloads=1) as parts:
            door, admission = parts.distributions, Admission()
            async with parts.tools.pools.download():
                door.pinned(wanted)
                claim = asyncio.create_task(door.obtain(wanted, admission))
                while not parts.tools.pools.waiting("download"):
                    await asyncio.sleep(0)
                admission.close()
            with pytest.raises(NotAdmittedError):
                await claim

    run(work())
    assert not [path for path in server.paths() if path.startswith("/files/")]


def test_sources_are_not_built_on_suspicion(store: Store, recorder: Recorder, artifacts: Path) -> None:
    log = artifacts / "log"
    wanted = source(make_sdist(artifacts, "demo", build_log=log))

    async def work(*, certain: bool) -> None:
        async with engine(store) as parts:
            parts.distributions.pinned(wanted, certain=certain)
            assert await parts.distributions.settled() == []

    run(work(certain=False))
    assert not log.exists()
    run(work(certain=True))
    assert len(log.read_text().splitlines()) == 1


def test_failures_of_what_is_built_early_are_told_when_asked_for(store: Store, artifacts: Path) -> None:
    wanted = source(make_sdist(artifacts, "demo", backend_code="raise SystemExit(3)"))

    async def work() -> None:
        async with engine(store) as parts:
            parts.distributions.pinned(wanted, certain=True)
            (failure,) = await parts.distributions.settled()
            assert isinstance(failure, BuildError)

    run(work())


@pytest.mark.slow
def test_fetching_begins_while_the_resolver_still_reads(artifacts: Path, index_server: Serve, tmp_path: Path) -> None:
    """The page of one project is held back until the wheel of another one has been asked for."""
    make_wheel(artifacts, "quick")
    make_wheel(artifacts, "slow")
    server = index_server()
    fetched = threading.Event()
    in_time = []

    def note(_handler: Handler) -> bool:
        fetched.set()
        return False

    def hold(_handler: Handler) -> bool:
        in_time.append(fetched.wait(20))
        return False

    server.fault("/simple/slow/", hold)
    server.fault("quick-1.0-py3-none-any.whl", note)
    recorder = Recorder()
    settings = Settings(index_url=server.url, cache_dir=tmp_path / "cache", project="none")
    provision(["quick", "slow"], settings=settings, base=tmp_path, recorder=recorder)
    assert in_time == [True]
    [resolve] = [span for span in recorder.spans if span.kind == "resolve"]
    first = min(span.start_ns for span in recorder.spans if span.kind == "fetch")
    assert resolve.start_ns < first < resolve.end_ns
