"""Where this project's time goes: the stages of one cold run, from the trace it writes itself."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.errors import BenchmarkError
from benchmarks.sets import ArtifactSet
from benchmarks.tools import Tool, bare_variables
from benchmarks.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Stage:
    """All spans of one kind.

    :ivar sum_s: their lengths added up; more than the time that passed where several ran at once.
    :ivar wall_s: how long at least one of them was under way.
    :ivar begin_s: when the first began, since the first span of the run.
    :ivar end_s: when the last ended.
    """

    kind: str
    count: int
    sum_s: float
    wall_s: float
    begin_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Profile:
    """One cold run by one process.

    :ivar wall_s: the whole command; what no stage covers is the start of Python and its modules, and publishing.
    :ivar covered_s: how long at least one span of any kind was under way.
    """

    wanted: str
    wall_s: float
    covered_s: float
    stages: tuple[Stage, ...]


def take_profile(workshop: Workshop, wanted: ArtifactSet, ours: Tool) -> Profile:
    """Run once from an empty store, with a trace.

    :raises BenchmarkError: the command failed, or the environment is not what was asked for.
    """
    job = workshop.job(Case(wanted, "cold", 1), ours)
    trace = job.script.with_suffix(".trace.json")
    script = job.script.read_text(encoding="utf-8").replace(" create -q ", f" create -q --report '{trace}' ")
    job.script.write_text(script, encoding="utf-8")
    os.sync()
    begun = time.perf_counter()
    if subprocess.run(["sh", job.script], check=False, env=bare_variables()).returncode:
        raise BenchmarkError(job.failure)
    wall_s = time.perf_counter() - begun
    job.check()
    return read_profile(trace, wanted.name, wall_s)


def read_profile(trace: Path, wanted: str, wall_s: float) -> Profile:
    """Return the stages of a trace in the order in which they begin."""
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for event in json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]:
        if event["ph"] == "X":
            spans[event["name"]].append((event["ts"] / 1e6, (event["ts"] + event["dur"]) / 1e6))
    stages = sorted((_stage(kind, own) for kind, own in spans.items()), key=lambda stage: stage.begin_s)
    covered_s = _covered([span for own in spans.values() for span in own])
    return Profile(wanted, wall_s, covered_s, tuple(stages))


def _stage(kind: str, spans: list[tuple[float, float]]) -> Stage:
    total = sum(end - begin for begin, end in spans)
    begin, end = min(begin for begin, _ in spans), max(end for _, end in spans)
    return Stage(kind, len(spans), total, _covered(spans), begin, end)


def _covered(spans: list[tuple[float, float]]) -> float:
    covered, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        covered += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return covered
