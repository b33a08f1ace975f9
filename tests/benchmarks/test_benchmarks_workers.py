"""A suite with workers: what it writes down, and how much disk their environments take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.archives import make_sdist, make_wheel
from kit.installed import PYTEST, wheel_of
from kit.server import IndexServer

from benchmarks import disk
from benchmarks.cases import select_cases
from benchmarks.errors import BenchmarkError
from benchmarks.results import Results
from benchmarks.sets import read_sets
from benchmarks.suite import read_log, write_suite

ROOT = Path(__file__).parents[2]


def test_only_sets_that_can_run_a_suite_have_cases_with_workers(
    artifacts: Path, write_set: Callable[..., Path]
) -> None:
    write_set("plain", make_wheel(artifacts, "spam"))
    sets, _ = read_sets(write_set("suite", make_wheel(artifacts, "pytest-xdist")))
    chosen = select_cases(sets, [4], [1, 8], ["*/workers/*"])
    assert [case.key for case in chosen] == ["suite/workers/1", "suite/workers/8"]
    with pytest.raises(BenchmarkError, match="no case fits"):
        select_cases(sets[:1], [4], [1, 8], ["*/workers/*"])


def test_hard_links_count_once_and_so_does_what_links_lead_to(tmp_path: Path) -> None:
    cache, one, other, linked = (tmp_path / name for name in ("cache", "one", "other", "linked"))
    for directory in (cache, one, other, linked):
        directory.mkdir()
    (cache / "big").write_bytes(os.urandom(100_000))
    (tmp_path / "elsewhere").write_bytes(os.urandom(100_000))
    os.link(cache / "big", one / "big")
    os.link(cache / "big", other / "big")
    (linked / "big").symlink_to(cache / "big")
    (linked / "elsewhere").symlink_to(tmp_path / "elsewhere")
    big, empty = ((path.stat().st_blocks * 512) for path in (one / "big", one))
    short = (linked / "big").lstat().st_blocks * 512

    def space(*paths: Path) -> int:
        return disk.space(map(str, paths), str(cache)).bytes

    assert space(one) == big + empty
    assert space(one, other) == big + 2 * empty
    assert space(one, other, linked) == big + 3 * empty + 2 * short
    assert space(linked) == big + empty + 2 * short
    assert disk.space([str(one), str(other)], str(cache)).directories == 2 * empty


def test_a_run_in_which_something_did_not_happen(tmp_path: Path) -> None:
    log = tmp_path / "run.events"
    log.write_text("1000 configured controller /a b\n2000 configured gw0 /c d\n")
    with pytest.raises(BenchmarkError, match=r"no answered, finished, prepar.*test"):
        read_log(log, 0)


@pytest.mark.slow
def test_the_suite_writes_down_what_happens(tmp_path: Path) -> None:
    suite, log = write_suite(tmp_path / "suite"), tmp_path / "run.events"
    at_end = [sys.executable, "-c", "import sys; print('at the end:', *sys.argv[1:])"]
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-n", "2"]
    # These tests may run in a worker themselves.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    ran = subprocess.run(
        command,
        cwd=suite,
        env={**environ, "SUITE_LOG": str(log), "SUITE_AT_END": json.dumps(at_end)},
        capture_output=True,
        text=True,
    )
    assert "200 passed" in ran.stdout, ran.stdout + ran.stderr
    assert f"at the end: {sys.prefix} {log}" in ran.stdout
    written = read_log(log, 0)
    assert written.prefixes == {"gw0": sys.prefix, "gw1": sys.prefix}
    marks = written.marks
    times = [
        marks.configured,
        marks.preparing,
        marks.prepared,
        marks.first_test,
        marks.every_first_test,
        marks.finished,
    ]
    assert times == sorted(times)
    assert marks.prepared < marks.answered <= marks.every_first_test


@pytest.mark.slow
def test_a_tiny_set_with_workers(
    tmp_path: Path, artifacts: Path, index_server: Callable[..., IndexServer], write_set: Callable[..., Path]
) -> None:
    made = [wheel_of(project, artifacts) for project in (*PYTEST, "pytest-xdist", "execnet")]
    sets = write_set("tiny", *made)
    make_sdist(artifacts, "unused")
    data = tmp_path / "data"
    options = ["--data", data, "--sets", sets, "--tools", "fastenv", "--rounds", "1", "--workers", "2"]
    command = [sys.executable, "-m", "benchmarks", *options, "--cases", "tiny/workers/2"]
    ran = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env={**os.environ, "FASTENV_INDEX_URL": index_server().url},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    results = Results.read(data / "results.json")
    assert {(run.tool, run.mode, run.case) for run in results.worker_runs} == {
        ("fastenv", "worker", "tiny/workers/2"),
        ("fastenv", "session", "tiny/workers/2"),
    }
    assert all(run.removed_s is not None and run.removed_s >= run.wall_s for run in results.worker_runs)
    (space,) = results.disks
    assert space.one.bytes < space.with_session.bytes < 3 * space.one.bytes
