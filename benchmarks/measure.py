"""The whole story: files, index, rounds, memory, stages."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.cases import Case, select_cases
from benchmarks.errors import BenchmarkError
from benchmarks.files import provide_files
from benchmarks.machine import describe, look_around
from benchmarks.memory import measure_peak
from benchmarks.pages import write_pages
from benchmarks.results import Results
from benchmarks.server import serve
from benchmarks.sets import SETS, read_sets
from benchmarks.stages import take_profile
from benchmarks.timing import hyperfine_version, measure
from benchmarks.tools import OURS, Place, Programs, Tool, known_tools
from benchmarks.worker_runs import WorkerCase
from benchmarks.workshop import Workshop, open_workshop


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure.

    :ivar data: where artifacts are kept and work is done; all of it on one file system, so that links are possible.
    :ivar cases: patterns of case names.
    :ivar rounds_of: fewer rounds for some tools.
    :ivar latency_ms: for each answer of the index.
    """

    data: Path
    programs: Programs
    sets: Path = SETS
    tools: tuple[str, ...] = (OURS, "uv", "pip")
    cases: tuple[str, ...] = ("*",)
    processes: tuple[int, ...] = (1, 8)
    rounds: int = 5
    rounds_of: Mapping[str, int] = field(default_factory=dict)
    latency_ms: float = 0.0
    memory: bool = True
    profile: bool = True


def measure_all(plan: Plan, output: Path) -> Results:
    """Measure and return everything; the results are also written to a file after every round.

    :raises BenchmarkError: something is missing, or a tool did not do what it was asked for.
    """
    sets, pins = read_sets(plan.sets)
    selected = select_cases(sets, plan.processes, plan.cases)
    cases = [case for case in selected if case.state != "workers"]
    with_workers = [case for case in selected if case.state == "workers"]
    tools = _tools(plan)
    versions = list(dict.fromkeys([hyperfine_version(), *(tool.version for tool in tools)]))
    if plan.sets == SETS:
        _check_platform()
    root = plan.data / "index"
    _say(f"{provide_files(pins, root / 'files')} of {len(pins)} artifacts downloaded into {root}")
    write_pages(pins, root)
    with serve(root, plan.latency_ms) as served, open_workshop(plan.data, served.url) as workshop:
        machine = describe(plan.data, f"{platform.python_implementation()} {platform.python_version()}")
        commands = {tool.name: _shown(tool) for tool in tools}
        results = Results(machine, versions, _conditions(plan, tools, served.by), commands)
        output.parent.mkdir(parents=True, exist_ok=True)
        _fill(workshop, cases, tools)
        worker_tools = _worker_tools(plan) if with_workers else []
        commands.update((tool.name, _shown(tool)) for tool in worker_tools)
        worker_cases = [WorkerCase(workshop, case, worker_tools) for case in with_workers]
        for worker_case in worker_cases:
            worker_case.prepare()
        for number in range(1, plan.rounds + 1):
            taking_part = [tool for tool in tools if number <= plan.rounds_of.get(tool.name, plan.rounds)]
            _round(workshop, cases, taking_part, number, results)
            for worker_case in worker_cases:
                _worker_round(worker_case, number, results)
            results.write(output)
        for worker_case in worker_cases:
            _disks(workshop, worker_case, results)
        if plan.memory:
            _memory(workshop, cases, tools, results)
        if plan.profile:
            _profiles(workshop, cases, tools, results)
        results.write(output)
    return results


def _tools(plan: Plan) -> list[Tool]:
    known = known_tools(plan.programs)
    for name in plan.tools:
        if name not in known:
            raise BenchmarkError(f"there is no tool {name}; there are {', '.join(known)}")
    return [known[name]() for name in plan.tools]


def _worker_tools(plan: Plan) -> list[Tool]:
    """Return the tools for cases with workers: without pip, and uv with both kinds of links."""
    known = known_tools(plan.programs)
    names = [name for name in plan.tools if name != "pip"]
    if "uv" in names and f"{OURS}-symlink" in names:
        names.append("uv-symlink")
    return [known[name]() for name in names]


