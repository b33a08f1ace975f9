"""However many want the same thing at the same moment, in one process or in many, it is done once."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from front_doors import whole
from kit.archives import make_sdist, make_wheel
from kit.server import IndexServer
from pipeline_bench import Bench, Pieces, noise

pytestmark = pytest.mark.slow


@pytest.fixture
def server(bench: Bench, index_server: Callable[..., IndexServer]) -> IndexServer:
    served = index_server()
    bench.variables["FASTENV_INDEX_URL"] = served.url
    return served


def test_a_thing_wanted_in_many_places_of_a_process_is_made_once(
    bench: Bench, server: IndexServer, artifacts: Path, tmp_path: Path
) -> None:
    """A tool is wanted by the user and by five build environments, of which three are the same."""
    log = tmp_path / "builds"
    make_sdist(artifacts, "tool", build_log=log)
    make_wheel(artifacts, "part", files=noise("part", 50_000))
    names = [f"source-{number}" for number in range(5)]
    for number, name in enumerate(names):
        extra = (["part"], ["part"], ["part"], [], ["part>=0.5"])[number]
        make_sdist(artifacts, name, build_requires=["tool", *extra], static=number % 2 == 0, build_log=log)
    pieces = bench.run_engine("tool", "part", *names).pieces
    assert Counter(line.split()[0] for line in log.read_text().splitlines()) == dict.fromkeys([*names, "tool"], 1)
    assert Counter(pieces.wheels_built()) == dict.fromkeys([*names, "tool"], 1)
    assert Counter(piece.name for piece in pieces.some("fetch")) == dict.fromkeys([*names, "tool", "part"], 1)
    fetched = Counter(path for path in server.paths("GET") if path.startswith("/files/") and ".metadata" not in path)
    assert set(fetched.values()) == {1}, fetched


def test_eight_commands_build_and_fetch_once_and_say_so(
    bench: Bench, server: IndexServer, artifacts: Path, tmp_path: Path
) -> None:
    log = tmp_path / "builds"
    make_sdist(artifacts, "wanted", build_log=log, exclusive=tmp_path / "sentinel", hold_s=0.5, requires=["part"])
    make_wheel(artifacts, "part", files=noise("part", 100_000))
    places = [f"place-{number}" for number in range(8)]
    reports = {place: bench.directory / f"{place}.json" for place in places}
    started = [
        bench.start(bench.command("--report", str(report), "wanted", into=place)) for place, report in reports.items()
    ]
    said = [process.communicate(timeout=90)[0].decode() for process in started]
    assert [process.returncode for process in started] == [0] * 8, "\n".join(said)
    assert len(log.read_text().splitlines()) == 1
    assert "Traceback" not in "".join(said)
    traces = [Pieces.of_trace(report) for report in reports.values()]
    assert sum(len(trace.wheels_built()) for trace in traces) == 1
    assert sum(len(trace.some("fetch", "part")) for trace in traces) == 1
    assert sum(len(trace.some("fetch", "wanted")) for trace in traces) == 1
    origins = Counter(str(trace.one("link", "wanted").args["source"]) for trace in traces)
    assert origins == {"built": 1, "cache": 7}
    assert all(whole(bench.directory / place) == {"wanted", "part"} for place in places)


@pytest.mark.network
def test_eight_environments_side_by_side_with_a_source_distribution_of_the_index(bench: Bench) -> None:
    bench.timeout_s = 300
    reports = [bench.directory / f"{number}.json" for number in range(8)]
    started = [
        bench.start(bench.command("--report", str(report), "opentracing==2.4.0", into=report.stem))
        for report in reports
    ]
    said = [process.communicate(timeout=300)[0].decode() for process in started]
    assert [process.returncode for process in started] == [0] * 8, "\n".join(said)
    traces = [Pieces.of_trace(report) for report in reports]
    assert sorted(name for trace in traces for name in trace.wheels_built()) == ["opentracing"]
    for report in reports:
        python = bench.directory / report.stem / "bin" / "python"
        subprocess.run([python, "-c", "import opentracing; opentracing.Tracer()"], check=True)
