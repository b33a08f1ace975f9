"""The whole story: files, index, rounds, memory, stages."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.errors import BenchmarkError
from benchmarks.files import provide_files
from benchmarks.machine import describe, look_around
from benchmarks.memory import measure_peak
from benchmarks.pages import write_pages
from benchmarks.results import Results
from benchmarks.selection import TOOLS, Part, parts_by_pattern, parts_of_page, with_tools
from benchmarks.server import serve
from benchmarks.sets import SETS, ArtifactSet, read_sets
from benchmarks.stages import take_profile
from benchmarks.timing import hyperfine_version, measure
from benchmarks.tools import OURS, Place, Programs, Tool, known_tools
from benchmarks.worker_runs import WorkerCase, prepare
from benchmarks.workshop import Workshop, open_workshop

#: More workers than that are a large case, which takes longer than all others together.
_FEW = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure.

    :ivar data: where artifacts are kept and work is done; all of it on one file system, so that links are possible.
    :ivar cases: patterns of case names; none: the cases of the page.
    :ivar processes: how many commands at once; ``workers``: for how many environments.
    :ivar rounds_of: fewer rounds for some tools.
    :ivar large_rounds: for cases with more than eight workers.
    :ivar latency_ms: for each answer of the index.
    :ivar command: what was typed, for the page.
    """

    data: Path
    programs: Programs
    sets: Path = SETS
    tools: tuple[str, ...] = TOOLS
    cases: tuple[str, ...] = ()
    processes: tuple[int, ...] = (1, 8)
    workers: tuple[int, ...] = (1, 2, 8, 32)
    rounds: int = 3
    rounds_of: Mapping[str, int] = field(default_factory=dict)
    large_rounds: int = 1
    latency_ms: float = 0.0
    memory: bool = True
    profile: bool = True
    command: str = "python -m benchmarks"

    def has(self, case: Case, number: int) -> bool:
        """Tell whether a case takes part in a round."""
        return number <= (self.large_rounds if _is_large(case) else self.rounds)


def measure_all(plan: Plan, output: Path) -> Results:
    """Measure and return everything; the results are also written to a file after every round.

    :raises BenchmarkError: something is missing, or a tool did not do what it was asked for.
    """
    sets, pins = read_sets(plan.sets)
    parts = _parts(plan, sets)
    tools = _tools(plan, parts)
    versions = list(dict.fromkeys([hyperfine_version(), *(tool.version for tool in tools.values())]))
    if plan.sets == SETS:
        _check_platform()
    root = plan.data / "index"
    _say(f"{provide_files(pins, root / 'files')} of {len(pins)} artifacts downloaded into {root}")
    write_pages(pins, root)
    with serve(root, plan.latency_ms) as served, open_workshop(plan.data, served.url) as workshop:
        machine = describe(plan.data, f"{platform.python_implementation()} {platform.python_version()}")
        commands = {name: _shown(tool) for name, tool in tools.items()}
        results = Results(machine, versions, _conditions(plan, parts, served.by), commands)
        output.parent.mkdir(parents=True, exist_ok=True)
        plain = [part for part in parts if part.case.state != "workers"]
        with_workers = [part for part in parts if part.case.state == "workers"]
        worker_cases = [
            WorkerCase(workshop, case, [tools[name] for name in who.tools], who.shared) for case, who in with_workers
        ]
        _fill(workshop, plain, tools)
        prepare(worker_cases)
        for number in range(1, plan.rounds + 1):
            present = {name: one for name, one in tools.items() if number <= plan.rounds_of.get(name, plan.rounds)}
            _round(workshop, plain, present, number, results)
            for worker_case in worker_cases:
                if plan.has(worker_case.case, number):
                    _worker_round(worker_case, number, results)
            results.write(output)
        for part, worker_case in zip(with_workers, worker_cases, strict=True):
            _disks(workshop, worker_case, [tools[name] for name in part.who.disk], results)
        if plan.memory:
            _memory(workshop, plain, tools, results)
        if plan.profile:
            _profiles(workshop, plain, tools, results)
        results.write(output)
    return results


def _is_large(case: Case) -> bool:
    return case.state == "workers" and case.processes > _FEW


def _parts(plan: Plan, sets: Sequence[ArtifactSet]) -> list[Part]:
    """Return what is measured: of the project's own sets the cases of the page, unless others are asked for."""
    if plan.cases or plan.sets != SETS:
        parts = parts_by_pattern(sets, plan.processes, plan.workers, plan.cases or ("*",))
    else:
        parts = parts_of_page(sets, plan.processes, plan.workers)
    return with_tools(parts, plan.tools)