def _conditions(plan: Plan, tools: Sequence[Tool], server: str) -> dict[str, str]:
    fewer = [f"{n} of {name}" for name, n in plan.rounds_of.items() if n < plan.rounds and name in plan.tools]
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "rounds": ", ".join([f"{plan.rounds}, interleaved", *fewer]) if len(tools) > 1 else str(plan.rounds),
        "index": f"{server} on loopback" + (f", {plan.latency_ms:g} ms latency" if plan.latency_ms else ""),
    }


def _check_platform() -> None:
    here = (sys.platform, platform.machine(), sys.implementation.name, sys.version_info[:2], platform.libc_ver()[0])
    if here != ("linux", "x86_64", "cpython", (3, 11), "glibc"):
        raise BenchmarkError(
            "the project's sets are wheels for Linux x86-64 with glibc and CPython 3.11\n"
            "run this with such an interpreter, or give a directory with sets of your own (--sets)"
        )


def _fill(workshop: Workshop, cases: Sequence[Case], tools: Sequence[Tool]) -> None:
    """Fill all caches before anything is timed; then also every tool has run once and has its bytecode."""
    for wanted in dict.fromkeys(case.wanted for case in cases):
        for tool in tools:
            workshop.fill(wanted, tool)
            _say(f"filled:  {wanted.name:<20} {tool.name}")


def _round(workshop: Workshop, cases: Sequence[Case], tools: Sequence[Tool], number: int, results: Results) -> None:
    """Run every case with every tool once; another tool begins in each round."""
    workshop.make_room()
    results.quiet.append(look_around())
    turn = number % len(tools) if tools else 0
    for case in cases:
        for tool in [*tools[turn:], *tools[:turn]]:
            timing = measure(workshop.job(case, tool), number)
            results.timings.append(timing)
            _say(f"round {number}: {case.key:<20} {tool.name:<16} {timing.wall_s:8.2f} s")


def _worker_round(worker_case: WorkerCase, number: int, results: Results) -> None:
    """Run in every way once; another one begins in each round."""
    turn = number % len(worker_case.ways)
    for tool, mode in [*worker_case.ways[turn:], *worker_case.ways[:turn]]:
        run = worker_case.measure(tool, mode, number)
        results.worker_runs.append(run)
        first = f"{run.marks.first_test:8.2f} s until the first test," if run.marks else ""
        _say(f"round {number}: {run.case:<20} {run.tool:<16} {run.mode:<8} {first} {run.wall_s:.2f} s in all")


def _disks(workshop: Workshop, worker_case: WorkerCase, results: Results) -> None:
    for tool in dict.fromkeys(tool for tool, _ in worker_case.ways):
        workshop.make_room()
        disk = worker_case.measure_disk(tool)
        results.disks.append(disk)
        sizes = f"{disk.every.bytes / 1e6:8.0f} MB, one {disk.one.bytes / 1e6:.0f} MB"
        _say(f"disk:    {disk.case:<20} {disk.tool:<16} {sizes}")


def _memory(workshop: Workshop, cases: Sequence[Case], tools: Sequence[Tool], results: Results) -> None:
    for case in cases:
        for tool in tools:
            workshop.make_room()
            peak = measure_peak(workshop.job(case, tool))
            if peak is not None:
                results.peaks.append(peak)
                _say(f"memory:  {case.key:<20} {tool.name:<16} {peak.pss_bytes / 1e6:8.0f} MB")


def _profiles(workshop: Workshop, cases: Sequence[Case], tools: Sequence[Tool], results: Results) -> None:
    ours = [tool for tool in tools if tool.name == OURS]
    for wanted in dict.fromkeys(case.wanted for case in cases):
        results.profiles += [take_profile(workshop, wanted, tool) for tool in ours]


def _shown(tool: Tool) -> list[str]:
    """Return a tool's variables and command as a reader may understand them: programs without their paths."""
    variables = tool.variables("INDEX", Path("CACHE"))
    place = Place(Path("REQUIREMENTS"), Path("CACHE"), Path("ENVIRONMENT"))
    commands = [tool.command(place)] + ([tool.suite(place, 8, "worker")] if tool.suite else [])
    return [" ".join(f"{name}={value}" for name, value in variables.items()), *map(_plain, commands)]


def _plain(command: str) -> str:
    return " ".join(Path(word).name if word.startswith("/") else word for word in command.split())


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
