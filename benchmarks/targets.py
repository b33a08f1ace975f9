"""The figures that this project wants to reach, and whether it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from benchmarks.growth import Growth
from benchmarks.memory import Peak
from benchmarks.results import Results
from benchmarks.tools import OURS
from benchmarks.worker_figures import WorkerFigures, ratio

NOT_MEASURED = "not measured"
_WORKERS = "wheels-145/workers/8"
_DISK_LIMIT = 1.2
#: few and many environments, between which seconds should hardly grow with symbolic links
_FLAT = ("wheels-145", 1, 32)
#: our tool, the other one, greatest ratio of what environments cost until the first test to what the other takes for as
#: many; the second with the same kind of links, and with those that are its default
_WORKER_RATIOS = (
    (OURS, "uv", 0.5),
    (f"{OURS}-symlink", "uv-symlink", 0.1),
    (f"{OURS}-symlink", "uv", 0.1),
)


class Verdict(NamedTuple):
    """One target and what was measured.

    :ivar reached: ``None`` where it was not measured, or where a figure is wanted and not a limit.
    """

    target: str
    limit: str
    measured: str
    reached: bool | None


#: text, our tool and case, the other tool and case, greatest ratio
_RATIOS = (
    ("145 wheels, cold: time / uv's", OURS, "wheels-145/cold/1", "uv", "wheels-145/cold/1", 1.0),
    ("145 wheels, cold: time / pip's", OURS, "wheels-145/cold/1", "pip", "wheels-145/cold/1", 0.1),
    ("145 wheels, warm: time / uv's", OURS, "wheels-145/warm/1", "uv", "wheels-145/warm/1", 0.8),
    ("the same with symbolic links / uv's", f"{OURS}-symlink", "wheels-145/warm/1", "uv", "wheels-145/warm/1", 0.15),
    ("20 source distributions, cold: time / uv's", OURS, "sdists-20/cold/1", "uv", "sdists-20/cold/1", 0.6),
    ("the same without pyyaml: time / uv's", OURS, "sdists-19/cold/1", "uv", "sdists-19/cold/1", 0.4),
    ("20 source distributions, cold: 8 processes / 1 process", OURS, "sdists-20/cold/8", OURS, "sdists-20/cold/1", 1.2),
)
_PEAK_LIMIT_MB = 300
#: text, case, what of a peak is counted
_PEAKS: tuple[tuple[str, str, Callable[[Peak], int]], ...] = (
    ("145 wheels, cold: peak memory of all processes", "wheels-145/cold/1", lambda peak: peak.pss_bytes),
    (
        "20 source distributions, cold: peak memory of all processes but the C compiler's, assembler's and linker's",
        "sdists-20/cold/1",
        lambda peak: peak.without_compiler_bytes,
    ),
)


def verdicts(results: Results) -> Iterator[Verdict]:
    """Compare the results with each target."""
    for text, tool, case, other_tool, other_case, limit in _RATIOS:
        ratio = results.ratio(case, tool, other_case, other_tool)
        reached = ratio.median <= limit if ratio else None
        yield Verdict(text, f"≤ {limit}", str(ratio or NOT_MEASURED), reached)
    for text, case, counted in _PEAKS:
        peaks = [counted(peak) for peak in results.peaks if (peak.case, peak.tool) == (case, OURS)]
        measured = f"{max(peaks) / 1e6:.0f} MB" if peaks else NOT_MEASURED
        reached = max(peaks) <= _PEAK_LIMIT_MB * 1e6 if peaks else None
        yield Verdict(text, f"≤ {_PEAK_LIMIT_MB} MB", measured, reached)
    yield from _with_workers(results)


def _with_workers(results: Results) -> Iterator[Verdict]:
    """Compare what an environment for each of eight workers costs with what as many of another tool do."""
    figures = WorkerFigures(results, _WORKERS)
    for tool, peer, limit in _WORKER_RATIOS:
        by_peer = figures.by_peer(peer)
        spread = ratio(figures.beyond(tool), by_peer)
        reached = spread.median <= limit if spread else None
        target = f"8 workers: {tool}, first test, beyond one environment for all / {peer}, 8 environments"
        yield Verdict(target, f"≤ {limit}", str(spread or NOT_MEASURED), reached)
    disks = [disk for disk in results.disks if (disk.case, disk.tool) == (_WORKERS, OURS)]
    target, most = "8 workers: disk space / one environment's", f"≤ {_DISK_LIMIT}"
    if not disks:
        yield Verdict(target, most, NOT_MEASURED, None)
    for disk in disks:
        measured = f"{disk.share:.2f}, files alone {disk.share_of_files:.2f}"
        yield Verdict(target, most, measured, disk.share <= _DISK_LIMIT)
    wanted, few, many = _FLAT
    growth, tool = Growth(results, wanted), f"{OURS}-symlink"
    for curve in (growth.until_test(tool), growth.alone(tool)):
        target = f"{curve.text}: seconds for {many} environments / for {few}"
        yield Verdict(target, "near flat", str(curve.slope(few, many) or NOT_MEASURED), None)
