"""Tells an observer what the search has pinned so far, so that fetching can begin."""

from __future__ import annotations

import asyncio

from nab_resolver.resolver import ResolverObserver

from pytest_fastenv.model.plan import Distribution
from pytest_fastenv.model.protocols import PinObserver
from pytest_fastenv.resolve.candidates import Candidate, Refusal
from pytest_fastenv.resolve.facts import Facts
from pytest_fastenv.resolve.provider import Key


class PinReport(ResolverObserver[Key, int]):
    """Passes decisions on to a `PinObserver`, on the event loop and in order.

    Decisions have levels; a decision on a level undoes those on it and above. That alone tells what was taken back,
    whichever way the solver got there.

    :param requested: projects the user asked for by name.
    """

    def __init__(self, observer: PinObserver, facts: Facts, requested: frozenset[str]) -> None:
        self._observer = observer
        self._facts = facts
        self._requested = requested
        self._loop = asyncio.get_running_loop()
        self._levels: list[tuple[int, str, int]] = []

    def on_decision(self, package: Key, version: int, level: int) -> None:
        """Take note of a decision (in the solver's thread)."""
        undone: list[str] = []
        while self._levels and self._levels[-1][0] >= level:
            _, name, number = self._levels.pop()
            if (name, number) != (package.name, version):
                undone.append(name)
            elif not package.extra:
                # Decided again as it was: the observer knows it already.
                self._levels.append((level, name, number))
                self._tell(undone, None)
                return
        pinned = None
        if not package.extra:
            self._levels.append((level, package.name, version))
            pinned = self._facts.releases_now(package.name).candidate(version)
        self._tell(undone, pinned)

    def _tell(self, undone: list[str], pinned: Candidate | Refusal | None) -> None:
        for name in undone:
            self._loop.call_soon_threadsafe(self._observer.unpinned, name)
        if isinstance(pinned, Candidate):
            distribution = Distribution(
                pinned.name,
                pinned.text,
                pinned.source,
                requested=pinned.name in self._requested,
                direct_url=pinned.direct,
            )
            self._loop.call_soon_threadsafe(self._observer.pinned, distribution)
