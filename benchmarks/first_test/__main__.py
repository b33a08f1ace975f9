"""``python -m benchmarks.first_test``: how long a person waits for the first test, with this project and with uv."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path

import platformdirs

from benchmarks.errors import BenchmarkError
from benchmarks.first_test.needs import Needs
from benchmarks.first_test.report import Measured, write_report
from benchmarks.first_test.rows import rows
from benchmarks.first_test.ways import Bench, Turn, prepare, ways
from benchmarks.machine import Quiet, describe, file_system, look_around
from benchmarks.report import around_marks
from benchmarks.server import FAR, serve
from benchmarks.sets import Pin, read_sets
from benchmarks.tools import Programs


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0: done, 1: it could not be measured, and why is on standard error."""
    options = _parser().parse_args(arguments)
    try:
        if options.report:
            around_marks(options.report)
        needs = Needs.of(_small(options.sets), ()) if options.quick else Needs.full()
        measured = _measured(options, needs)
        results = options.results or options.data / "first-test.json"
        results.write_text(json.dumps(asdict(measured), indent=1) + "\n", encoding="utf-8")
        if options.report:
            write_report(measured, list(rows(needs)), options.report)
    except BenchmarkError as error:
        sys.stderr.write(f"benchmarks: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_test", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    data = Path(platformdirs.user_cache_dir("pytest-fastenv-benchmarks", appauthor=False))
    add("--data", type=Path, default=data, metavar="DIR", help="artifacts and index (default: %(default)s)")
    add("--work", type=Path, metavar="DIR", help="on the file system that is measured (default: --data)")
    add("--rounds", type=int, default=5, metavar="N", help="every way once in each (default: %(default)s)")
    add("--ways", nargs="+", default=["*"], metavar="PATTERN", help="such as 'warm*' 'uv warm*' (default: all)")
    add("--fastenv", type=Path, metavar="PATH", help="the program (default: beside the running interpreter)")
    add("--uv", type=Path, metavar="PATH", help="the program (default: beside the running interpreter)")
    add("--results", type=Path, metavar="FILE", help="where all figures go, as JSON")
    add("--report", type=Path, metavar="PAGE", help="write tables into this Markdown page and a plot beside it")
    add("--quick", action="store_true", help="one round with pytest alone: shows that it works, and measures nothing")
    add("--sets", type=Path, metavar="DIR", help="for --quick: a set to use in place of the project's")
    return parser


def _small(directory: Path | None) -> list[Pin]:
    """Return what a small round installs: pytest with what it needs, of the pinned set, or all of another one."""
    if directory is not None:
        return read_sets(directory)[1]
    names = {"pytest", "iniconfig", "packaging", "pluggy", "pygments"}
    return [pin for pin in read_sets()[1] if pin.project in names and pin.is_wheel]


def _measured(options: argparse.Namespace, needs: Needs) -> Measured:
    given = {name: getattr(options, name).absolute() for name in ("fastenv", "uv") if getattr(options, name)}
    programs = replace(Programs.installed(), **given)
    if programs.uv is None:
        raise BenchmarkError("uv is not there: install it beside this interpreter, or name it with --uv")
    data = options.data.absolute()
    index = data / ("first-test-quick" if options.quick else "index")
    needs.provide_index(index)
    parent = (options.work or data).absolute()
    parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="first-test-", dir=parent))
    chosen = {
        name: way
        for name, way in ways(needs).items()
        if any(fnmatch(name, pattern) for pattern in options.ways)
    }  # fmt: skip
    quiet: list[Quiet] = []
    seconds: dict[str, list[float]] = {name: [] for name in chosen}
    try:
        with serve(index) as served, serve(index, *FAR) as far:
            bench = Bench(needs, programs, work, served.url, far.url)
            prepare(bench, _tell)
            count = 1 if options.quick else options.rounds
            for number in range(count):
                quiet.append(look_around())
                names = list(chosen)
                for name in names if number % 2 == 0 else names[::-1]:
                    taken = chosen[name](Turn(bench, work / f"{number}-{name.replace(' ', '-')}"))
                    seconds[name].append(taken)
                    _tell(f"round {number + 1}: {name}: {taken:.2f} s")
                if file_system(work) == "tmpfs":  # there it costs nothing, and there is little room
                    for place in work.glob(f"{number}-*"):
                        shutil.rmtree(place)
    finally:
        _remove(work)
    return Measured(_facts(options, programs, work, count, served.by), quiet, seconds)


def _facts(options: argparse.Namespace, programs: Programs, work: Path, rounds: int, by: str) -> dict[str, str]:
    python = f"CPython {sys.version.split()[0]}"
    versions = [
        subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        for program in (programs.fastenv, programs.uv)
        if program is not None
    ]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": f"`python -m benchmarks.first_test --rounds {rounds}`" + (" (--quick)" if options.quick else ""),
        "rounds": f"{rounds}, interleaved",
        "index": f"{by} on loopback; the far one has {FAR.latency_ms:.0f} ms and {FAR.mbit_s:.0f} Mbit/s",
        **describe(work.parent, python),
        "versions": ", ".join(versions),
    }


def _remove(work: Path) -> None:
    if shutil.which("rm"):
        quiet = subprocess.DEVNULL
        subprocess.Popen(["rm", "-rf", work], start_new_session=True, stdout=quiet, stderr=quiet)
    else:
        shutil.rmtree(work, ignore_errors=True)


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
