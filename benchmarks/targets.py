"""The figures that this project wants to reach, and whether it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.results import Results
from benchmarks.tools import OURS
from benchmarks.worker_figures import WorkerFigures, ratio

_WORKERS = "wheels-145/workers/8"
_PEAK_LIMIT_MB = 400
_DISK_LIMIT = 1.2
#: our tool, the other one, greatest ratio; the second with the same kind of links, and with those that are its default
_WORKER_RATIOS = (
    (OURS, "uv", 0.5),
    (f"{OURS}-symlink", "uv-symlink", 0.1),
    (f"{OURS}-symlink", "uv", 0.1),
)


class Verdict(NamedTuple):
    """One target and what was measured.

    :ivar reached: ``None`` where it was not measured.
    """

    target: str
    limit: str
    measured: str
    reached: bool | None


#: text, our case, the other tool, the other case, greatest ratio
_RATIOS = (
    ("145 wheels, cold: time / uv's", "wheels-145/cold/1", "uv", "wheels-145/cold/1", 0.9),
    ("145 wheels, cold: time / pip's", "wheels-145/cold/1", "pip", "wheels-145/cold/1", 0.1),
    ("20 source distributions, cold: time / uv's", "sdists-20/cold/1", "uv", "sdists-20/cold/1", 0.6),
    ("20 source distributions, cold: 8 processes / 1 process", "sdists-20/cold/8", OURS, "sdists-20/cold/1", 1.2),
)


def verdicts(results: Results) -> Iterator[Verdict]:
    """Compare the results with each target."""
    for text, case, other_tool, other_case, limit in _RATIOS:
        ratio = results.ratio(case, OURS, other_case, other_tool)
        reached = ratio.median <= limit if ratio else None
        yield Verdict(text, f"≤ {limit}", str(ratio or "not measured"), reached)
    singles = [case for case in results.cases if case.endswith("/1")]
    peaks = [peak.pss_bytes for case in singles if (peak := results.peak(case, OURS))]
    measured = f"{max(peaks) / 1e6:.0f} MB" if peaks else "not measured"
    reached = max(peaks) <= _PEAK_LIMIT_MB * 1e6 if peaks else None
    yield Verdict("peak memory of the process tree, one process", f"≤ {_PEAK_LIMIT_MB} MB", measured, reached)
    yield from _with_workers(results)


def _with_workers(results: Results) -> Iterator[Verdict]:
    """Compare what an environment for each of eight workers costs with what as many of another tool do."""
    figures = WorkerFigures(results, _WORKERS)
    for tool, peer, limit in _WORKER_RATIOS:
        by_peer = figures.by_peer(peer)
        for text, seconds in (
            ("first test", figures.first_test(tool)),
            ("first test, beyond one environment for all", figures.beyond(tool)),
        ):
            spread = ratio(seconds, by_peer)
            reached = spread.median <= limit if spread else None
            target = f"8 workers: {tool}, {text} / {peer}, 8 environments"
            yield Verdict(target, f"≤ {limit}", str(spread or "not measured"), reached)
    disks = [disk for disk in results.disks if (disk.case, disk.tool) == (_WORKERS, OURS)]
    target, most = "8 workers: disk space / one environment's", f"≤ {_DISK_LIMIT}"
    if not disks:
        yield Verdict(target, most, "not measured", None)
    for disk in disks:
        measured = f"{disk.share:.2f}, files alone {disk.share_of_files:.2f}"
        yield Verdict(target, most, measured, disk.share <= _DISK_LIMIT)
