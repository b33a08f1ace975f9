"""``python -m benchmarks``: measure this project, uv and pip side by side; see README.md in this directory."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import platformdirs

from benchmarks.errors import BenchmarkError
from benchmarks.measure import Plan, measure_all
from benchmarks.report import around_marks, write_report
from benchmarks.results import Results
from benchmarks.selection import TOOLS
from benchmarks.sets import SETS
from benchmarks.tools import Programs


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0: done, 1: it could not be measured, and why is on standard error."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is ended and files are removed
    try:
        if options.report:
            around_marks(options.report)
        if options.from_results:
            results = Results.read(options.from_results)
        else:
            results = measure_all(_plan(options), options.results or options.data / "results.json")
        if options.report:
            write_report(results, options.report)
    except BenchmarkError as error:
        sys.stderr.write(f"benchmarks: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    data = Path(platformdirs.user_cache_dir("pytest-fastenv-benchmarks", appauthor=False))
    add("--data", type=Path, default=data, metavar="DIR", help="artifacts, index and work (default: %(default)s)")
    add("--sets", type=Path, default=SETS, metavar="DIR", help="pinned artifacts (default: those of the project)")
    add("--rounds", type=_positive, default=3, metavar="N", help="every tool once in each (default: %(default)s)")
    add(
        "--pip-rounds",
        type=_positive,
        default=1,
        metavar="N",
        help="pip takes part in the first N (default: %(default)s)",
    )
    add(
        "--large-rounds",
        type=_positive,
        default=1,
        metavar="N",
        help="cases with more than 8 workers are in the first N (default: %(default)s)",
    )
    add("--cases", nargs="+", default=[], metavar="PATTERN", help="such as 'wheels-145/cold/*' (default: the page's)")
    add("--tools", nargs="+", default=list(TOOLS), metavar="TOOL", help=f"default: {' '.join(TOOLS)}")
    add("--processes", nargs="+", type=_positive, default=[1, 8], metavar="N", help="at once (default: 1 8)")
    add(
        "--workers",
        nargs="+",
        type=_positive,
        default=[1, 2, 8, 32],
        metavar="N",
        help="an environment for each (default: 1 2 8 32)",
    )
    add("--quick", action="store_true", help="one round, one process, one worker, no pip, no memory, no profile")
    add("--no-memory", action="store_true", help="leave out the runs that measure memory")
    add("--no-profile", action="store_true", help="leave out the runs that are traced")
    add("--latency-ms", type=float, default=0.0, metavar="MS", help="each answer of the index waits that long")
    add("--fastenv", type=Path, metavar="PATH", help="the program, of the same interpreter (default: beside it)")
    add("--uv", type=Path, metavar="PATH", help="the program (default: beside the running interpreter)")
    add("--pip", type=Path, metavar="PATH", help="an interpreter that has pip (default: the running one)")
    add("--results", type=Path, metavar="FILE", help="where all figures go, as JSON (default: results.json in --data)")
    add("--report", type=Path, metavar="PAGE", help="write tables into this Markdown page and plots beside it")
    add("--from-results", type=Path, metavar="FILE", help="measure nothing; report these")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _command(options: argparse.Namespace) -> str:
    """Return the command without what is a matter of one machine: its directories, files and programs."""
    defaults = vars(_parser().parse_args([]))
    words = ["python", "-m", "benchmarks"]
    for name, value in vars(options).items():
        if value == defaults[name] or isinstance(value, Path):
            continue
        words.append(f"--{name.replace('_', '-')}")
        if value is not True:
            words += map(str, value if isinstance(value, list) else [value])
    return shlex.join(words)


def _plan(options: argparse.Namespace) -> Plan:
    given = {name: getattr(options, name) for name in ("fastenv", "uv", "pip") if getattr(options, name)}
    programs = replace(Programs.installed(), **{name: path.absolute() for name, path in given.items()})
    plan = Plan(
        data=options.data.absolute(),
        sets=options.sets,
        programs=programs,
        tools=tuple(options.tools),
        cases=tuple(options.cases),
        processes=tuple(options.processes),
        workers=tuple(options.workers),
        rounds=options.rounds,
        rounds_of={"pip": options.pip_rounds},
        large_rounds=options.large_rounds,
        latency_ms=options.latency_ms,
        memory=not options.no_memory,
        profile=not options.no_profile,
        command=_command(options),
    )
    if options.quick:
        tools = tuple(tool for tool in plan.tools if tool != "pip")
        plan = replace(plan, tools=tools, processes=(1,), workers=(1,), rounds=1, memory=False, profile=False)
    return plan


if __name__ == "__main__":
    sys.exit(main())
