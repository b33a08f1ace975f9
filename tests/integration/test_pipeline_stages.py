"""Stages overlap, permits are held only while their resource is used, and what takes longest begins first.

Shown from what runs record. Where one thing must not wait for another, the index holds the other back until the one has
happened: a barrier between stages would hold everything up for good.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from kit.archives import make_sdist, make_wheel
from kit.server import IndexServer
from pipeline_bench import Bench, Gate, Run, begun, ended, held_back, noise, so_many_wait

from pytest_fastenv.filesystem import oslock
from pytest_fastenv.installer.timings import TIMINGS, Timings
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.provisioning.resolutions import RESOLUTIONS
from pytest_fastenv.store.store import Store

pytestmark = pytest.mark.slow

SMALL = ("small-1", "small-2", "small-3")


@pytest.fixture
def server(bench: Bench, index_server: Callable[..., IndexServer]) -> IndexServer:
    served = index_server()
    bench.variables["FASTENV_INDEX_URL"] = served.url
    return served


def test_what_is_here_is_unpacked_and_linked_while_others_download(
    bench: Bench, server: IndexServer, artifacts: Path, recorder: Recorder
) -> None:
    big = make_wheel(artifacts, "big", files=noise("big", 300_000))
    for name in SMALL:
        server.fault(make_wheel(artifacts, name).name, Gate(recorder, begun("fetch", "big")).fault)
    server.fault(big.name, Gate(recorder, *(ended("link", name) for name in SMALL)).fault)
    pieces = bench.run_engine("big", *SMALL, recorder=recorder).pieces
    last = pieces.one("fetch", "big")
    for name in SMALL:
        assert pieces.one("unpack", name).lies_in(last)
        assert pieces.one("link", name).lies_in(last)
    assert pieces.some("link")[0].end < max(piece.end for piece in pieces.some("fetch"))


def test_the_same_from_the_command_line(bench: Bench, server: IndexServer, artifacts: Path) -> None:
    make_wheel(artifacts, "big", files=noise("big", 600_000))
    for name in SMALL:
        make_wheel(artifacts, name)
    server.throttle_bytes_per_s = 400_000  # the big one takes long, the others do not
    pieces = bench.traced("big", *SMALL)
    last = pieces.one("fetch", "big")
    assert all(pieces.one("link", name).lies_in(last) for name in SMALL)
    assert all(pieces.one("unpack", name).end < last.end for name in SMALL)


def test_builds_run_while_two_downloads_are_open(
    bench: Bench, server: IndexServer, artifacts: Path, recorder: Recorder
) -> None:
    gate = Gate(recorder, ended("build", "source", hook="build_wheel"))
    for name in ("big-1", "big-2"):
        server.fault(make_wheel(artifacts, name, files=noise(name, 200_000)).name, gate.fault)
    make_sdist(artifacts, "source")
    pieces = bench.run_engine("big-1", "big-2", "source", recorder=recorder).pieces
    build = pieces.one("build", "source", hook="build_wheel")
    assert build.lies_in(pieces.one("fetch", "big-1"))
    assert build.lies_in(pieces.one("fetch", "big-2"))
    assert server.peak_transfers >= 2


def test_a_download_permit_ends_with_the_last_byte(bench: Bench, server: IndexServer, artifacts: Path) -> None:
    """Nothing can be unpacked before both are fetched, and only one may be fetched at a time."""
    for name in ("one", "two"):
        make_wheel(artifacts, name)
    recorder = Recorder()
    bench.variables |= {"FASTENV_CONCURRENT_DOWNLOADS": "1", "FASTENV_CONCURRENT_INSTALLS": "1"}
    both = Gate(recorder, ended("fetch", "one"), ended("fetch", "two"))
    bench.during = held_back("install", 1, lambda _: both.is_open)
    run = bench.run_engine("one", "two", recorder=recorder)
    assert run.pools.peak["download"] == 1
    assert min(piece.start for piece in run.pieces.some("unpack")) >= max(p.end for p in run.pieces.some("fetch"))


@pytest.fixture
def one_slot(bench: Bench) -> Any:
    """Leave one of the machine's build slots; this process holds the others."""
    with ExitStack() as stack:
        for number in range(1, os.cpu_count() or 1):
            lock = oslock.try_lock(bench.store / "slots" / f"{number}.lock")
            assert lock is not None
            stack.callback(lock.release)
        yield


