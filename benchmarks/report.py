"""The results as Markdown, put between two marks of a page, with a plot beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.growth import Growth, grown_sets, growth_section
from benchmarks.growth_plot import plot_growth
from benchmarks.plot import plot
from benchmarks.results import Results, Spread
from benchmarks.tables import table
from benchmarks.targets import verdicts
from benchmarks.tools import OURS
from benchmarks.worker_report import workers_section

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def write_report(results: Results, page: Path) -> None:
    """Replace what stands between the marks of a page, and write plots beside it: SVG files whose names begin alike.

    :raises BenchmarkError: the page does not have the marks.
    """
    before, after = around_marks(page)
    picture = page.with_suffix(".svg")
    picture.write_text(plot(results), encoding="utf-8")
    grown = {wanted: page.with_name(f"{page.stem}-growth-{wanted}.svg") for wanted in grown_sets(results)}
    for wanted, path in grown.items():
        path.write_text(plot_growth(Growth(results, wanted)), encoding="utf-8")
    body = "\n".join(_body(results, picture.name, {wanted: path.name for wanted, path in grown.items()}))
    page.write_text(f"{before}{BEGIN}\n\n{body}\n{END}{after}", encoding="utf-8")


def around_marks(page: Path) -> tuple[str, str]:
    """Return what stands before and behind the marks of a page; ask before an hour of measuring.

    :raises BenchmarkError: the page is not there or does not have the marks.
    """
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise BenchmarkError(f"{page} is no page with {BEGIN} and {END} to write between")
    return before, after


def _body(results: Results, picture: str, grown: dict[str, str]) -> Iterator[str]:
    yield from _facts(results)
    yield from ["", f"![Seconds by case and tool, with the fastest and the slowest round]({picture})", ""]
    yield from ["## Targets", "", *_targets(results), ""]
    if results.cases:
        yield from ["## Wall time", "", *_wall(results), ""]
        yield from ["## Ratios", "", "Below 1: this project is faster.", "", *_ratios(results), ""]
        yield from ["## Processor time", "", *_processor(results), ""]
    yield from growth_section(results, grown)
    yield from workers_section(results)
    if results.peaks:
        yield from ["## Peak memory", "", *_memory(results), ""]
    for profile in results.profiles:
        rows = [
            [s.kind, str(s.count), *(f"{value:.2f}" for value in (s.sum_s, s.wall_s, s.begin_s, s.end_s))]
            for s in profile.stages
        ]
        yield from [f"## Where the time goes: {profile.wanted}, cold", ""]
        yield f"One run of {profile.wall_s:.2f} s in all; during {profile.covered_s:.2f} s of it a stage was under way."
        yield from ["", *table(["stage", "spans", "sum s", "under way s", "first begins s", "last ends s"], rows), ""]
    yield from ["## Commands", "", "```text"]
    for tool, lines in results.commands.items():
        yield from [f"{tool}:", *(f"  {line}" for line in lines)]
    yield from ["```", ""]


def _facts(results: Results) -> Iterator[str]:
    for facts in (results.conditions, results.machine):
        yield from (f"- {name}: {value}" for name, value in facts.items())
    yield f"- versions: {', '.join(results.versions)}"
    work = Spread.of([quiet.work_s for quiet in results.quiet])
    busy = Spread.of([quiet.busy for quiet in results.quiet if quiet.busy is not None])
    if work and busy:
        yield (
            f"- noise, before each round: others used {busy.median:.0%} of the processor (at most {busy.high:.0%}), "
            f"and a fixed piece of work took {work.low * 1000:.0f} to {work.high * 1000:.0f} ms"
        )


def _targets(results: Results) -> list[str]:
    words = {True: "reached", False: "**not reached**", None: ""}
    rows = [[one.target, one.limit, one.measured, words[one.reached]] for one in verdicts(results)]
    return table(["target", "limit", "measured", "verdict"], rows)


def _wall(results: Results) -> list[str]:
    rows = [[case, *(results.wall(case, tool) for tool in results.tools)] for case in results.cases]
    return table(["case", *(f"{tool} s" for tool in results.tools)], rows)


def _processor(results: Results) -> list[str]:
    rows = [[case, *(results.processor(case, tool) for tool in results.tools)] for case in results.cases]
    return table(["case", *(f"{tool} s" for tool in results.tools)], rows)


def _ratios(results: Results) -> list[str]:
    own = [tool for tool in results.tools if tool.startswith(OURS)]
    pairs = [(tool, peer) for tool in own for peer in results.tools if not peer.startswith(OURS)]
    rows = [[case, *(results.ratio(case, *_pair(pair, case)) for pair in pairs)] for case in results.cases]
    return table(["case", *(f"{tool} / {peer}" for tool, peer in pairs)], rows)


def _pair(pair: tuple[str, str], case: str) -> tuple[str, str, str]:
    return pair[0], case, pair[1]


def _memory(results: Results) -> list[str]:
    rows = []
    for case in dict.fromkeys(peak.case for peak in results.peaks):
        peaks = [results.peak(case, tool) for tool in results.tools]
        rows.append([case, *(f"{p.pss_bytes / 1e6:.0f} ({p.processes})" if p else "" for p in peaks)])
    head = ["case", *(f"{tool} MB (processes)" for tool in results.tools)]
    return [*table(head, rows), "", *_programs_at_peak(results)]


def _programs_at_peak(results: Results) -> Iterator[str]:
    """Say what peaks of one process of this project consist of, where programs of others are among them."""
    for case in dict.fromkeys(peak.case for peak in results.peaks if peak.case.endswith("/1")):
        peak = results.peak(case, OURS)
        if peak is None or peak.without_compiler_bytes == peak.pss_bytes:
            continue
        parts = [f"{program} {size / 1e6:.0f} MB" for program, size in peak.programs.items() if size >= 1e6]
        yield f"{OURS} in {peak.case}, by program: {', '.join(parts)}."
        yield f"Without the C compiler, its assembler and linker: {peak.without_compiler_bytes / 1e6:.0f} MB at most."
