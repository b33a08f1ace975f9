"""Which releases may be chosen at all: pre-releases and yanked ones only where the specifications say so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pytest_fastenv.resolve.candidates import Candidate
from pytest_fastenv.resolve.facts import Facts
from pytest_fastenv.resolve.lowest import Order
from pytest_fastenv.resolve.releases import Releases

# `==1.0` and `===1.0`, but not `==1.*`: PEP 592 lets only an exact version bring a yanked release back.
_EXACT = re.compile(r"(?:^|,)\s*===?[^,*]+(?:,|$)")


class Eligibility:
    """What requirements met so far have let in, by project. It only ever grows.

    Pre-releases (PEP 440, "Handling of pre-releases") are let in by ``--pre``, by a specifier that names one, where
    a specifier admits nothing else, and, when there is no solution otherwise, where all specifiers together do not, or
    where final releases do not fit what else is chosen;
    ``--only-final`` keeps them out in any case.
    Yanked releases (PEP 592) are let in by a specifier for exactly that version. Constraints count as specifiers.

    :param order: which release of each project is tried first.
    :param withheld: projects whose pre-releases stay out, even where a requirement names one.
    :param let_in: projects whose pre-releases are tried, as there is no solution without.
    """

    def __init__(
        self,
        facts: Facts,
        order: Order,
        withheld: frozenset[str] = frozenset(),
        let_in: frozenset[str] = frozenset(),
    ) -> None:
        self._facts = facts
        self._order = order
        self.withheld = withheld
        self._pre: set[str] = set(let_in)
        self._brought_back: dict[str, int] = {}
        self._considered: dict[str, set[str]] = {}

    def open(self, releases: Releases) -> int:
        """Return the releases of a project that may be chosen now, as far as that is known without their files."""
        return releases.permitted if self._pre_open(releases.name) else releases.permitted & ~releases.pre_releases

    def candidates(
        self, releases: Releases, bits: int, *, newest_first: bool = False
    ) -> Iterator[tuple[int, Candidate]]:
        """Yield the candidates of a set that may be chosen now, the best first.

        :param newest_first: the newest, whichever is the best.
        """
        lowest_first = not newest_first and self._order.is_lowest(releases.name)
        back = self._brought_back.get(releases.name, 0)
        return releases.usable(bits & self.open(releases), back, lowest_first=lowest_first)

    def _pre_open(self, name: str) -> bool:
        rule = self._facts.policy.releases.pre_releases(name)
        return name in self._pre if rule is None else rule

    def _is_withheld(self, name: str) -> bool:
        return name in self.withheld or self._facts.policy.releases.pre_releases(name) is False

    def consider(self, releases: Releases, specifier: str) -> bool:
        """Take a requirement into account; tell whether it let something new in."""
        taken = self._considered.setdefault(releases.name, set())
        if specifier in taken:
            return False
        before = self.open(releases), self._brought_back.get(releases.name, 0)
        if not taken:
            for constraint in self._facts.policy.constraints.get(releases.name, ()):
                self._take(releases, constraint.specifier)
        taken.add(specifier)
        self._take(releases, specifier)
        return (self.open(releases), self._brought_back.get(releases.name, 0)) != before

    def _take(self, releases: Releases, specifier: str) -> None:
        bits = releases.matching(specifier) & releases.permitted
        if _EXACT.search(specifier):
            for number in range(bits.bit_length()):
                if bits >> number & 1 and releases.yanked(number) is not None:
                    self._brought_back[releases.name] = self._brought_back.get(releases.name, 0) | 1 << number
        if not bits & releases.pre_releases or self._pre_open(releases.name) or self._is_withheld(releases.name):
            return
        read = self._facts.specifiers.read(specifier) if specifier else None
        names_one = read is not None and bool(read.prereleases)
        if names_one or not bits & ~releases.pre_releases:
            self._pre.add(releases.name)

    def nothing_else_fits(self, projects: Iterable[tuple[Releases, int]]) -> bool:
        """Let pre-releases in where nothing else satisfies everybody; tell whether that lets anything new in.

        :param projects: with the releases that satisfy all requirements on them which the failure is about.
        """
        before = len(self._pre)
        for releases, bits in projects:
            if self._pre_open(releases.name) or self._is_withheld(releases.name):
                continue
            if not bits & releases.permitted & releases.pre_releases:
                continue
            if not any(True for _ in self.candidates(releases, bits)):
                self._pre.add(releases.name)
        return len(self._pre) > before

    def keeps_out(self, releases: Releases) -> bool:
        """Tell whether a project has pre-releases that may be tried where there is no solution without."""
        shut = not self._pre_open(releases.name) and not self._is_withheld(releases.name)
        return shut and bool(releases.permitted & releases.pre_releases)

    def justifies(self, releases: Releases, number: int, specifiers: Iterable[str]) -> bool:
        """Tell whether a pre-release may be used, judged by the requirements that hold in the end and no others."""
        judge = Eligibility(self._facts, self._order)
        joint = releases.everything
        for specifier in specifiers:
            judge.consider(releases, specifier)
            joint &= releases.matching(specifier)
        judge.nothing_else_fits([(releases, joint)])
        return bool(judge.open(releases) >> number & 1)
