"""After a failure nothing new is begun, what is under way is finished and kept, and all failures are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from kit.archives import make_sdist, make_wheel
from kit.server import IndexServer
from pipeline_bench import (
    Bench,
    Gate,
    Pieces,
    after_the_first_failure,
    all_of,
    begun,
    ended,
    held_back,
    noise,
    so_many_wait,
)

from pytest_fastenv.errors import BuildError, FailureGroup, HashError
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.provisioning.resolutions import RESOLUTIONS

pytestmark = pytest.mark.slow

NAMES = ("slow", "corrupt", "late", "kept", "broken")
_BREAKS = """
_plain_build_wheel = build_wheel

def build_wheel(*args, **kwargs):
    if os.path.exists({flag!r}):
        raise SystemExit("it does not compile today")
    return _plain_build_wheel(*args, **kwargs)
"""


@pytest.fixture
def server(bench: Bench, index_server: Callable[..., IndexServer]) -> IndexServer:
    served = index_server()
    bench.variables["FASTENV_INDEX_URL"] = served.url
    return served


def fetched(server: IndexServer) -> set[str]:
    """Return which projects' artifacts were asked for."""
    paths = [path for path in server.paths("GET") if path.startswith("/files/") and not path.endswith(".metadata")]
    return {path.removeprefix("/files/").partition("-")[0] for path in paths}


def test_failures_partway(
    bench: Bench, server: IndexServer, artifacts: Path, tmp_path: Path, recorder: Recorder
) -> None:
    """Two transfers are open when a build breaks: of what is slow, and of what turns out corrupt.

    What comes late has no permit then. Nothing is resolved here, so nothing is fetched ahead.
    """
    flag = tmp_path / "flag"
    wheels = {
        name: make_wheel(artifacts, name, files=noise(name, size_bytes))
        for name, size_bytes in (("slow", 60_000), ("corrupt", 50_000), ("late", 40_000), ("kept", 1_000))
    }
    make_sdist(artifacts, "broken", backend_code=_BREAKS.format(flag=str(flag)))
    bench.variables |= {"FASTENV_CONCURRENT_DOWNLOADS": "2", "FASTENV_CONCURRENT_BUILDS": "1"}
    bench.run_engine(*NAMES)
    bench.forget(RESOLUTIONS)
    server.requests.clear()

    flag.touch()
    others = Gate(recorder, begun("fetch", "slow"), begun("fetch", "corrupt"), ended("link", "kept"))
    failed = Gate(recorder)
    bench.during = all_of(
        after_the_first_failure(failed),
        held_back("download", 2, so_many_wait("download", 5)),  # until all of them ask
        held_back("build", 1, lambda _: others.is_open),
    )
    server.fault(wheels["slow"].name, failed.fault)
    server.fault(wheels["corrupt"].name, failed.corrupting_fault)
    with pytest.raises(FailureGroup) as caught:
        bench.run_engine(*NAMES, recorder=recorder)
    assert {type(failure) for failure in caught.value.failures} == {BuildError, HashError}
    assert all(f"[{n}/2] " in caught.value.diagnosis() for n in (1, 2))
    pieces = Pieces.of(recorder)
    failed_at = pieces.one("build", "broken", hook="build_wheel").end
    assert pieces.one("fetch", "slow").end > failed_at  # it was under way, and is finished
    assert "error" not in pieces.one("fetch", "slow").args
    assert [piece.name for piece in pieces.work() if piece.start > failed_at] == ["slow"]  # unpacked, so that it stays
    assert pieces.some("fetch", "late") == []
    assert fetched(server) == {"slow", "corrupt", "kept", "broken"}
    assert [piece.name for piece in pieces.some("link")] == ["kept"]
    assert not list(bench.directory.glob("by-engine-2*"))

    flag.unlink()
    bench.during = None
    server.mend()
    server.requests.clear()
    run = bench.run_engine(*NAMES)
    assert fetched(server) == {"corrupt", "late"}
    assert (run.report.cached, run.report.fetched, run.report.built) == (2, 2, 1)


def test_failures_that_do_not_depend_on_each_other_are_all_told_by_the_command(
    bench: Bench, server: IndexServer, artifacts: Path
) -> None:
    for name in ("one", "two"):
        make_sdist(artifacts, name, hold_s=0.3, backend_code=_BREAKS.format(flag=str(artifacts)))
    make_wheel(artifacts, "good")
    bench.variables["FASTENV_CONCURRENT_BUILDS"] = "2"
    outcome = bench.run(bench.command("one", "two", "good"))
    outcome.is_diagnosis(
        3, r"\[1/2\] (one|two) 1\.0: build_wheel failed", r"\[2/2\] (one|two) 1\.0: build_wheel failed"
    )
    assert not bench.made.exists()
