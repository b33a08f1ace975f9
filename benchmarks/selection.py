"""Which cases are measured, and with which tools: those of the page, or those that somebody asks for by a pattern.

Everything with everybody would take hours: pip alone builds eight times twenty source distributions for minutes. The
page has what its targets and its plots need.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.cases import Case, all_cases, select_cases
from benchmarks.sets import ArtifactSet
from benchmarks.tools import OURS

_SYMLINK = f"{OURS}-symlink"
TOOLS = (OURS, "uv", "pip", _SYMLINK)
_WORKER_TOOLS = (OURS, "uv", _SYMLINK, "uv-symlink")


class Who(NamedTuple):
    """Who takes part in a case.

    :ivar memory: whose peak memory is taken, too.
    :ivar shared: with workers: who runs with one environment for all, too; the rest is what environments cost.
    :ivar disk: with workers: the disk space of whose environments is taken, too.
    """

    tools: tuple[str, ...]
    memory: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    disk: tuple[str, ...] = ()


class Part(NamedTuple):
    """A case with those who take part in it."""

    case: Case
    who: Who


_GROWN = Who((OURS, "uv", _SYMLINK), shared=(OURS,))
_PAGE = {
    "sdists-19/cold/1": Who((OURS, "uv")),
    "sdists-20/cold/1": Who((OURS, "uv", "pip"), memory=(OURS, "uv")),
    "sdists-20/cold/8": Who((OURS,)),
    "wheels-145/cold/1": Who(TOOLS, memory=(OURS, "uv", "pip")),
    "wheels-145/warm/1": Who((OURS, "uv", _SYMLINK)),
    "wheels-145/workers/1": _GROWN,
    "wheels-145/workers/2": _GROWN,
    "wheels-145/workers/8": Who(_WORKER_TOOLS, shared=(OURS, _SYMLINK), disk=(OURS, _SYMLINK)),
    "wheels-145/workers/32": _GROWN,
}


def parts_of_page(sets: Sequence[ArtifactSet], processes: Sequence[int], workers: Sequence[int]) -> list[Part]:
    """Return what the page is made of, as far as the numbers of processes and workers are wanted."""
    known = {case.key: case for case in all_cases(sets, processes, workers)}
    return [Part(known[key], who) for key, who in _PAGE.items() if key in known]


def parts_by_pattern(
    sets: Sequence[ArtifactSet], processes: Sequence[int], workers: Sequence[int], patterns: Sequence[str]
) -> list[Part]:
    """Return the cases whose name fits one of the patterns, with all tools.

    :raises BenchmarkError: a pattern fits none.
    """
    with_workers = Who(_WORKER_TOOLS, shared=(OURS, _SYMLINK), disk=_WORKER_TOOLS)
    plain = Who(TOOLS, memory=TOOLS)
    selected = select_cases(sets, processes, workers, patterns)
    return [Part(case, with_workers if case.state == "workers" else plain) for case in selected]


def with_tools(parts: Sequence[Part], tools: Sequence[str]) -> list[Part]:
    """Return what is left when only some tools take part; uv's symbolic links belong to ours."""
    chosen = {*tools, *(["uv-symlink"] if {"uv", _SYMLINK} <= {*tools} else [])}
    left = [Part(case, Who(*(tuple(name for name in names if name in chosen) for names in who))) for case, who in parts]
    return [part for part in left if part.who.tools]
