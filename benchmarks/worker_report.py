"""The section of the page about environments of workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from statistics import median

from benchmarks.disk import Space
from benchmarks.results import Results
from benchmarks.suite import TESTS, Marks
from benchmarks.tables import table
from benchmarks.worker_figures import WorkerFigures, ratio, spread
from benchmarks.worker_runs import SESSION, WORKER

_STEPS = {
    "configured": "the session inside has begun",
    "preparing": "xdist prepares its workers",
    "prepared": "all environments are there",
    "answered": "the last worker answers",
    "first_test": "the first test runs",
    "every_first_test": "every worker runs a test",
    "finished": "the last test has ended",
}
assert list(_STEPS) == [field.name for field in fields(Marks)]


def workers_section(results: Results) -> Iterator[str]:
    """Return the lines of the section: of cases in which every tool had one environment for all, too.

    What other cases have is in the table of growth.
    """
    for case in dict.fromkeys(run.case for run in results.worker_runs):
        figures = WorkerFigures(results, case)
        if not all(figures.runs(tool, SESSION) for tool in _tools(figures, with_suite=True)):
            continue
        yield from [f"## Environments for workers: {case}", ""]
        yield from [f"A suite of {TESTS} small tests; times in seconds.", "", *_suites(figures), ""]
        yield from ["As many environments by a tool that only makes them, one after the other.", ""]
        yield from ["A ratio below 1: this project is faster.", "", *_peers(figures), ""]
        yield from ["### Where the time goes", "", "Seconds since the command was started (medians).", ""]
        yield from [*_steps(figures), ""]
        if any(disk.case == case for disk in results.disks):
            yield from ["### Disk space", "", "Blocks of all files, hard links counted once.", "", *_disks(figures), ""]


def _tools(figures: WorkerFigures, *, with_suite: bool) -> list[str]:
    runs = [run for run in figures.results.worker_runs if run.case == figures.case]
    return list(dict.fromkeys(run.tool for run in runs if (run.marks is not None) is with_suite))


def _suites(figures: WorkerFigures) -> list[str]:
    head = ["", "until the first test", "with one for all", "difference", "making them alone", "whole command"]
    rows = [
        [
            tool,
            spread(figures.first_test(tool)),
            spread(figures.first_test(tool, SESSION)),
            spread(figures.beyond(tool)),
            spread(figures.provided(tool)),
            spread(figures.wall(tool, WORKER)),
        ]
        for tool in _tools(figures, with_suite=True)
    ]
    return table(head, rows)


def _peers(figures: WorkerFigures) -> list[str]:
    ours = _tools(figures, with_suite=True)
    kinds = (
        ("making them", figures.provided),
        ("until the first test", figures.first_test),
        ("difference", figures.beyond),
    )
    head = ["", "s", *(f"{text}, {own} / this" for text, _ in kinds for own in ours)]
    rows = []
    for peer in _tools(figures, with_suite=False):
        all_s = figures.by_peer(peer)
        rows.append([peer, spread(all_s), *(ratio(figure(own), all_s) for _, figure in kinds for own in ours)])
    return table(head, rows)


def _steps(figures: WorkerFigures) -> list[str]:
    ways = [(tool, mode) for tool in _tools(figures, with_suite=True) for mode in (WORKER, SESSION)]
    runs = {way: figures.runs(*way) for way in ways}
    rows = [
        [text, *(f"{median(getattr(run.marks, name) for run in runs[way]):.2f}" for way in ways)]
        for name, text in _STEPS.items()
    ]
    rows.append(["the command has ended", *(f"{median(run.wall_s for run in runs[way]):.2f}" for way in ways)])
    removed = [[run.removed_s for run in runs[way] if run.removed_s is not None and way[1] == WORKER] for way in ways]
    rows.append(["nothing is left of the environments", *(f"{median(own):.2f}" if own else "" for own in removed)])
    return table(["", *(f"{tool}, {mode}" for tool, mode in ways)], rows)


def _disks(figures: WorkerFigures) -> list[str]:
    rows = [
        [
            disk.tool,
            *(_megabytes(space) for space in (disk.one, disk.every, disk.with_session)),
            f"{disk.share:.2f}",
            f"{disk.share_of_files:.2f}",
        ]
        for disk in figures.results.disks
        if disk.case == figures.case
    ]
    head = ["MB (of that directories)", "one", "all workers'", "and the session's", "all / one", "files alone"]
    return table(head, rows)


def _megabytes(space: Space) -> str:
    return f"{space.bytes / 1e6:.0f} ({space.directories / 1e6:.0f})"
