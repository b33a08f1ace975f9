"""``python -m benchmarks.runners``: run tests in clean environments with this project, tox, tox-uv, nox and hatch."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import platformdirs

from benchmarks.errors import BenchmarkError
from benchmarks.machine import Quiet, describe, look_around
from benchmarks.report import around_marks
from benchmarks.runners.artifacts import provide_index
from benchmarks.runners.measure import CASES, Run, measure
from benchmarks.runners.report import Measured, write_report
from benchmarks.runners.runners import Runner, known_runners
from benchmarks.runners.sample import FULL, SMALL, Sample
from benchmarks.server import serve
from benchmarks.settling import settle
from pytest_fastenv.errors import FastenvError
from pytest_fastenv.interpreter.discovery import find_target
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.settings.values import Settings, store_root
from pytest_fastenv.store.store import Store

_TOOLS = {"tox": ("tox",), "tox-uv": ("tox", "tox-uv"), "nox": ("nox",), "hatch": ("hatch",)}
_MOST_PYTHONS = 3
_QUICK = ("fastenv-pytest", "fastenv-run")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0: done, 1: it could not be measured, and why is on standard error."""
    options = _parser().parse_args(arguments)
    try:
        if options.report:
            around_marks(options.report)
        measured = _measured(options)
        results = options.results or options.data / "runners.json"
        results.write_text(json.dumps(asdict(measured), indent=1) + "\n", encoding="utf-8")
        if options.report:
            write_report(measured, options.report)
    except BenchmarkError as error:
        sys.stderr.write(f"benchmarks: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.runners", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    data = Path(platformdirs.user_cache_dir("pytest-fastenv-benchmarks", appauthor=False)) / "runners"
    add("--data", type=Path, default=data, metavar="DIR", help="index, tools and work (default: %(default)s)")
    add("--rounds", type=int, default=5, metavar="N", help="every tool once in each (default: %(default)s)")
    add("--cases", nargs="+", default=list(CASES), choices=list(CASES), metavar="CASE", help="default: all")
    add("--runners", nargs="+", metavar="NAME", help=f"default: all; with --quick {', '.join(_QUICK)}")
    add("--pythons", nargs="+", metavar="VERSION", help="default: the running one and two more that are found")
    add("--fastenv", type=Path, metavar="DIR", help="its programs (default: those beside the running interpreter)")
    add("--tools", type=Path, metavar="DIR", help="environments of the other tools (default: made in --data)")
    add("--results", type=Path, metavar="FILE", help="where all figures go, as JSON")
    add("--report", type=Path, metavar="PAGE", help="write tables into this Markdown page")
    add("--quick", action="store_true", help="one round with a small project and one interpreter: does it work?")
    return parser


def _measured(options: argparse.Namespace) -> Measured:
    data = options.data.absolute()
    data.mkdir(parents=True, exist_ok=True)
    fastenv = options.fastenv.absolute() if options.fastenv else Path(sys.executable).parent
    runners = _runners(options.runners or (_QUICK if options.quick else ()), fastenv, options.tools or data / "tools")
    pythons = _interpreters(options.pythons, 1 if options.quick else _MOST_PYTHONS)
    sample, runs, quiet = Sample(list(pythons), SMALL if options.quick else FULL), list[Run](), list[Quiet]()
    index = data / ("index-quick" if options.quick else "index")
    provide_index(sample.needs, list(pythons), index)
    programs = [path.parent for path in pythons.values()]
    with serve(index) as served, tempfile.TemporaryDirectory(prefix="runs-", dir=data) as work:
        for number in range(1 if options.quick else options.rounds):
            quiet.append(look_around())
            runs += measure(runners, sample, options.cases, number, Path(work), served.url, programs, _tell)
        settle(Path(work))  # nothing is removed under what still writes there
    facts = {
        "date": datetime.now(UTC).date().isoformat(),
        **describe(data, sys.version.split()[0]),
        "index": f"{served.by} on loopback",
        "interpreters of the matrix": ", ".join(pythons),
    }
    versions = {runner.name: runner.versions for runner in runners}
    commands = {runner.name: [runner.shown(sample, matrix=each) for each in (False, True)] for runner in runners}
    return Measured(facts, versions, commands, quiet, runs)


def _runners(names: Sequence[str], fastenv: Path, tools: Path) -> list[Runner]:
    """Return the tools that are named, or all; those of others are installed where they are not there.

    :raises BenchmarkError: there is no tool of a name, or it does not work: before anything is measured.
    """
    known = known_runners({"fastenv": fastenv, **{name: tools.absolute() / name / "bin" for name in _TOOLS}})
    unknown = set(names) - set(known)
    if unknown:
        raise BenchmarkError(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    chosen = [runner for name, runner in known.items() if not names or name in names]
    for runner in chosen:
        if runner.name in _TOOLS:
            _provide_tool(runner.name, tools.absolute() / runner.name)
        _tell(f"{runner.name}: {runner.versions}")
    return chosen


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _interpreters(versions: Sequence[str] | None, most: int) -> dict[str, Path]:
    """Return the programs of the interpreters: those that are named, or the running one and the newest others.

    :raises BenchmarkError: one that is named is not on this machine.
    """
    found: dict[str, Path] = {}
    store = Store(store_root(Settings()), recorder=Recorder())
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for version in versions or dict.fromkeys([own, "3.14", "3.13", "3.12", "3.11"]):
        try:
            found[version] = Path(find_target(version, store).python)
        except FastenvError as error:
            if versions:
                raise BenchmarkError(error.diagnosis()) from None
    return found if versions else dict(list(found.items())[:most])


def _provide_tool(name: str, place: Path) -> None:
    """Make an environment for another tool; one that is there stays as it is."""
    if (place / "bin" / _TOOLS[name][0]).exists():
        return
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    command = [
        str(place / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        *_TOOLS[name],
    ]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    if ran.returncode:
        raise BenchmarkError(f"{name} cannot be installed:\n{ran.stderr.strip()}")
    # A user's tools have their bytecode, also on machines where none is written.
    subprocess.run([place / "bin" / "python", "-m", "compileall", "-q", place / "lib"], check=False)


if __name__ == "__main__":
    sys.exit(main())
