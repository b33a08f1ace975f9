"""Notice that builds wait for each other in a circle, before they do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from pytest_fastenv.errors import CycleError

_CHAIN: ContextVar[tuple[str, ...]] = ContextVar("what is being made, outermost first", default=())
_ENVIRONMENT = "the environment of "


class Waits:
    """Which source's build waits for which other one in this process.

    A circle shows either in the chain of sources whose building led to a build, or, where two of its members were
    begun side by side, in the record of which waits for which. A build environment that several builds wait for is a
    member as well: a build that waits for it waits for all that the environment waits for.
    """

    def __init__(self) -> None:
        self._edges: Counter[tuple[str, str]] = Counter()

    @staticmethod
    def environment(requires: Sequence[str]) -> str:
        """Return the subject that stands for the build environment with some build requirements."""
        return f"{_ENVIRONMENT}{', '.join(requires)}"

    @property
    def chain(self) -> tuple[str, ...]:
        """The sources whose building led here, outermost first."""
        return tuple(_sources(_CHAIN.get()))

    @contextmanager
    def building(self, subject: str) -> Iterator[tuple[str, ...]]:
        """Make something part of the chain for a block; gives the chain's sources with it."""
        chain = _CHAIN.get()
        chain = chain if subject in chain else (*chain, subject)
        token = _CHAIN.set(chain)
        try:
            yield tuple(_sources(chain))
        finally:
            _CHAIN.reset(token)

    @contextmanager
    def waiting(self, subject: str) -> Iterator[None]:
        """Note for a block that the innermost member of the chain waits for something.

        :raises CycleError: that one waits, through others or itself, for the member that asks.
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
        """Find a way from one member to another along the waits; empty when there is none."""
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


def _sources(members: Iterable[str]) -> list[str]:
    return [member for member in members if not member.startswith(_ENVIRONMENT)]


def _circle(circle: list[str]) -> CycleError:
    """Return the error for a way that ends where it begins, told from one of its sources on."""
    members = _sources(circle[:-1])
    members.append(members[0])
    return CycleError(
        f"{members[0]} cannot be built: its build requirements need itself",
        why=" -> ".join(members),
        hint=f"allow a wheel of one of them ({', '.join(sorted(set(members)))}), which needs no building",
    )
