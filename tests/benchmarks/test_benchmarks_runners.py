"""Runs of tests beside tox, nox and hatch: what is run in which order, what is checked, what is reported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.machine import Quiet
from benchmarks.report import BEGIN, END
from benchmarks.runners.measure import CASES, CaseName, Run, measure
from benchmarks.runners.report import Measured, write_report
from benchmarks.runners.runners import Runner, known_runners
from benchmarks.runners.sample import FULL, SMALL, Sample

ROOT = Path(__file__).parents[2]
SAMPLE = Sample(["3.11"], SMALL)
#: Does what the sample's tests do in an environment: it writes what was there. Then it notes that it was started.
TOOL = """#!{python}
import pathlib, re, sys
name, *words = sys.argv
log = pathlib.Path({log!r})
with log.open("a") as stream:
    stream.write("%s %s %s\\n" % (pathlib.Path(name).name, words[0], pathlib.Path.cwd().name))
attrs = re.search(r"attrs<(\\d+)", pathlib.Path("pyproject.toml").read_text())[1]
clicks = ["8.1.5", "8.3.0"] if words[0] == "all" else ["8.1.5"]
for click in clicks[:{most}]:
    pathlib.Path("../ran/3.11_%s_%d.3" % (click, int(attrs) - {older})).touch()
