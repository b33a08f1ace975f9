from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks.disk import Space
from benchmarks.errors import BenchmarkError
from benchmarks.machine import Quiet
from benchmarks.memory import Peak
from benchmarks.report import BEGIN, END, write_report
from benchmarks.results import Results
from benchmarks.stages import read_profile
from benchmarks.suite import Marks
from benchmarks.targets import verdicts
from benchmarks.timing import Timing
from benchmarks.worker_figures import WorkerFigures, ratio
from benchmarks.worker_report import workers_section
from benchmarks.worker_runs import Disk, WorkerRun

WORKERS = "wheels-145/workers/8"


def timing(case: str, tool: str, number: int, wall_s: float) -> Timing:
    return Timing(case, tool, number, wall_s, wall_s / 2, wall_s / 4)


def marks(first_s: float) -> Marks:
    return Marks(0.25, 0.5, 0.5 + first_s / 4, first_s - 0.1, first_s, first_s + 0.1, first_s + 1)


def suite_run(mode: str, number: int, first_s: float) -> WorkerRun:
    return WorkerRun(WORKERS, "fastenv", mode, number, first_s + 2, marks(first_s))


@pytest.fixture
def with_workers(results: Results) -> Results:
    """The same with runs of a suite: uv takes 4 and 8 seconds for the environments of all workers."""
    for number, slowness in ((1, 1.0), (2, 2.0)):
        results.worker_runs += [
            suite_run("worker", number, 3.0 * slowness),
            suite_run("session", number, 2.0 * slowness),
            WorkerRun(WORKERS, "uv", "in turn", number, 4.0 * slowness),
        ]
    results.disks.append(
        Disk(
            WORKERS,
            "fastenv",
            Space(100_000_000, 10_000_000),
            Space(119_000_000, 20_000_000),
            Space(135_000_000, 30_000_000),
        )
    )
    return results


@pytest.fixture
def results() -> Results:
    """Two rounds, the second twice as slow for everybody; uv takes part in both, pip in the first."""
    made = Results(
        machine={"processor": "two cores"},
        versions=["hyperfine 1", "fastenv 1", "uv 1", "pip 1"],
        conditions={"date": "2026-01-01"},
        commands={name: ["A=1", f"{name} install"] for name in ("fastenv", "uv", "pip")},
        quiet=[Quiet(0.01, 0.1), Quiet(None, 0.2)],
    )
    case = "wheels-145/cold/1"
    made.timings += [timing(case, "fastenv", 1, 1.0), timing(case, "uv", 1, 2.0), timing(case, "pip", 1, 20.0)]
    made.timings += [timing(case, "uv", 2, 4.0), timing(case, "fastenv", 2, 2.4)]
    made.timings += [timing("sdists-20/cold/1", "fastenv", 1, 2.0), timing("sdists-20/cold/8", "fastenv", 1, 3.0)]
    made.peaks += [Peak(case, "fastenv", size, size, {}, 4, 50) for size in (280_000_000, 301_000_000)]
    programs = {"cc1": 250_000_000, "python": 99_900_000, "sh": 1000}
    made.peaks += [Peak("sdists-20/cold/1", "fastenv", 350_000_000, 120_000_000, programs, 4, 50)]
    made.peaks += [Peak("sdists-20/cold/1", "uv", 360_000_000, 10_000_000, {}, 4, 50)]
    return made


def test_ratios_are_taken_within_rounds(results: Results) -> None:
    case = "wheels-145/cold/1"
    assert results.ratio(case, "fastenv", case, "uv") == pytest.approx((0.55, 0.5, 0.6))
    assert results.ratio(case, "fastenv", case, "pip") == pytest.approx((0.05, 0.05, 0.05))
    assert results.ratio(case, "uv", "sdists-20/cold/1", "uv") is None


def test_targets(results: Results) -> None:
    assert [(one.measured, one.reached) for one in verdicts(results)] == [
        ("0.55 (0.50 to 0.60)", True),
        ("0.05", True),
        *[("not measured", None)] * 4,
        ("1.50", False),
        ("301 MB", False),
        ("120 MB", True),  # what the compiler takes does not count
        *[("not measured", None)] * 6,
    ]
    assert [one.limit for one in verdicts(results)][:9] == [
        *("≤ 1.0", "≤ 0.1", "≤ 0.8", "≤ 0.15", "≤ 0.6", "≤ 0.4", "≤ 1.2", "≤ 300 MB", "≤ 300 MB")
    ]


