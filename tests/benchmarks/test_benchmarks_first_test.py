"""How long one waits for the first test: what is measured, what is reported, and that all of it works."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.first_test.needs import CHANGING, Needs
from benchmarks.first_test.report import Measured, write_report
from benchmarks.first_test.rows import Row, rows
from benchmarks.first_test.ways import Bench, Turn, ways
from benchmarks.machine import Quiet
from benchmarks.report import BEGIN, END
from benchmarks.server import serve
from benchmarks.tools import Programs

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"
UV = shutil.which("uv", path=str(Path(sys.executable).parent))


def test_every_row_compares_ways_that_there_are() -> None:
    needs = Needs.full()
    known = ways(needs)
    assert {row.own for row in rows(needs)} | {row.other for row in rows(needs)} == set(known)


def test_the_full_round_asks_for_the_pinned_set_and_what_changes() -> None:
    needs = Needs.full()
    lines = needs.text("1.1").splitlines()
    assert (len(lines), lines[-1]) == (146, f"{CHANGING}==1.1")
    assert all(f"{name}==" in needs.text("1.0") for name in needs.imports)


def test_the_index_has_what_is_asked_for(tmp_path: Path) -> None:
    needs = Needs((), (), (), (), (3,))
    needs.provide_index(tmp_path)
    again = {path.name: path.read_bytes() for path in (tmp_path / "files").iterdir()}
    needs.provide_index(tmp_path)
    assert again == {path.name: path.read_bytes() for path in (tmp_path / "files").iterdir()}
    made = tmp_path / "made"
    with serve(tmp_path) as served:
        asked = tmp_path / "asked.txt"
        asked.write_text(needs.growing(3) + needs.text("1.1"))
        bench = Bench(needs, Programs.installed(), tmp_path / "work", served.url, served.url)
        needs.write_suite(bench.suite)
        seconds = Turn(bench, tmp_path / "turn").ours(bench.programs.fastenv, "create", "-q", asked, made)
    assert seconds > 0
    assert len(list(made.glob("lib/*/site-packages/*.dist-info"))) == 4


def test_a_command_that_fails_is_no_figure(tmp_path: Path) -> None:
    needs = Needs((), (), (), (), (1,))
    bench = Bench(needs, Programs.installed(), tmp_path / "work", "", "")
    needs.write_suite(bench.suite)
    with pytest.raises(BenchmarkError, match="the last words"):
        Turn(bench, tmp_path / "turn").timed(sys.executable, "-c", "raise SystemExit('the last words')")


def test_a_link_gives_no_more_than_it_has(tmp_path: Path) -> None:
    """What several connections get together takes as long as the link needs for all of it."""
    (tmp_path / "file").write_bytes(bytes(500_000))
    with serve(tmp_path, 0.0, 40.0) as served:
        url = served.url.replace("/simple/", "/file")

        def fetch() -> None:
            with urllib.request.urlopen(url) as answer:
                assert len(answer.read()) == 500_000

        begun = time.monotonic()
        threads = [threading.Thread(target=fetch) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert time.monotonic() - begun >= 2 * 500_000 * 8 / 40e6


def test_the_report_gives_ratios_within_rounds(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{BEGIN}\nstale\n{END}\nfooter\n")
    seconds = {"a": [1.0, 3.0, 2.0], "b": [2.0, 4.0, 2.0], "c": []}
    compared = [Row("a / b", "a", "b", 0.8), Row("b / a", "b", "a", 0.5), Row("a / c", "a", "c", 1.0)]
    write_report(Measured({"processor": "one"}, [Quiet(0.02, 0.1)], seconds), compared, page)
    text = page.read_text()
    assert "stale" not in text
    assert "| a / b | ≤ 0.8 | 0.75 (0.50 to 1.00) | reached |" in text
    assert "| b / a | ≤ 0.5 | 1.33 (1.00 to 2.00) | **not reached** |" in text
    assert "| a / c | ≤ 1.0 | not measured |" in text
    assert "| a | 2.00 (1.00 to 3.00) |" in text
    assert text.endswith(f"{END}\nfooter\n")
    assert "![All ratios against 1 and against what is wanted of each](page.svg)" in text


def test_the_plot_shows_all_ratios_against_one_and_against_what_is_wanted(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    seconds = {"a": [1.0, 3.0, 2.0], "b": [2.0, 4.0, 2.0], "c": []}
    compared = [
        Row("a / b", "a", "b", 0.8),
        Row("`b` / a", "b", "a", 0.5),
        Row("no / c", "a", "c", 1.0),
        Row("a", "b", "b"),
    ]
    write_report(Measured({}, [], seconds), compared, page)
    picture = ET.fromstring(page.with_suffix(".svg").read_text())
    dots = [float(dot.attrib["cx"]) for dot in picture.iter(f"{SVG}circle")]
    words = {text.text: text.attrib for text in picture.iter(f"{SVG}text")}
    one = float(words["1"]["x"])
    assert len(dots) == 3
    assert dots[0] < one < dots[1]
    assert dots[2] == one
    assert {"a / b", "b / a", "a"} <= words.keys()
    assert "no / c" not in words
    assert words["0.75 (≤ 0.8)"]["fill"] != words["1.33 (≤ 0.5)"]["fill"] != words["1.00"]["fill"]
    upright = [float(line.attrib["x1"]) for line in picture.iter(f"{SVG}line") if line.attrib["stroke-width"] == "2"]
    assert len(upright) == 2
    assert upright[1] < float(words["0.5"]["x"]) + 0.2 < dots[0] < upright[0] < one


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.skipif(UV is None, reason="uv is not beside the interpreter")
def test_it_works_from_index_to_report(tmp_path: Path) -> None:
    """Every way is gone once, each with what it checks by itself; no time is asserted."""
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    words = ["--data", tmp_path / "data", "--quick", "--report", page, "--results", tmp_path / "results.json"]
    command = [sys.executable, "-m", "benchmarks.first_test", *map(str, words)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    seconds = json.loads((tmp_path / "results.json").read_text())["seconds"]
    assert seconds.keys() == ways(Needs((), (), (), (), (2, 4))).keys()
    assert all(len(values) == 1 for values in seconds.values())
    assert "not measured" not in page.read_text()
