"""What the resolver has pinned is fetched while it still searches."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from installing import NoBuilder, artifact, engine, run
from kit import faults
from kit.archives import make_wheel
from kit.server import Handler, IndexServer

from pytest_fastenv import provision
from pytest_fastenv.errors import NotFoundError
from pytest_fastenv.installer.fetch_ahead import FetchAhead
from pytest_fastenv.installer.wheels import WHEELS
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.plan import Distribution, SdistSource, WheelSource
from pytest_fastenv.schedule.outcome import Admission, NotAdmittedError
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store

Serve = Callable[..., IndexServer]


def pin(path: Path, server: IndexServer) -> Distribution:
    found = artifact(path, f"{server.files_url}{path.name}")
    return Distribution(found.name, found.version, WheelSource(found))


def test_what_was_pinned_is_claimed_once(
    store: Store, recorder: Recorder, artifacts: Path, index_server: Serve
) -> None:
    wanted = pin(make_wheel(artifacts, "demo"), index_server())
    assert isinstance(wanted.source, WheelSource)
    source = wanted.source

    async def work() -> None:
        async with engine(store) as parts:
            ahead = FetchAhead(parts.wheels, NoBuilder())
            ahead.pinned(wanted)
            ahead.pinned(wanted)
            first = await ahead.claim(source.artifact)
            assert first is not None
            assert (first.name, first.provenance) == ("demo", "network")
            assert await ahead.claim(source.artifact) is None
            assert ahead.wasted_bytes == 0
            await ahead.aclose()

    run(work())
    assert [span.kind for span in recorder.spans].count("fetch") == 1


def test_what_was_taken_back_is_counted_and_kept(
    store: Store, recorder: Recorder, artifacts: Path, index_server: Serve
) -> None:
    path = make_wheel(artifacts, "demo")
    wanted = pin(path, index_server())

    async def work() -> None:
        async with engine(store) as parts:
            ahead = FetchAhead(parts.wheels, NoBuilder())
            ahead.pinned(wanted)
            async with asyncio.timeout(20):
                while ahead.wasted_bytes == 0:  # so far nobody claimed it
                    await asyncio.sleep(0)
            ahead.unpinned("demo")
            await ahead.aclose()
            assert ahead.wasted_bytes == path.stat().st_size

    run(work())
    assert [entry.name for entry in (store.root / WHEELS.directory).glob("*/*")]


def test_another_choice_takes_the_place_of_the_first(
    store: Store, recorder: Recorder, artifacts: Path, index_server: Serve
) -> None:
    server = index_server()
    first, second = (pin(make_wheel(artifacts, "demo", version), server) for version in ("1.0", "2.0"))
    assert isinstance(first.source, WheelSource)
    assert isinstance(second.source, WheelSource)
    sources = first.source, second.source

    async def work() -> None:
        async with engine(store) as parts:
            ahead = FetchAhead(parts.wheels, NoBuilder())
            ahead.pinned(first)
            ahead.pinned(second)
            found = [await ahead.claim(source.artifact) for source in sources]
            assert [wheel and wheel.version for wheel in found] == [None, "2.0"]
            await ahead.aclose()

    run(work())


def test_what_is_taken_back_before_its_bytes_came_is_given_up(
    store: Store, recorder: Recorder, artifacts: Path, index_server: Serve
) -> None:
    server = index_server()
    wanted = pin(make_wheel(artifacts, "demo"), server)
    assert isinstance(wanted.source, WheelSource)
    source = wanted.source
    asked, free = threading.Event(), threading.Event()

    def hold(_handler: Handler) -> bool:
        asked.set()
        free.wait(10)
        return False

    server.fault(source.artifact.filename, hold)

    async def work() -> None:
        async with engine(store) as parts:
            ahead = FetchAhead(parts.wheels, NoBuilder())
            ahead.pinned(wanted)
            assert await asyncio.to_thread(asked.wait, 10)
            ahead.unpinned("demo")
            await ahead.aclose()
            assert ahead.wasted_bytes == 0
            assert await ahead.claim(source.artifact) is None

    try:
        run(work())
    finally:
        free.set()
    assert not list((store.root / WHEELS.directory).glob("*/*"))


def test_a_failure_is_left_to_whoever_needs_the_wheel(
    store: Store, recorder: Recorder, artifacts: Path, index_server: Serve
) -> None:
    server = index_server()
    wanted = pin(make_wheel(artifacts, "demo"), server)
    assert isinstance(wanted.source, WheelSource)
    source = wanted.source
    server.fault(source.artifact.filename, faults.answer(404))

    async def work() -> None:
        async with engine(store) as parts:
            ahead = FetchAhead(parts.wheels, NoBuilder())
            ahead.pinned(wanted)
            await asyncio.wait(ahead._tasks.values())
            assert await ahead.claim(source.artifact) is None
            await ahead.aclose()

    run(work())


def test_a_failure_after_the_claim_is_the_claimers(
    store: Store, recorder: Recorder, artifacts: Path, index_server: Serve
) -> None:
    server = index_server()
    wanted = pin(make_wheel(artifacts, "demo"), server)
    assert isinstance(wanted.source, WheelSource)
    source = wanted.source
    server.fault(source.artifact.filename, faults.answer(404))

    async def work() -> None:
        async with engine(store) as parts:
            ahead = FetchAhead(parts.wheels, NoBuilder())
            ahead.pinned(wanted)
            with pytest.raises(NotFoundError):
                await ahead.claim(source.artifact)
            await ahead.aclose()

    run(work())


def test_what_has_no_permit_when_something_fails_is_not_begun(
    store: Store, recorder: Recorder, artifacts: Path, index_server: Serve
) -> None:
    server = index_server()
    wanted = pin(make_wheel(artifacts, "demo"), server)
    assert isinstance(wanted.source, WheelSource)
    source = wanted.source

    async def work() -> None:
        async with engine(store, downloads=1) as parts:
            ahead, admission = FetchAhead(parts.wheels, NoBuilder()), Admission()
            async with parts.tools.pools.download():
                ahead.pinned(wanted)
                claim = asyncio.create_task(ahead.claim(source.artifact, admission))
                while not parts.tools.pools.waiting("download"):
                    await asyncio.sleep(0)
                admission.close()
            with pytest.raises(NotAdmittedError):
                await claim
            await ahead.aclose()

    run(work())
    assert not [path for path in server.paths() if path.startswith("/files/")]


def test_sources_are_not_built_on_suspicion(store: Store, recorder: Recorder, artifacts: Path) -> None:
    found = artifact(make_wheel(artifacts, "demo"))

    async def work() -> None:
        async with engine(store) as parts:
            ahead = FetchAhead(parts.wheels, NoBuilder())
            ahead.pinned(Distribution("demo", "1.0", SdistSource(found)))
            ahead.unpinned("demo")
            assert await ahead.claim(found) is None

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
