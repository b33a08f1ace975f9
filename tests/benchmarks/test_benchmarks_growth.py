"""Seconds over the number of environments: as figures, as a table and as a plot."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.growth import Growth, growth_section
from benchmarks.growth_plot import plot_growth
from benchmarks.report import BEGIN, END, write_report
from benchmarks.results import Results
from benchmarks.suite import Marks
from benchmarks.targets import verdicts
from benchmarks.worker_runs import WorkerRun

SVG = "{http://www.w3.org/2000/svg}"


def grown(tool: str, mode: str, count: int, number: int, seconds: float) -> WorkerRun:
    """Return a run that takes so long for its environments, and a second more until the first test."""
    case = f"wheels-145/workers/{count}"
    if mode == "in turn":
        return WorkerRun(case, tool, mode, number, seconds)
    return WorkerRun(
        case, tool, mode, number, seconds + 3, Marks(0.2, 0.5, seconds + 0.5, 0, seconds + 1, 0, seconds + 2)
    )


@pytest.fixture
def results() -> Results:
    """Two rounds, the second twice as slow; by default each environment takes a second, with links hardly any."""
    made = Results({}, [], {}, {"fastenv": [], "uv": [], "fastenv-symlink": []})
    for number, slowness in ((1, 1.0), (2, 2.0)):
        for count in (32, 1, 2):
            made.worker_runs += [
                grown("uv", "in turn", count, number, count * 2.0 * slowness),
                grown("fastenv-symlink", "worker", count, number, (1 + (count - 1) / 31) * slowness),
                grown("fastenv", "session", count, number, 0.0),
                grown("fastenv", "worker", count, number, count * slowness),
            ]
    return made


def test_growth_is_taken_within_rounds(results: Results) -> None:
    growth = Growth(results, "wheels-145")
    assert growth.counts == [1, 2, 32]
    slope = growth.alone("fastenv-symlink").slope(1, 32)
    assert slope is not None
    assert slope.times == (2.0, 2.0, 2.0)
    assert slope.each_s == pytest.approx((1.5 / 31, 1 / 31, 2 / 31))
    assert growth.alone("fastenv-symlink").slope(1, 8) is None
    assert growth.alone("uv").slope(2, 32) == ((16.0, 16.0, 16.0), (3.0, 2.0, 4.0))


def test_what_is_flat_is_a_figure_without_a_limit(results: Results) -> None:
    alone = list(verdicts(results))[-1]
    assert alone == (
        "fastenv-symlink, making them alone: seconds for 32 environments / for 1",
        "near flat",
        "2.00; 0.048 s for each further one",
        None,
    )
    until_test = list(verdicts(results))[-2]
    assert until_test.measured == "1.58 (1.50 to 1.67); 0.048 s for each further one"


def test_the_table_has_every_curve_and_number(results: Results) -> None:
    lines = list(growth_section(results, {"wheels-145": "page-growth.svg"}))
    assert (
        "| fastenv, making them alone | 1.50 (1.00 to 2.00) | 3.00 (2.00 to 4.00) | 48.00 (32.00 to 64.00)"
        in "\n".join(lines)
    )
    rows = [line.split(" | ")[0] for line in lines if line.startswith("| ")]
    assert rows[2:] == [
        "| fastenv, until the first test",
        "| fastenv, one environment for all, until the first test",
        "| fastenv, making them alone",
        "| uv, making them alone",
        "| fastenv-symlink, until the first test",
        "| fastenv-symlink, making them alone",
    ]


def test_one_number_of_environments_does_not_grow(results: Results) -> None:
    results.worker_runs = [run for run in results.worker_runs if run.case.endswith("/32")]
    assert list(growth_section(results, {})) == []


def test_the_plot_has_a_line_for_each_kind_of_links_and_for_uv(results: Results) -> None:
    picture = ET.fromstring(plot_growth(Growth(results, "wheels-145")))
    lines = [
        ("stroke-dasharray" in line.attrib, [tuple(map(float, p.split(","))) for p in line.attrib["points"].split()])
        for line in picture.iter(f"{SVG}polyline")
    ]
    assert [dashed for dashed, _ in lines] == [True, False, False, True, False]
    (_, ours), (_, uv), (_, symlink) = (line for line in lines if not line[0])
    assert [len(points) for points in (symlink, ours, uv)] == [3, 3, 3]
    assert [x for x, _ in symlink] == sorted({x for x, _ in uv})
    assert uv[-1][1] < ours[-1][1] < symlink[-1][1]  # higher up: slower
    labels = {text.text: float(text.attrib["y"]) for text in picture.iter(f"{SVG}text")}
    ends = sorted(y for words, y in labels.items() if words and ", " in words and words[-1].isdigit())
    assert len(ends) == 5
    assert all(after - before >= 14 for before, after in pairwise(ends))
    assert {"0 s", "1", "32", "environments"} <= labels.keys()


def test_the_report_writes_the_plot_beside_the_page_and_shows_it(results: Results, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    write_report(results, page)
    assert sorted(path.name for path in tmp_path.glob("page*")) == ["page-growth-wheels-145.svg", "page.md", "page.svg"]
    alt = "Seconds over the number of environments of wheels-145, a line for each kind of links and one for uv"
    assert f"![{alt}](page-growth-wheels-145.svg)" in page.read_text()
