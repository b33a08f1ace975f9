"""An interpreter that the machine lacks is downloaded beside everything that does not run it.

The archives have python-build-standalone's layout and are packed from interpreters of this machine, which are then
hidden from the search.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from front_doors import Desk
from kit.archives import make_sdist, make_wheel
from kit.server import IndexServer
from missing_interpreter import Absent
from pipeline_bench import Bench, Gate, Pieces, ended, noise

from pytest_fastenv import provision
from pytest_fastenv.environment.skeleton import SKELETONS
from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.interpreter.installed import PYTHONS
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.settings.layers import command_line, load, variables

pytestmark = pytest.mark.slow

SMALL = ("small-1", "small-2", "small-3")


@pytest.fixture
def index(bench: Bench, index_server: Callable[..., IndexServer]) -> IndexServer:
    served = index_server()
    bench.variables["FASTENV_INDEX_URL"] = served.url
    return served


def provide(bench: Bench, recorder: Recorder, *sources: str, into: str = "made", **settings: str) -> Pieces:
    """Do in this process what the command does, so that gates hear what happens."""
    chosen = load(variables(bench.environ), command_line(settings, "pytest", bench.directory)).settings
    ready = provision(
        sources, settings=chosen, base=bench.directory, directory=bench.directory / into, recorder=recorder
    )
    assert ready.lease_fd is not None
    os.close(ready.lease_fd)
    return Pieces.of(recorder)


def test_packages_are_fetched_and_unpacked_while_the_interpreter_is_on_its_way(
    bench: Bench,
    index: IndexServer,
    absent: Absent,
    artifacts: Path,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in SMALL:
        make_wheel(artifacts, name)
    make_sdist(artifacts, "sourced", build_requires=["tool"])
    make_wheel(artifacts, "tool")
    with absent.served() as mirror:
        for name, value in absent.hiding(mirror).items():
            bench.variables[name] = value
            monkeypatch.setenv(name, value)
        # Its last bytes are sent when all packages are there: a barrier would hold everything up for good.
        there = [ended("unpack", name) for name in (*SMALL, "tool")] + [ended("fetch", "sourced")]
        mirror.fault(absent.archive.name, Gate(recorder, *there).fault)
        pieces = provide(bench, recorder, *SMALL, "sourced", python=absent.spec, project="none")
    arrival = pieces.some("interpreter", source="network")
    whole_ns = max(piece.end for piece in arrival)
    for name in (*SMALL, "tool"):
        assert pieces.one("unpack", name).end < arrival[0].end
    assert pieces.one("fetch", "sourced").end < arrival[0].end
    assert all(piece.start >= whole_ns for piece in (*pieces.some("build"), *pieces.some("link")))
    assert pieces.wheels_built() == ["sourced"]
    assert absent.version in bench.run([str(bench.made / "bin" / "python"), "-V"]).is_fine()


def test_a_remembered_resolution_does_not_wait_for_the_interpreter_either(
    bench: Bench, index: IndexServer, absent: Absent, artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No search pins anything then, so what is planned has to be begun all the same."""
    for name in SMALL:
        make_wheel(artifacts, name)
    with absent.served() as mirror:
        for name, value in absent.hiding(mirror).items():
            bench.variables[name] = value
            monkeypatch.setenv(name, value)
        provide(bench, Recorder(), *SMALL, python=absent.spec, project="none")
        for bucket in (PYTHONS.directory, WHEELS.directory, SKELETONS.directory):
            (bench.store / bucket).rename(bench.directory / f"old-{bucket}")
        recorder = Recorder()
        mirror.fault(absent.archive.name, Gate(recorder, *(ended("unpack", name) for name in SMALL)).fault)
        pieces = provide(bench, recorder, *SMALL, python=absent.spec, project="none", into="again")
    assert not pieces.some("resolve")
    arrival = pieces.some("interpreter", source="network")
    assert all(pieces.one("unpack", name).end < arrival[0].end for name in SMALL)
    assert all(piece.start >= max(piece.end for piece in arrival) for piece in pieces.some("link"))


def test_one_after_the_other_where_that_is_asked_for(
    bench: Bench, index: IndexServer, absent: Absent, artifacts: Path
) -> None:
    for name in SMALL:
        make_wheel(artifacts, name)
    with absent.served() as mirror:
        bench.variables |= absent.hiding(mirror) | {"FASTENV_CONCURRENT": "1"}
        pieces = bench.traced("--python", absent.spec, *SMALL)
    assert pieces.work().overlaps() == []


@pytest.mark.nightly
def test_both_together_take_hardly_longer_than_the_longer_one(
    bench: Bench, index: IndexServer, absent: Absent, artifacts: Path
) -> None:
    """Each alone takes about the same time, of which nearly all is that of its transfer.

    A measurement: on a machine with other work it says nothing. That nothing waits is shown by the tests above.
    """
    size_bytes = absent.archive.stat().st_size
    make_wheel(artifacts, "big", files=noise("big", size_bytes))
    for name in SMALL:
        make_wheel(artifacts, name)
    with absent.served() as mirror:
        index.throttle_bytes_per_s = mirror.throttle_bytes_per_s = size_bytes // 4  # four seconds each
        packages = bench.traced("big", *SMALL, into="packages")
        bench.forget()
        bench.variables |= absent.hiding(mirror)
        bench.write("none.txt", "")
        interpreter = bench.traced("--python", absent.spec, "none.txt", into="interpreter")
        bench.forget()
        both = bench.traced("--python", absent.spec, "big", *SMALL, into="both")
    alone = max(duration(packages), duration(interpreter))
    print(f"alone {duration(packages):.2f} and {duration(interpreter):.2f} s, together {duration(both):.2f} s")
    assert duration(both) <= 1.15 * alone
    arrival, big = both.some("interpreter", source="network")[0], both.one("fetch", "big")
    assert arrival.start < big.end
    assert big.start < arrival.end
    assert min(piece.start for piece in both.some("link")) >= max(
        piece.end for piece in both.some("interpreter", source="network")
    )


def test_a_session_in_an_interpreter_that_was_not_there(seeded: Desk, absent: Absent) -> None:
    with absent.served() as mirror:
        seeded.variables |= absent.hiding(mirror)
        seeded.write(
            "test_suite.py", f"import sys, good\ndef test_it(): assert sys.version.startswith({absent.version!r})\n"
        )
        first = seeded.ask("pytest", "good", python=absent.spec).is_fine()
        second = seeded.ask("pytest", "good", python=absent.spec).is_fine()
        asked = [path for path in mirror.paths("GET") if path.endswith("install_only.tar.gz")]
    assert f"CPython {absent.version} (downloaded)" in first
    assert f"CPython {absent.version}," in second
    assert "reused" in second
    assert len(asked) == 1


def duration(pieces: Pieces) -> float:
    work = pieces.work()
    return (max(piece.end for piece in work) - min(piece.start for piece in work)) / 1e9