def _tools(plan: Plan, parts: Sequence[Part]) -> dict[str, Tool]:
    known = known_tools(plan.programs)
    for name in plan.tools:
        if name not in known:
            raise BenchmarkError(f"there is no tool {name}; there are {', '.join(known)}")
    wanted = {name for part in parts for name in part.who.tools}
    return {name: make() for name, make in known.items() if name in wanted}


def _conditions(plan: Plan, parts: Sequence[Part], server: str) -> dict[str, str]:
    fewer = [f"{n} of {name}" for name, n in plan.rounds_of.items() if n < plan.rounds and name in plan.tools]
    if plan.large_rounds < plan.rounds and any(_is_large(part.case) for part in parts):
        fewer.append(f"{plan.large_rounds} of more than {_FEW} workers")
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "command": f"`{plan.command}`",
        "rounds": ", ".join([f"{plan.rounds}, interleaved", *fewer]) if len(plan.tools) > 1 else str(plan.rounds),
        "index": f"{server} on loopback" + (f", {plan.latency_ms:g} ms latency" if plan.latency_ms else ""),
    }


def _check_platform() -> None:
    here = (sys.platform, platform.machine(), sys.implementation.name, sys.version_info[:2], platform.libc_ver()[0])
    if here != ("linux", "x86_64", "cpython", (3, 11), "glibc"):
        raise BenchmarkError(
            "the project's sets are wheels for Linux x86-64 with glibc and CPython 3.11\n"
            "run this with such an interpreter, or give a directory with sets of your own (--sets)"
        )


def _fill(workshop: Workshop, parts: Sequence[Part], tools: Mapping[str, Tool]) -> None:
    """Fill caches before anything is timed; then also every tool has run once and has its bytecode.

    A build needs modules that wheels do not, so our tool makes one set of source distributions, warm case or not.
    """
    wanted = [(part.case.wanted, name) for part in parts if part.case.state == "warm" for name in part.who.tools]
    built = [part.case.wanted for part in parts if not all(pin.is_wheel for pin in part.case.wanted.pins)]
    if built and OURS in tools:
        wanted.append((min(built, key=lambda one: len(one.pins)), OURS))
    for artifacts, name in dict.fromkeys(wanted):
        workshop.fill(artifacts, tools[name])
        _say(f"filled:  {artifacts.name:<20} {name}")


def _round(workshop: Workshop, parts: Sequence[Part], tools: Mapping[str, Tool], number: int, results: Results) -> None:
    """Run every case with every tool that is there once; another tool begins in each round."""
    workshop.make_room()
    results.quiet.append(look_around())
    for part in parts:
        own = [tools[name] for name in part.who.tools if name in tools]
        turn = number % len(own) if own else 0
        for tool in [*own[turn:], *own[:turn]]:
            timing = measure(workshop.job(part.case, tool), number)
            results.timings.append(timing)
            _say(f"round {number}: {part.case.key:<20} {tool.name:<16} {timing.wall_s:8.2f} s")


def _worker_round(worker_case: WorkerCase, number: int, results: Results) -> None:
    """Run in every way once; another one begins in each round."""
    turn = number % len(worker_case.ways)
    for tool, mode in [*worker_case.ways[turn:], *worker_case.ways[:turn]]:
        run = worker_case.measure(tool, mode, number)
        results.worker_runs.append(run)
        first = f"{run.marks.first_test:8.2f} s until the first test," if run.marks else ""
        _say(f"round {number}: {run.case:<20} {run.tool:<16} {run.mode:<8} {first} {run.wall_s:.2f} s in all")


def _disks(workshop: Workshop, worker_case: WorkerCase, tools: Sequence[Tool], results: Results) -> None:
    for tool in tools:
        workshop.make_room()
        disk = worker_case.measure_disk(tool)
        results.disks.append(disk)
        sizes = f"{disk.every.bytes / 1e6:8.0f} MB, one {disk.one.bytes / 1e6:.0f} MB"
        _say(f"disk:    {disk.case:<20} {disk.tool:<16} {sizes}")


def _memory(workshop: Workshop, parts: Sequence[Part], tools: Mapping[str, Tool], results: Results) -> None:
    for part in parts:
        for name in part.who.memory:
            workshop.make_room()
            peak = measure_peak(workshop.job(part.case, tools[name]))
            if peak is not None:
                results.peaks.append(peak)
                _say(f"memory:  {part.case.key:<20} {name:<16} {peak.pss_bytes / 1e6:8.0f} MB")


def _profiles(workshop: Workshop, parts: Sequence[Part], tools: Mapping[str, Tool], results: Results) -> None:
    if OURS in tools:
        for wanted in dict.fromkeys(part.case.wanted for part in parts):
            results.profiles.append(take_profile(workshop, wanted, tools[OURS]))


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