def test_targets_of_other_cases(results: Results) -> None:
    for tool, warm_s, small_s in (("fastenv", 0.9, 2.0), ("uv", 1.0, 5.0), ("fastenv-symlink", 0.1, 9.0)):
        results.timings += [timing("wheels-145/warm/1", tool, 1, warm_s), timing("sdists-19/cold/1", tool, 1, small_s)]
    found = {one.target: (one.measured, one.reached) for one in verdicts(results)}
    assert found["145 wheels, warm: time / uv's"] == ("0.90", False)
    assert found["the same with symbolic links / uv's"] == ("0.10", True)
    assert found["the same without pyyaml: time / uv's"] == ("0.40", True)


def test_targets_with_workers(with_workers: Results) -> None:
    figures = WorkerFigures(with_workers, WORKERS)
    assert ratio(figures.provided("fastenv"), figures.by_peer("uv")) == (0.1875, 0.1875, 0.1875)
    assert [(one.measured, one.reached) for one in list(verdicts(with_workers))[9:]] == [
        ("0.25", True),
        *[("not measured", None)] * 2,
        ("1.19, files alone 1.10", True),
        *[("not measured", None)] * 2,
    ]


def test_results_survive_their_file(with_workers: Results, tmp_path: Path) -> None:
    results = with_workers
    trace = tmp_path / "trace.json"
    spans = [("fetch", 0, 2_000_000), ("fetch", 1_000_000, 2_000_000), ("link", 5_000_000, 1_000_000)]
    events = [{"ph": "X", "name": kind, "ts": start, "dur": length} for kind, start, length in spans]
    trace.write_text(json.dumps({"traceEvents": [{"ph": "M", "name": "process_name"}, *events]}))
    profile = read_profile(trace, "wheels-145", 7.0)
    fetch, link = profile.stages
    assert (fetch.count, fetch.sum_s, fetch.wall_s, fetch.begin_s, fetch.end_s) == (2, 4.0, 3.0, 0.0, 3.0)
    assert (link.kind, link.wall_s, profile.covered_s) == ("link", 1.0, 4.0)
    results.profiles.append(profile)
    results.write(tmp_path / "results.json")
    assert Results.read(tmp_path / "results.json") == results


def test_the_report_stands_between_its_marks(results: Results, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{BEGIN}\nstale text\n{END}\nfooter\n")
    write_report(results, page)
    write_report(results, page)  # the same again
    text = page.read_text()
    assert text.startswith(f"# Title\n\n{BEGIN}\n")
    assert text.endswith(f"{END}\nfooter\n")
    assert "stale text" not in text
    assert "| wheels-145/cold/1 | 1.70 (1.00 to 2.40) | 3.00 (2.00 to 4.00) | 20.00 |" in text
    assert "fastenv in sdists-20/cold/1, by program: cc1 250 MB, python 100 MB.\n" in text
    assert "Without the C compiler, its assembler and linker: 120 MB at most.\n" in text
    assert "fastenv in wheels-145" not in text
    assert "| sdists-20/cold/1 | 350 (4) | 360 (4) |  |" in text
    assert "![Seconds by case and tool, with the fastest and the slowest round](page.svg)" in text
    picture = ET.fromstring((tmp_path / "page.svg").read_text())
    circles = [float(circle.attrib["cx"]) for circle in picture.iter("{http://www.w3.org/2000/svg}circle")]
    assert len(circles) == 5
    assert circles[0] < circles[1] < circles[2]  # fastenv, uv, pip


def test_the_report_has_a_section_about_workers(with_workers: Results, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    write_report(with_workers, page)
    lines = page.read_text().splitlines()
    assert f"## Environments for workers: {WORKERS}" in lines
    spreads = "4.50 (3.00 to 6.00) | 3.00 (2.00 to 4.00) | 1.50 (1.00 to 2.00) | 1.12 (0.75 to 1.50)"
    assert f"| fastenv | {spreads} | 6.50 (5.00 to 8.00) |" in lines
    assert "| uv | 6.00 (4.00 to 8.00) | 0.19 | 0.75 | 0.25 |" in lines
    assert "| all environments are there | 1.62 | 1.25 |" in lines
    assert "| fastenv | 100 (10) | 119 (20) | 135 (30) | 1.19 | 1.10 |" in lines


def test_cases_without_one_environment_for_all_have_no_section(with_workers: Results) -> None:
    with_workers.worker_runs.append(WorkerRun("wheels-145/workers/2", "fastenv", "worker", 1, 3.0, marks(1.0)))
    heads = [line for line in workers_section(with_workers) if line.startswith("## ")]
    assert heads == [f"## Environments for workers: {WORKERS}"]
    with_workers.disks.clear()
    assert "### Disk space" not in list(workers_section(with_workers))


def test_a_page_without_marks_is_left_alone(results: Results, tmp_path: Path) -> None:
    page = tmp_path / "pages" / "page.md"
    page.parent.mkdir()
    page.write_text("# Title\n")
    with pytest.raises(BenchmarkError, match="is no page with"):
        write_report(results, page)
    assert list(page.parent.iterdir()) == [page]
