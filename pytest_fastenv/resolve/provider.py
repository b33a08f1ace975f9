"""Packaging's rules as the solver asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from nab_resolver.resolver import BaseProvider
from nab_resolver.types import Incompatibility, IncompatibilityCause, RangeProtocol, RootRequirement, Term

from pytest_fastenv.errors import MetadataError, NoSolutionError
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.request import Wanted
from pytest_fastenv.resolve.addresses import reference
from pytest_fastenv.resolve.candidates import Candidate, Refusal, is_same_source
from pytest_fastenv.resolve.eligibility import Eligibility
from pytest_fastenv.resolve.facts import Facts
from pytest_fastenv.resolve.lowest import Order
from pytest_fastenv.resolve.releases import Releases
from pytest_fastenv.resolve.requirements_of import Dependency, DependencyReader
from pytest_fastenv.resolve.version_set import VersionSet

# A project whose choice was discarded this often is decided before its peers: projects that clash with it then
# have to suit it. The figure is from the trial in docs/explanation/resolver.md.
_TROUBLESOME = 5


class Key(NamedTuple):
    """What the solver decides a version for: a project, or one of its extras (which depends on the same version)."""

    name: str
    extra: str = ""

    def __str__(self) -> str:
        return f"{self.name}[{self.extra}]" if self.extra else self.name


class RestartError(Exception):
    """A rule changed for a project of which releases were already ruled out: the search begins again, facts kept."""


class UnfitError(Exception):
    """A release needs what is named by an address and is not for this interpreter."""

    def __init__(self, dependency: Dependency, fault: NoSolutionError) -> None:
        super().__init__(str(dependency))
        self.dependency = dependency
        self.fault = fault


class Need(NamedTuple):
    """One requirement of a release as the solver got it, with its wording."""

    key: Key
    bits: int
    dependency: Dependency


class Provider(BaseProvider[Key, int]):
    """Answers the solver's questions from `Facts`. Lives in the solver's thread.

    Releases are numbers (`Releases`); sets of them are `VersionSet`.
    """

    def __init__(
        self,
        facts: Facts,
        reader: DependencyReader,
        recorder: Recorder,
        order: Order,
        withheld: frozenset[str] = frozenset(),
        let_in: frozenset[str] = frozenset(),
    ) -> None:
        self._facts = facts
        self._reader = reader
        self._recorder = recorder
        self._order = order
        self.eligibility = Eligibility(facts, order, withheld, let_in)
        #: What each decided or tried release needs, for the plan and for explanations.
        self.needs: dict[tuple[Key, int], tuple[Need, ...]] = {}
        self._dependencies: dict[tuple[Key, int], dict[Key, VersionSet]] = {}
        self._roots: set[str] = set()
        self._exhausted: set[str] = set()
        self._used: set[str] = set()
        self._ranges: Mapping[Key, RangeProtocol[int]] = {}
        self._clauses: list[Incompatibility[Key, int]] = []

    def begin(self) -> None:
        """Forget what belongs to one search; facts and admissions stay."""
        self._exhausted.clear()
        self._clauses.clear()
        self._dependencies.clear()
        self._used.clear()

    def roots(self, wanted: Sequence[tuple[Wanted, str]]) -> list[RootRequirement[Key, int]]:
        """Return the user's requirements, each with its project's name, as the solver's."""
        self._roots = {name for _, name in wanted}
        self._facts.need(self._roots)
        found = []
        for want, name in wanted:
            releases = self._facts.releases_now(name)
            if want.reference.is_direct:
                numbers = range(len(releases.versions) - len(releases.direct), len(releases.versions))
                candidate = self._facts.directly(want)
                bits = sum(1 << n for n in numbers if is_same_source(releases.direct[n - numbers.start], candidate))
            else:
                bits = self._bits(name, want.specifier)
            found += [RootRequirement(Key(name, extra), VersionSet(bits), want) for extra in ("", *want.extras)]
        return found

    def strays(self, pins: Mapping[Key, int], wanted: Sequence[tuple[Wanted, str]]) -> frozenset[str]:
        """Return projects with a pre-release that only a release let in which was given up later."""
        specifiers: dict[str, set[str]] = {}
        for want, name in wanted:
            specifiers.setdefault(name, set()).add(want.specifier)
        for key, number in pins.items():
            for need in self.needs[key, number]:
                specifiers.setdefault(need.key.name, set()).add(need.dependency.specifier)
        found = set()
        for key, number in pins.items():
            releases = self._facts.releases_now(key.name)
            if releases.pre_releases >> number & 1:
                used = sorted(specifiers.get(key.name, {""}))
                if not self.eligibility.justifies(releases, number, used):
                    found.add(key.name)
        return frozenset(found)

    def version(self, name: str, number: int) -> str:
        """Return the version of a release as text."""
        return str(self._facts.releases_now(name).versions[number])

    # --- what the solver asks ----------------------------------------------------------------------------------

    def choose_version(self, package: Key, version_range: Any) -> int | None:
        """Return the best release of a set that can be used, its needs read; ``None`` when there is none."""
        self._facts.check()
        releases = self._facts.releases_now(package.name)
        bits = version_range.bits
        base = self._ranges.get(Key(package.name)) if package.extra else None
        if isinstance(base, VersionSet):
            bits &= base.bits
        for number, candidate in self.eligibility.candidates(releases, bits):
            if self._prepare(package, releases, number, candidate):
                return number
        self._exhausted.add(package.name)
        if isinstance(base, VersionSet):
            # An extra and its project have one version; that nothing is left says something of both together only.
            terms = [Term(package, version_range), Term[Key, int](Key(package.name), base)]
            self._clauses.append(Incompatibility(terms, IncompatibilityCause.DEPENDENCY))
        return None

    def has_satisfying_version(self, package: Key, version_range: Any) -> bool:
        """Tell whether `choose_version` would find one; nothing that was read is forgotten."""
        releases = self._facts.releases_now(package.name)
        return any(True for _ in self.eligibility.candidates(releases, version_range.bits))

    def get_dependencies(self, package: Key, version: int) -> Mapping[Key, VersionSet]:
        """Return what a chosen release needs; `choose_version` has prepared it."""
        return self._dependencies[package, version]

    def prioritize(
        self,
        package: Key,
        version_range: Any,
        conflict_counts: Mapping[Key, int],
        culprit_counts: Mapping[Key, int] | None = None,  # noqa: ARG002 - the protocol's
    ) -> tuple[bool, bool, bool, bool]:
        """Order decisions: projects with one choice, often in conflict, named by the user, limited by a requirement.

        What the user asked for goes before what only came along, since the project decided first gets its best release.
        Only what does not depend on timing is looked at, so that one request has one answer.
        """
        releases = self._facts.releases_now(package.name)
        choices = (version_range.bits & self.eligibility.open(releases)).bit_count()
        peaceful = conflict_counts.get(package, 0) < _TROUBLESOME
        asked_for = package.name in self._roots or package.name in self._order.direct
        return choices > 1, peaceful, not asked_for, version_range.bits == -1

    def widen_decision(self, package: Key, version: int) -> None:
        """Decline: that two releases need the same is known only after both were read."""

    def receive_partial_solution_hint(
        self,
        positive_ranges: Mapping[Key, RangeProtocol[int]],
        decisions: Mapping[Key, int],  # noqa: ARG002 - the protocol's
    ) -> None:
        """Remember what is left of each project, for the choice of extras."""
        self._ranges = positive_ranges

    def consume_pending_clauses(self) -> list[Incompatibility[Key, int]]:
        """Hand over what `choose_version` found out about an extra and its project."""
        clauses, self._clauses = self._clauses, []
        return clauses

    # --- preparing a release -----------------------------------------------------------------------------------

    def _prepare(self, package: Key, releases: Releases, number: int, candidate: Candidate) -> bool:
        """Read what a release needs; tell whether it can be used. An unusable one is ruled out, with the reason."""
        if (package, number) in self._dependencies:
            return True
        metadata = self._facts.metadata_now(candidate, lambda count: self._next(releases, number, count))
        try:
            if isinstance(metadata, Refusal):
                self._refuse(releases, number, candidate, metadata)
                return False
            if not self._facts.directs.choice.fits_python(metadata.requires_python):
                releases.refuse(number, Refusal(f"needs Python {metadata.requires_python}"))
                return False
            needs = tuple(self._needs(package, number, self._reader.read(metadata, package.extra), candidate))
        except MetadataError as fault:
            self._refuse(releases, number, candidate, Refusal(f"has metadata that cannot be used: {fault.what}", fault))
            return False
        except UnfitError as unfit:
            self._refuse(
                releases, number, candidate, Refusal(f"needs {unfit.dependency}: {unfit.fault.what}", unfit.fault)
            )
            return False
        self.needs[package, number] = needs
        joined: dict[Key, int] = {}
        for need in needs:
            joined[need.key] = joined.get(need.key, -1) & need.bits
        self._dependencies[package, number] = {key: VersionSet(bits) for key, bits in joined.items()}
        return True

    def _needs(self, package: Key, number: int, dependencies: Sequence[Dependency], by: Candidate) -> Iterable[Need]:
        self._facts.need({dependency.name for dependency in dependencies if dependency.url is None})
        if package.extra:
            yield Need(Key(package.name), 1 << number, Dependency(package.name, (), ""))
        for dependency in dependencies:
            if dependency.url is None:
                bits = self._bits(dependency.name, dependency.specifier)
            else:
                bits = self._direct_bits(dependency, by)
            for extra in ("", *dependency.extras):
                yield Need(Key(dependency.name, extra), bits, dependency)

    def _refuse(self, releases: Releases, number: int, candidate: Candidate, refusal: Refusal) -> None:
        releases.refuse(number, refusal)
        self._recorder.notice("warning", f"{candidate} is passed over: it {refusal.reason}")

    def _bits(self, name: str, specifier: str) -> int:
        releases = self._facts.releases_now(name)
        self._used.add(name)
        if self.eligibility.consider(releases, specifier) and name in self._exhausted:
            raise RestartError
        return releases.matching(specifier)

    def _direct_bits(self, dependency: Dependency, by: Candidate) -> int:
        try:
            _, number, new = self._facts.examine_now(reference(dependency, by))
        except NoSolutionError as fault:
            raise UnfitError(dependency, fault) from fault
        if new and dependency.name in self._used:
            raise RestartError
        self._used.add(dependency.name)
        return 1 << number

    def _next(self, releases: Releases, number: int, count: int) -> list[Candidate]:
        found: list[Candidate] = []
        older = (1 << number) - 1
        rest = releases.everything & ~older & ~(1 << number) if self._order.is_lowest(releases.name) else older
        for _, candidate in self.eligibility.candidates(releases, rest):
            if len(found) >= count:
                break
            found.append(candidate)
        return found