print("last words")
sys.exit({code})
"""


def tool(directory: Path, name: str, *, most: int = 9, older: int = 1, code: int = 0) -> Runner:
    """A tool that is a script of a few lines; it writes a line into ``log`` for each start."""
    program = directory / name
    log = str(directory / "log")
    program.write_text(TOOL.format(python=sys.executable, log=log, most=most, older=older, code=code))
    program.chmod(0o755)
    return Runner(name, program, lambda _sample: ["one"], lambda _sample: ["all"], ["pytest"])


def run_rounds(directory: Path, runners: Sequence[Runner], rounds: int, cases: Sequence[CaseName]) -> list[Run]:
    index, runs = "http://127.0.0.1:9/simple/", list[Run]()
    for number in range(rounds):
        runs += measure(runners, SAMPLE, cases, number, directory / "work", index, [], lambda _line: None)
    return runs


def test_tools_take_turns_within_each_case(tmp_path: Path) -> None:
    runs = run_rounds(
        tmp_path, [tool(tmp_path, "a"), tool(tmp_path, "b")], 2, ["matrix", "first", "unchanged", "changed"]
    )
    orders = [
        [run.tool for run in runs if (run.round, run.case) == (number, case)] for number in (0, 1) for case in CASES
    ]
    assert orders == [["a", "b"]] * 4 + [["b", "a"]] * 4
    assert [run.case for run in runs[::2]] == [*CASES, *CASES]
    started = (tmp_path / "log").read_text().splitlines()
    assert [line for line in started if line.startswith("a")][:5] == [
        *["a one project"] * 3,
        "a all filling",
        "a all matrix",
    ]


def test_what_a_case_needs_is_made_before_without_a_clock(tmp_path: Path) -> None:
    assert [run.case for run in run_rounds(tmp_path, [tool(tmp_path, "a")], 1, ["changed"])] == ["changed"]
    assert (tmp_path / "log").read_text() == "a one project\n" * 2


def test_environments_of_ours_are_not_there_when_the_matrix_is_measured(tmp_path: Path) -> None:
    own = tmp_path / "work" / "0-a" / "cache" / "fastenv" / "environments"
    (own / "1234").mkdir(parents=True)
    run_rounds(tmp_path, [tool(tmp_path, "a")], 1, ["matrix"])
    assert not own.exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"code": 2}, "one failed in"),
        ({"most": 0}, "one ran tests in nothing, not in py311-click81:"),
        ({"older": 0}, "one ran tests in 3.11_8.1.5_26.3, not in py311-click81:"),
    ],
)
def test_a_run_that_is_not_what_it_should_be_is_no_figure(options: dict[str, int], told: str, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="last words") as error:
        run_rounds(tmp_path, [tool(tmp_path, "a", **options)], 1, ["first"])
    assert told in str(error.value)


def test_a_matrix_that_leaves_one_out_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="ran tests in py311-click81, not in py311-click81, py311-click83"):
        run_rounds(tmp_path, [tool(tmp_path, "a", most=1)], 1, ["matrix"])


def test_all_tools_are_asked_for_the_same_environments() -> None:
    sample = Sample(["3.12", "3.13"])
    assert sample.names == ["py312-click81", "py312-click83", "py313-click81", "py313-click83"]
    commands = {name: runner.shown(sample, matrix=False) for name, runner in known_runners(_Anywhere()).items()}
    assert commands["tox-uv"] == "tox run -q -e py312-click81"
    assert commands["nox"] == """nox -r -s 'tests-3.12(click='"'"'click81'"'"')'"""
    assert commands["hatch"] == "hatch run py.py3.12-click81:test"
    wanted = {requirement for some in FULL.compatible for requirement in some}
    assert wanted == set(FULL.requirements)


class _Anywhere(dict[str, Path]):
    def __missing__(self, name: str) -> Path:
        return Path("bin")


def test_the_report_begins_with_the_verdicts(tmp_path: Path) -> None:
    times = {"fastenv-run": (1.0, 3.0, 2.0), "tox": (10.0, 10.0, 10.0), "tox-uv": (2.0, 4.0, 2.0)}
    runs = [
        Run(case, name, n, s)
        for case in ("first", "changed")
        for name, each in times.items()
        for n, s in enumerate(each)
    ]
    versions = {name: f"{name} 1" for name in times}
    commands = {name: [f"{name} one", f"{name} all"] for name in times}
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{BEGIN}\nstale\n{END}\nfooter\n")
    write_report(Measured({"processor": "one"}, versions, commands, [Quiet(0.02, 0.1), Quiet(None, 0.1)], runs), page)
    text = page.read_text()
    assert "stale" not in text
    assert text.index("## Targets") < text.index("## Ratios") < text.index("## Seconds") < text.index("## Commands")
    assert "Medians of 3 rounds" in text
    assert "| first: fastenv-run / tox-uv | ≤ 0.7 | 0.75 (0.50 to 1.00) | **not reached** |" in text
    assert "| unchanged: fastenv-run / tox | ≤ 0.7 | not measured | not measured |" in text
    assert "| first: fastenv-run | 0.20 (0.10 to 0.30) | 0.75 (0.50 to 1.00) |" in text
    assert "| first | 2.00 (1.00 to 3.00) | 10.00 | 2.00 (2.00 to 4.00) |" in text
    assert "- tox-uv: tox-uv 1\n- processor: one\n- noise, before each round: others used 2%" in text
    assert text.endswith(f"{END}\nfooter\n")


def benchmark(data: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.runners", "--data", str(data), "--quick", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_an_unknown_tool_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    ran = benchmark(tmp_path / "data", "--runners", "tax")
    assert (ran.returncode, ran.stderr.startswith("benchmarks: there is no tax; there are fastenv-pytest")) == (1, True)
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.network
@pytest.mark.slow
def test_it_works_from_index_to_report(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    ran = benchmark(tmp_path / "data", "--report", page, "--results", tmp_path / "results.json")
    assert ran.returncode == 0, ran.stderr
    runs = json.loads((tmp_path / "results.json").read_text())["runs"]
    assert {(run["case"], run["tool"]) for run in runs} == {
        (c, t) for c in CASES for t in ("fastenv-pytest", "fastenv-run")
    }
    assert "| matrix | " in page.read_text()


@pytest.mark.network
@pytest.mark.nightly
def test_all_tools_work_at_night(tmp_path: Path) -> None:
    ran = benchmark(tmp_path / "data", "--runners", "tox-fastenv", "tox", "tox-uv", "nox", "hatch")
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("round 1: ") == 5 * len(CASES)