@pytest.mark.parametrize("static", [True, False], ids=["metadata-stated", "metadata-asked-for"])
def test_nested_builds_with_one_permit_and_one_slot_do_not_deadlock(
    static: bool, bench: Bench, server: IndexServer, artifacts: Path, one_slot: None
) -> None:
    """Three deep: a build that held its permit, or its slot, while its build environment is made would never end."""
    make_sdist(artifacts, "low", static=static)
    make_sdist(artifacts, "mid", static=static, build_requires=["low"])
    make_sdist(artifacts, "top", static=static, build_requires=["mid"])
    bench.variables["FASTENV_CONCURRENT_BUILDS"] = "1"
    run = bench.run_engine("top")
    assert run.pieces.wheels_built() == ["low", "mid", "top"]
    assert run.pieces.most_at_once("build") == run.pools.peak["build"] == 1


def test_a_permit_is_free_while_a_build_waits_for_its_environment(
    bench: Bench, server: IndexServer, artifacts: Path, recorder: Recorder
) -> None:
    gate = Gate(recorder, ended("build", "quick", hook="build_wheel"))
    server.fault(make_wheel(artifacts, "tool", files=noise("tool", 50_000)).name, gate.fault)
    make_sdist(artifacts, "waits", build_requires=["tool"], files=noise("waits", 50_000))  # larger: begins first
    make_sdist(artifacts, "quick")
    bench.variables["FASTENV_CONCURRENT_BUILDS"] = "1"
    run = bench.run_engine("waits", "quick", recorder=recorder)
    assert run.pieces.one("build", "quick", hook="build_wheel").lies_in(run.pieces.one("fetch", "tool"))
    assert run.pools.peak["build"] == 1


def test_what_took_longest_begins_first_the_next_time(bench: Bench, server: IndexServer, artifacts: Path) -> None:
    """A run whose store knows nothing but what to install goes by size; one that knows times, too, goes by them."""
    for name, size_bytes, hold_s in (("small", 10, 0.4), ("middle", 5_000, 0.2), ("large", 10_000, 0.0)):
        make_sdist(artifacts, name, files=noise(name, size_bytes), hold_s=hold_s)
    one = {f"FASTENV_CONCURRENT_{pool}": "1" for pool in ("DOWNLOADS", "BUILDS", "INSTALLS")}
    names = ("large", "middle", "small")
    bench.run_engine(*names)
    bench.forget(RESOLUTIONS)
    assert fetched(bench.run_engine(*names, environ=one)) == ["large", "middle", "small"]
    bench.forget(RESOLUTIONS, TIMINGS)
    assert fetched(bench.run_engine(*names, environ=one)) == ["small", "middle", "large"]


def fetched(run: Run) -> list[str]:
    """Return what was fetched, one after the other: where work on a distribution begins.

    What they reach the next permit in is up to the threads in between, as soon as more than one is on its way.
    """
    return [piece.name for piece in run.pieces.some("fetch")]


def test_times_are_kept_in_one_record_and_only_when_something_was_done(
    bench: Bench, server: IndexServer, artifacts: Path
) -> None:
    for number in range(5):
        make_wheel(artifacts, f"wheel-{number}")
    make_sdist(artifacts, "source")
    names = [*(f"wheel-{number}" for number in range(5)), "source"]
    pieces = bench.traced(*names)
    (record,) = (bench.store / TIMINGS.directory).rglob("*.json")
    timings = Timings(Store(bench.store, recorder=Recorder()))
    assert timings.build("source") == pytest.approx(
        sum(p.end - p.start for p in pieces.some("build", "source", hook="build_wheel")) / 1e9, abs=1e-4
    )
    assert all(timings.seconds(name) > 0 for name in names)
    before = record.stat()
    bench.traced(*names, into="another")
    after = record.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_source_distribution_is_fetched_before_wheels_that_wait_as_well(
    bench: Bench, server: IndexServer, artifacts: Path
) -> None:
    """In a run that knows what an earlier one resolved: while versions are searched for, other things decide."""
    wheels = [f"wheel-{number}" for number in range(3)]
    for name in wheels:
        make_wheel(artifacts, name, files=noise(name, 20_000))
    make_sdist(artifacts, "source")
    bench.variables["FASTENV_CONCURRENT_DOWNLOADS"] = "1"
    bench.run_engine("source", *wheels)
    bench.forget(RESOLUTIONS)
    bench.during = held_back("download", 1, so_many_wait("download", 4))
    pieces = bench.run_engine("source", *wheels).pieces
    assert pieces.some("resolve", "4 requirements") == []
    assert pieces.some("fetch")[0].name == "source"


def test_begun_is_told_while_it_goes_on(recorder: Recorder) -> None:
    """The gate of these tests: it opens at a beginning as well as at an end."""
    gate = Gate(recorder, begun("fetch", "demo"))
    with recorder.span("fetch", "demo"):
        assert gate.wait()
