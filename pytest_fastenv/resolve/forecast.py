"""Reads ahead of the search: pages and metadata that will most likely be asked for, all at once."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_fastenv.errors import FastenvError
from pytest_fastenv.model.plan import Distribution
from pytest_fastenv.model.protocols import PinObserver
from pytest_fastenv.resolve.candidates import Candidate, Refusal
from pytest_fastenv.resolve.facts import Facts
from pytest_fastenv.resolve.lowest import Order
from pytest_fastenv.resolve.releases import Releases
from pytest_fastenv.resolve.requirements_of import Dependency, DependencyReader, Specifiers


class Ahead:
    """Follows dependencies from the first release that fits what is wanted so far, without waiting for the search.

    It decides nothing: the search reads the same facts in its own order, so that timing never changes an answer. Where
    it guesses right, and that is nearly always, the search finds everything there; where not, a page or a metadata
    file was read in vain. Source distributions are only guessed at when asked for by name, for a build may be behind.

    :param order: which release of each project is tried first.
    :param observer: told of the likely choice for what the user asked for by name: the search seldom makes another
        one, and may have to wait for many pages before it makes any.
    """

    def __init__(
        self,
        facts: Facts,
        reader: DependencyReader,
        specifiers: Specifiers,
        order: Order,
        observer: PinObserver | None = None,
    ) -> None:
        self._order = order
        self._observer = observer
        self._facts = facts
        self._reader = reader
        self._specifiers = specifiers
        self._specs: dict[str, set[str]] = {}
        self._extras: dict[str, set[str]] = {}
        self._asked_for: set[str] = set()
        self._followed: set[tuple[str, str, str]] = set()
        self._rounds = 0

    def want(self, name: str, extras: Iterable[str], specifier: str, *, asked_for: bool = False) -> None:
        """Take note of a requirement and follow it in the background.

        :param asked_for: by the user, not by another distribution.
        """
        if asked_for:
            self._asked_for.add(name)
        specs = self._specs.setdefault(name, set())
        known_extras = self._extras.setdefault(name, {""})
        news = set(extras) - known_extras
        if specs and specifier in specs and not news:
            return
        specs.add(specifier)
        known_extras |= news
        self._rounds += 1
        self._facts.start(("ahead", self._rounds), lambda: self._follow(name))

    def dependencies(self, dependencies: Iterable[Dependency]) -> None:
        """Take note of what a release needs; direct references are left to the search."""
        for dependency in dependencies:
            if dependency.url is None:
                self.want(dependency.name, dependency.extras, dependency.specifier)

    async def _follow(self, name: str) -> None:
        try:
            candidate, certain = self._likely(await self._facts.releases(name))
            if candidate is None:
                return
            if certain:
                self._tell(candidate, certain=True)
            metadata = await self._facts.metadata(candidate)
            if isinstance(metadata, Refusal):
                return
            if name in self._asked_for:
                self._tell(candidate, certain=certain)
            for extra in sorted(self._extras[name]):
                step = name, candidate.text, extra
                if step not in self._followed:
                    self._followed.add(step)
                    self.dependencies(self._reader.read(metadata, extra))
        except FastenvError:
            # Not asked for yet. If the search asks, it meets the same error as the answer to its question.
            return

    def _tell(self, candidate: Candidate, *, certain: bool) -> None:
        if self._observer is not None:
            distribution = Distribution(candidate.name, candidate.text, candidate.source, requested=True)
            self._observer.pinned(distribution, certain=certain)

    def _likely(self, releases: Releases) -> tuple[Candidate | None, bool]:
        """Return the likely choice among releases, and whether the user's own requirements leave no other."""
        bits = releases.permitted
        for specifier in self._specs[releases.name]:
            bits &= releases.matching(specifier)
        usual = bits & ~releases.pre_releases or bits
        _, candidate = next(releases.usable(usual, lowest_first=self._order.is_lowest(releases.name)), (0, None))
        asked_for = releases.name in self._asked_for
        certain = asked_for and bits.bit_count() == 1
        if candidate is None or not candidate.source.needs_build or asked_for:
            return candidate, certain
        return None, False
