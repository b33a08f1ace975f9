"""What is measured: a set, from an empty or a filled cache, by one process or several at once, or for workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Literal

from benchmarks.errors import BenchmarkError
from benchmarks.sets import ArtifactSet

State = Literal["cold", "warm", "workers"]


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the tables.

    :ivar state: ``cold``: neither cache nor environment is there; ``warm``: the cache has been filled by a run for
        another environment; ``workers``: so, and a suite is run with an environment for each of its workers.
    :ivar processes: how many commands run at once, for an environment each and with one cache; or how many workers.
    """

    wanted: ArtifactSet
    state: State
    processes: int

    @property
    def key(self) -> str:
        """The case's name: ``wheels-145/cold/8``."""
        return f"{self.wanted.name}/{self.state}/{self.processes}"


def all_cases(sets: Sequence[ArtifactSet], processes: Sequence[int], workers: Sequence[int]) -> list[Case]:
    """Return every case that there is; those with workers of sets that can run a suite, with pytest-xdist in them."""
    states: tuple[State, ...] = ("cold", "warm")
    cases = [Case(one, state, count) for one in sets for state in states for count in processes]
    with_workers = [one for one in sets if "pytest-xdist" in one.distributions]
    return [*cases, *(Case(one, "workers", count) for one in with_workers for count in workers)]


def select_cases(
    sets: Sequence[ArtifactSet], processes: Sequence[int], workers: Sequence[int], patterns: Sequence[str]
) -> list[Case]:
    """Return the cases whose name fits one of the patterns.

    :raises BenchmarkError: a pattern fits none.
    """
    cases = all_cases(sets, processes, workers)
    for pattern in patterns:
        if not any(fnmatch(case.key, pattern) for case in cases):
            raise BenchmarkError(f"no case fits {pattern}; there are {', '.join(case.key for case in cases)}")
    return [case for case in cases if any(fnmatch(case.key, pattern) for pattern in patterns)]
