"""What was measured, as values and as a JSON file, and the figures that follow from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks.errors import BenchmarkError
from benchmarks.machine import Quiet
from benchmarks.memory import Peak
from benchmarks.stages import Profile, Stage
from benchmarks.suite import Marks
from benchmarks.timing import Timing
from benchmarks.worker_runs import Disk, WorkerRun


class Spread(NamedTuple):
    """A median with its extremes."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """Return the spread of some values, or ``None`` of no values."""
        return cls(median(values), min(values), max(values)) if values else None

    def __str__(self) -> str:
        """Return it for a table; the extremes only where they differ."""
        between = f" ({self.low:.2f} to {self.high:.2f})" if self.low != self.high else ""
        return f"{self.median:.2f}{between}"


@dataclass(slots=True)
class Results:
    """All figures of one run of the benchmark.

    :ivar machine: facts, by what they are.
    :ivar versions: names of programs, each with its version.
    :ivar conditions: how it was measured, by what it is; ``date`` among them.
    :ivar commands: by tool, its environment variables and what was run, with names in capitals for places.
    :ivar worker_runs: those of cases with workers, which are not among `timings`.
    :ivar quiet: one look around before each round.
    """

    machine: dict[str, str]
    versions: list[str]
    conditions: dict[str, str]
    commands: dict[str, list[str]]
    quiet: list[Quiet] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    peaks: list[Peak] = field(default_factory=list)
    profiles: list[Profile] = field(default_factory=list)
    worker_runs: list[WorkerRun] = field(default_factory=list)
    disks: list[Disk] = field(default_factory=list)

    @property
    def cases(self) -> list[str]:
        """Names of the measured cases, in the order in which they were run."""
        return list(dict.fromkeys(timing.case for timing in self.timings))

    @property
    def tools(self) -> list[str]:
        """Names of the measured tools."""
        measured = {timing.tool for timing in self.timings}
        return [tool for tool in self.commands if tool in measured]

    def wall(self, case: str, tool: str) -> Spread | None:
        """Return seconds from start to end."""
        return Spread.of([one.wall_s for one in self._timings(case, tool)])

    def processor(self, case: str, tool: str) -> Spread | None:
        """Return seconds of processor time, in user and system mode together."""
        return Spread.of([one.user_s + one.system_s for one in self._timings(case, tool)])

    def ratio(self, case: str, tool: str, other_case: str, other_tool: str) -> Spread | None:
        """Return one tool's wall time over another's, round by round: what slows a whole round cancels out."""
        others = {one.round: one.wall_s for one in self._timings(other_case, other_tool)}
        own = self._timings(case, tool)
        return Spread.of([one.wall_s / others[one.round] for one in own if one.round in others])

    def peak(self, case: str, tool: str) -> Peak | None:
        """Return the largest peak that was seen."""
        own = [peak for peak in self.peaks if (peak.case, peak.tool) == (case, tool)]
        return max(own, key=lambda peak: peak.pss_bytes, default=None)

    def _timings(self, case: str, tool: str) -> list[Timing]:
        return [timing for timing in self.timings if (timing.case, timing.tool) == (case, tool)]

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read what `write` wrote.

        :raises BenchmarkError: it cannot be read.
        """
        try:
            raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BenchmarkError(f"{path} cannot be read: {error}") from None
        return cls(
            machine=raw["machine"],
            versions=raw["versions"],
            conditions=raw["conditions"],
            commands=raw["commands"],
            quiet=[Quiet(**one) for one in raw["quiet"]],
            timings=[Timing(**one) for one in raw["timings"]],
            peaks=[Peak(**one) for one in raw["peaks"]],
            profiles=[
                Profile(**{**one, "stages": tuple(Stage(**stage) for stage in one["stages"])})
                for one in raw["profiles"]
            ],
            worker_runs=[
                WorkerRun(**{**one, "marks": Marks(**one["marks"]) if one["marks"] else None})
                for one in raw["worker_runs"]
            ],
            disks=[Disk.of(one["case"], one["tool"], one) for one in raw["disks"]],
        )
