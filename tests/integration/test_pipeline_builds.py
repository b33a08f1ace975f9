"""Build environments are shared by builds and processes, and circles of build requirements are told as circles."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise, permutations
from pathlib import Path

import pytest
from kit.archives import make_sdist, make_wheel
from kit.server import IndexServer
from pipeline_bench import Bench

from pytest_fastenv.filesystem import oslock
from pytest_fastenv.index.page_cache import PAGES
from pytest_fastenv.model.events import Notice, Recorder, Span
from pytest_fastenv.provisioning.build_environments import BUILD_ENVIRONMENTS
from pytest_fastenv.provisioning.resolutions import RESOLUTIONS

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def server(bench: Bench, index_server: Callable[..., IndexServer]) -> IndexServer:
    served = index_server()
    bench.variables["FASTENV_INDEX_URL"] = served.url
    return served


def test_builds_with_the_same_requirements_share_an_environment(bench: Bench, artifacts: Path) -> None:
    make_wheel(artifacts, "tool-a")
    make_wheel(artifacts, "tool-b")
    requirements = {
        "one": ["tool-a", "tool-b"],
        "two": ["tool-b", "tool-a", "tool-a"],
        "three": ["tool-b>=0", "tool-a"],
    }
    for name, requires in requirements.items():
        make_sdist(artifacts, name, build_requires=requires)
    pieces = bench.run_engine("one", "two", "three").pieces
    assert sorted(pieces.wheels_built()) == ["one", "three", "two"]
    assert len(bench.entries(BUILD_ENVIRONMENTS)) == 1
    assert len(pieces.some("link", "tool-a")) == 1


def test_what_was_built_is_found_without_requests_while_its_environments_resolution_stands(
    bench: Bench, artifacts: Path, server: IndexServer
) -> None:
    make_wheel(artifacts, "tool", "1.0")
    make_sdist(artifacts, "needed", build_requires=["tool"])
    make_sdist(artifacts, "one", build_requires=["tool", "needed"], get_requires=["tool>=0"])
    assert bench.run_engine("one").pieces.wheels_built() == ["needed", "one"]
    shutil.rmtree(bench.store / BUILD_ENVIRONMENTS.directory)
    make_wheel(artifacts, "tool", "2.0")
    server.requests.clear()
    assert bench.run_engine("one").pieces.wheels_built() == []
    assert server.requests == []
    assert bench.entries(BUILD_ENVIRONMENTS) == []
    bench.variables["FASTENV_OFFLINE"] = "1"
    assert bench.run_engine("one").pieces.wheels_built() == []


def test_what_is_built_with_another_release_is_built_anew(bench: Bench, artifacts: Path) -> None:
    make_wheel(artifacts, "tool", "1.0")
    make_sdist(artifacts, "one", build_requires=["tool"])
    assert bench.run_engine("one").pieces.wheels_built() == ["one"]
    make_wheel(artifacts, "tool", "2.0")
    shutil.rmtree(bench.store / RESOLUTIONS.directory)  # the resolutions do not stand any longer
    shutil.rmtree(bench.store / PAGES.directory)
    assert bench.run_engine("one").pieces.wheels_built() == ["one"]
    assert bench.run_engine("one").pieces.wheels_built() == []


def test_other_contents_mean_another_environment(bench: Bench, artifacts: Path) -> None:
    make_wheel(artifacts, "tool", "1.0")
    make_wheel(artifacts, "tool", "2.0")
    make_sdist(artifacts, "one", build_requires=["tool"])
    make_sdist(artifacts, "two", build_requires=["tool<2"])
    make_sdist(artifacts, "three", build_requires=["tool==2.0"])
    bench.run_engine("one", "two", "three")
    assert len(bench.entries(BUILD_ENVIRONMENTS)) == 2


def test_processes_share_build_environments_and_what_is_built_for_them(
    bench: Bench, artifacts: Path, tmp_path: Path
) -> None:
    log = tmp_path / "builds"
    make_sdist(artifacts, "tool", build_log=log)
    for name in ("one", "two"):
        make_sdist(artifacts, name, build_requires=["tool"], build_log=log, hold_s=0.1)
    started = [bench.start(bench.command(name, into=name)) for name in ("one", "two")]
    said = [process.communicate(timeout=60)[0].decode() for process in started]
    assert [process.returncode for process in started] == [0, 0], "\n".join(said)
    assert sorted(line.split()[0] for line in log.read_text().splitlines()) == ["one", "tool", "two"]
    assert len(bench.entries(BUILD_ENVIRONMENTS)) == 2  # the empty one, and the one with the tool


@pytest.mark.parametrize("serial", [False, True], ids=["side-by-side", "serial"])
def test_nothing_is_built_while_a_build_environment_is_locked(serial: bool, bench: Bench, artifacts: Path) -> None:
    """Else two processes that build in another order wait for each other. (A serial run builds nothing ahead.)"""
    if serial:
        bench.variables["FASTENV_CONCURRENT"] = "1"
    make_sdist(artifacts, "low")
    make_sdist(artifacts, "mid", build_requires=["low"])
    make_sdist(artifacts, "top", build_requires=["mid"])
    locked: list[str] = []

    def listen(what: str, event: Span | Notice) -> None:
        if what == "start" and isinstance(event, Span) and event.kind == "build":
            for path in (bench.store / "locks" / BUILD_ENVIRONMENTS.directory).glob("*.lock"):
                lock = oslock.try_lock(path)
                if lock is None:
                    locked.append(f"{event.subject} while {oslock.read_holder(path)} makes {path.stem}")
                else:
                    lock.release()

    recorder = Recorder()
    recorder.subscribe(listen)
    assert bench.run_engine("top", recorder=recorder).pieces.wheels_built() == ["low", "mid", "top"]
    assert len(list((bench.store / "locks" / BUILD_ENVIRONMENTS.directory).glob("*.lock"))) == 3
    assert locked == []


def circles() -> Iterator[tuple[dict[str, list[str]], tuple[str, ...], set[str]]]:
    """Give build requirements by project, what is asked for, and who is in the circle."""
    pair = {"a": ["b"], "b": ["a"]}
    yield pair, ("a",), {"a", "b"}
    yield pair, ("a", "b"), {"a", "b"}
    # Two that are asked for share a build requirement, and that one needs one of them.
    shared = {"a": ["b"], "c": ["b"], "b": ["c"]}
    for order in permutations(("a", "c")):
        yield shared, order, {"b", "c"}
    yield {"a": ["b"], "d": ["b", "c"], "c": ["b"], "b": ["d"]}, ("a", "c", "d"), {"b", "d"}
    yield {"a": ["a"]}, ("a",), {"a"}


@pytest.mark.parametrize("static", [True, False], ids=["metadata-stated", "metadata-asked-for"])
@pytest.mark.parametrize(("requires", "asked", "members"), [pytest.param(*c, id="-".join(c[1])) for c in circles()])
def test_a_circle_is_told_with_its_members(
    requires: dict[str, list[str]],
    asked: tuple[str, ...],
    members: set[str],
    static: bool,
    bench: Bench,
    artifacts: Path,
) -> None:
    for name, build_requires in requires.items():
        make_sdist(artifacts, name, build_requires=build_requires, static=static)
    outcome = bench.run(bench.command(*asked))
    outcome.is_diagnosis(3, "cannot be built: its build requirements need itself")
    told = [re.findall(r"(\w+) 1\.0", way) for way in re.findall(r"why: +(.+ -> .+)", outcome.output)]
    assert told
    for way in told:
        assert way[0] == way[-1]
        assert members <= set(way) <= set(requires), outcome.output
        assert all(needed in requires[name] for name, needed in pairwise(way)), outcome.output


def test_processes_that_enter_a_circle_at_different_places_do_not_wait_for_each_other(
    bench: Bench, artifacts: Path
) -> None:
    for name, needed in (("a", "b"), ("b", "c"), ("c", "a")):
        make_sdist(artifacts, name, build_requires=[needed])
    started = [bench.start(bench.command(name, into=name)) for name in "abc"]
    said = [process.communicate(timeout=60)[0].decode() for process in started]
    assert [process.returncode for process in started] == [3, 3, 3]
    assert all("its build requirements need itself" in text for text in said), said


def test_a_wheel_breaks_the_circle(bench: Bench, artifacts: Path) -> None:
    make_sdist(artifacts, "a", build_requires=["b"])
    make_sdist(artifacts, "b", build_requires=["a"])
    bench.run(bench.command("a")).is_diagnosis(3, "its build requirements need itself")
    make_wheel(artifacts, "b")
    bench.run(bench.command("--upgrade", "a")).is_fine()
