"""Notice that builds wait for each other in a circle, before they do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pytest_fastenv.errors import CycleError

_CHAIN: ContextVar[tuple[str, ...]] = ContextVar("sources being built, outermost first", default=())


class Waits:
    """Which source's build waits for which other one in this process.

    A circle shows either in the chain of sources whose building led to a build, or, where two of its members were
    begun side by side, in who waits for whom.
    """

    def __init__(self) -> None:
        self._edges: Counter[tuple[str, str]] = Counter()

    @property
    def chain(self) -> tuple[str, ...]:
        """The sources whose building led here, outermost first."""
        return _CHAIN.get()

    @contextmanager
    def building(self, subject: str) -> Iterator[tuple[str, ...]]:
        """Make a source part of the chain for a block; gives the chain with it."""
        chain = _CHAIN.get()
        chain = chain if subject in chain else (*chain, subject)
        token = _CHAIN.set(chain)
        try:
            yield chain
        finally:
            _CHAIN.reset(token)

    @contextmanager
    def waiting(self, subject: str) -> Iterator[None]:
        """Note for a block that the innermost source of the chain waits for another one's build.

        :raises CycleError: that one waits, through others or itself, for the source that asks.
        """
        chain = _CHAIN.get()
        if subject in chain:
            raise _circle([*chain[chain.index(subject) :], subject])
        if not chain:
            yield
            return
        path = self._path(subject, chain[-1])
        if path:
            raise _circle([chain[-1], *path])
        edge = (chain[-1], subject)
        self._edges[edge] += 1
        try:
            yield
        finally:
            self._edges[edge] -= 1
            if not self._edges[edge]:
                del self._edges[edge]

    def _path(self, start: str, end: str) -> list[str]:
        """Find a way from one source to another along who waits for whom; empty when there is none."""
        ways = [[start]]
        seen = {start}
        while ways:
            way = ways.pop()
            for waiter, wanted in self._edges:
                if waiter == way[-1] and wanted == end:
                    return [*way, end]
                if waiter == way[-1] and wanted not in seen:
                    seen.add(wanted)
                    ways.append([*way, wanted])
        return []


def _circle(members: list[str]) -> CycleError:
    return CycleError(
        f"{members[0]} cannot be built: its build requirements need itself",
        why=" -> ".join(members),
        hint=f"allow a wheel of one of them ({', '.join(sorted(set(members)))}), which needs no building",
    )
