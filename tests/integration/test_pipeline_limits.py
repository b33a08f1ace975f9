"""No pool ever exceeds its limit, and in a serial run no two pieces of work overlap."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.archives import make_project, make_sdist, make_wheel
from kit.server import Fault, Handler, IndexServer
from pipeline_bench import PATIENCE_S, Bench, Run, noise

pytestmark = pytest.mark.slow

POOLS = {"download": ("fetch",), "build": ("build",), "install": ("unpack", "link")}


def world(artifacts: Path) -> list[str]:
    """Make wheels, source distributions, and nested build requirements; return what to ask for."""
    wheels = [f"wheel-{number}" for number in range(6)]
    for name in wheels:
        make_wheel(artifacts, name, files={**noise(name, 20_000), "shared/same.txt": "x" * 5000})
    make_wheel(artifacts, "tool")
    make_sdist(artifacts, "tool-source", build_requires=["tool"])
    sources = [f"source-{number}" for number in range(6)]
    for number, name in enumerate(sources):
        requires = ([], ["tool"], ["tool-source"])[number % 3]
        make_sdist(artifacts, name, static=number % 2 == 0, build_requires=requires, requires=["wheel-0"])
    return [*wheels, *sources]


def check_limits(run: Run, server: IndexServer, limits: dict[str, int]) -> None:
    for pool, kinds in POOLS.items():
        assert run.pools.peak[pool] <= limits[pool], pool
        assert run.pieces.most_at_once(*kinds) <= limits[pool], pool
    assert server.peak_transfers <= limits["download"]
    assert len(run.pieces.wheels_built()) == 7


def when_so_many_are_open(count: int) -> Fault:
    """Send a file when so many are being sent at once, or have been before."""

    def misbehave(handler: Handler) -> bool:
        server = handler.index
        content = (server.directory / handler.path.rpartition("/")[2]).read_bytes()
        if "Range" not in handler.headers:  # a client that gets all of it instead of a range does not read it
            with server.transferring():
                deadline = time.monotonic() + PATIENCE_S
                while server.peak_transfers < count and time.monotonic() < deadline:
                    time.sleep(0.001)
        handler.answer(200, content)
        return True

    return misbehave


@pytest.mark.parametrize(
    ("downloads", "builds", "installs"), [(1, 1, 1), (2, 2, 2), (5, 5, 5), (5, 1, 2), (1, 2, 5)], ids=str
)
def test_each_pool_keeps_its_own_limit(
    downloads: int, builds: int, installs: int, bench: Bench, artifacts: Path, index_server: Callable[..., IndexServer]
) -> None:
    names = world(artifacts)
    # Wheels have to be fetched for their metadata, whole: those transfers count as well.
    server = index_server(metadata_files=False, ranges=False)
    bench.variables |= {
        "FASTENV_INDEX_URL": server.url,
        "FASTENV_CONCURRENT_DOWNLOADS": str(downloads),
        "FASTENV_CONCURRENT_BUILDS": str(builds),
        "FASTENV_CONCURRENT_INSTALLS": str(installs),
    }
    server.fault(".whl", when_so_many_are_open(downloads))
    run = bench.run_engine(*names)
    check_limits(run, server, {"download": downloads, "build": builds, "install": installs})
    assert server.peak_transfers == run.pools.peak["download"] == downloads  # it does go up to its limit
    assert [piece.name for piece in run.pieces.some("fetch", purpose="metadata")]


@pytest.mark.parametrize("limit", [2, 5])
def test_one_variable_sets_all_limits(
    limit: int, bench: Bench, artifacts: Path, index_server: Callable[..., IndexServer]
) -> None:
    names = world(artifacts)
    server = index_server(metadata_files=False)  # metadata comes by ranges: they are transfers, too
    bench.variables |= {"FASTENV_INDEX_URL": server.url, "FASTENV_CONCURRENT": str(limit)}
    check_limits(bench.run_engine(*names), server, dict.fromkeys(POOLS, limit))


@pytest.mark.parametrize("metadata", ["beside", "by-ranges", "in-the-wheel"])
def test_in_a_serial_run_nothing_overlaps(
    metadata: str, bench: Bench, artifacts: Path, index_server: Callable[..., IndexServer]
) -> None:
    names = world(artifacts)
    project = make_project(bench.directory / "project", "project", static=False, build_requires=["tool-source"])
    server = index_server(metadata_files=metadata == "beside", ranges=metadata == "by-ranges")
    bench.variables |= {"FASTENV_INDEX_URL": server.url, "FASTENV_CONCURRENT": "1"}
    if metadata == "in-the-wheel":
        server.fault(".whl", when_so_many_are_open(1))
    pieces = bench.traced(*names, str(project))
    work = pieces.work()
    assert {piece.kind for piece in work} - {"interpreter"} == {"resolve", "fetch", "build", "unpack", "link"}
    assert len(pieces.wheels_built()) == 8
    assert work.overlaps() == []
    assert server.peak_transfers == 1


def test_a_serial_run_makes_what_the_store_needs_for_itself_one_by_one_as_well(
    bench: Bench, artifacts: Path, index_server: Callable[..., IndexServer]
) -> None:
    """The empty environment that all are copied from is made while metadata is asked for, and by then others wait."""
    for name in ("first", "second"):
        make_sdist(artifacts, name, static=False)
    make_wheel(artifacts, "wheel", files=noise("wheel", 50_000))
    bench.variables |= {"FASTENV_INDEX_URL": index_server(metadata_files=False, ranges=False).url}
    bench.variables |= {"FASTENV_CONCURRENT": "1", "FASTENV_CACHE_DIR": str(bench.directory / "new")}
    pieces = bench.traced("first", "second", "wheel")
    assert len(pieces.some("interpreter")) == 2  # probed, and its empty environment made
    assert pieces.work().overlaps() == []
