"""All releases of one project, numbered in version order for the solver."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from packaging.version import InvalidVersion, Version

from pytest_fastenv.errors import FastenvError, UnknownProjectError
from pytest_fastenv.index.project import Project
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.request import Wanted
from pytest_fastenv.resolve.candidates import ArtifactChoice, Candidate, Policy, Refusal, is_from_same_place
from pytest_fastenv.resolve.requirements_of import Specifiers
from pytest_fastenv.wheel.filenames import parsed_version


class Limit(NamedTuple):
    """A constraint with an address, and the release that it stands for; or why that cannot be installed here."""

    constraint: Wanted
    found: Candidate | FastenvError


class Releases:
    """The releases of a project: the index's in version order, then the directly named ones.

    The number of a release is its position; sets of releases are integers with one bit per number. Files are looked
    at only when a release is asked for, best first in practice, so that a page with thousands of files costs little.

    :param page: what the index has of the project; ``None`` when that does not matter, or there is none.
    :param direct: candidates named by URL or path; numbered after all others, in this order.
    :param unknown: set when no index has the project.
    :param limits: what each constraint with an address stands for, or why that cannot be used: no other release may be.
    """

    def __init__(
        self,
        name: str,
        page: Project | None,
        tools: tuple[Policy, Specifiers, ArtifactChoice],
        direct: Sequence[Candidate] = (),
        unknown: UnknownProjectError | None = None,
        limits: Sequence[Limit] = (),
    ) -> None:
        self.name = name
        self.unknown = unknown
        self._page = page
        self._tools = tools
        self._policy, self._specifiers, self._choice = tools
        self._texts: dict[Version, str] = {}
        for text in page.versions if page is not None else ():
            with suppress(InvalidVersion):  # older than PEP 440; no specifier can name it
                self._texts[parsed_version(text)] = text
        self.direct = tuple(direct)
        self.versions: tuple[Version, ...] = (*sorted(self._texts), *(candidate.version for candidate in direct))
        self._known: dict[int, Candidate | Refusal] = {}
        self._matching: dict[str, int] = {}
        self._yanked: dict[int, str | None] = {}
        indexed = len(self._texts)
        self.everything = (1 << len(self.versions)) - 1
        self.named_directly = self.everything & ~((1 << indexed) - 1)
        self.pre_releases = self._mask(n for n in range(indexed) if self.versions[n].is_prerelease)
        #: What constraints leave of the project, before any requirement.
        self.permitted = self.everything
        self.limits = tuple(limits)
        self._constraints = [
            *((one, self.matching(one.specifier)) for one in self._policy.constraints.get(name, ())),
            *((one.constraint, self._same_as(one.found)) for one in limits),
        ]
        for _, bits in self._constraints:
            self.permitted &= bits
        # Releases that were found to be of no use; grows while candidates are looked at.
        self._refused = 0
        for number, candidate in enumerate(direct, indexed):
            self._known[number] = candidate

    @property
    def index_url(self) -> str | None:
        """The index that the project is taken from; ``None`` where none has it, or it was named directly."""
        return self._page.index_url if self._page is not None else None

    def with_direct(self, candidate: Candidate) -> Releases:
        """Return the same releases and one more, which gets the next number."""
        return Releases(self.name, self._page, self._tools, (*self.direct, candidate), self.unknown, self.limits)

    def _same_as(self, found: Candidate | FastenvError) -> int:
        """Return the directly named releases that are what a constraint names."""
        first = len(self.versions) - len(self.direct)
        return self._mask(
            number
            for number, one in enumerate(self.direct, first)
            if isinstance(found, Candidate) and is_from_same_place(one, found)
        )

    @staticmethod
    def _mask(numbers: Iterator[int]) -> int:
        mask = 0
        for number in numbers:
            mask |= 1 << number
        return mask

    def matching(self, specifier: str) -> int:
        """Return the releases a specifier admits by number alone, pre-releases and yanked ones too (PEP 440)."""
        if not specifier:
            return -1
        known = self._matching.get(specifier)
        if known is None:
            read = self._specifiers.read(specifier)
            contains = None if read is None else read.contains
            known = self._matching[specifier] = self._mask(
                n for n, version in enumerate(self.versions) if contains and contains(version, prereleases=True)
            )
        return known

    def candidate(self, number: int) -> Candidate | Refusal:
        """Return what would be installed of a release; refused ones are left out by `usable` from then on."""
        known = self._known.get(number)
        if known is None:
            known = self._choice.best(self.name, self.versions[number], self._files(number))
            self._known[number] = known
            if isinstance(known, Refusal):
                self._refused |= 1 << number
        return known

    def refuse(self, number: int, refusal: Refusal) -> None:
        """Rule a release out for something that only its metadata could tell."""
        self._known[number] = refusal
        self._refused |= 1 << number

    def usable(
        self, bits: int, brought_back: int = 0, *, lowest_first: bool = False
    ) -> Iterator[tuple[int, Candidate]]:
        """Yield usable candidates of a set, newest first (with ``--prefer-binary``: those with a wheel before others).

        A preferred version of the policy comes first of all.

        :param brought_back: yanked releases that may be used all the same.
        :param lowest_first: the oldest first.
        """
        later: list[tuple[int, Candidate]] = []
        in_order = _ascending if lowest_first else _descending
        for number in self._in_order(bits & self.permitted, in_order):
            if self._refused >> number & 1:
                continue
            if not brought_back >> number & 1 and self.yanked(number) is not None:
                continue
            candidate = self.candidate(number)
            if isinstance(candidate, Refusal):
                continue
            if self._policy.prefer_binary and candidate.direct is None and not _is_wheel(candidate):
                later.append((number, candidate))
                continue
            yield number, candidate
        for number, candidate in later:
            if not self._refused >> number & 1:
                yield number, candidate

    def _in_order(self, bits: int, in_order: Callable[[int], Iterator[int]]) -> Iterator[int]:
        preferred = self._policy.preferences.get(self.name)
        if preferred is not None:
            first = bits & self.matching(f"=={preferred}")
            yield from in_order(first)
            bits &= ~first
        # A release at the index is the better one where a direct one is not asked for.
        yield from in_order(bits & ~self.named_directly)
        yield from in_order(bits & self.named_directly)

    def yanked(self, number: int) -> str | None:
        """Return the reason given for yanking a release, empty when none was given; ``None`` when it is not yanked."""
        if number not in self._yanked:
            reasons = [file.yanked for file in self._files(number)]
            back = reasons and all(reason is not None for reason in reasons)
            self._yanked[number] = next(filter(None, reasons), "") if back else None
        return self._yanked[number]

    def _files(self, number: int) -> Sequence[Artifact]:
        text = self._texts.get(self.versions[number])
        if self._page is None or text is None or self.named_directly >> number & 1:
            return ()
        return self._page.files(text)

    def objection(self, number: int) -> Refusal | None:
        """Return why a release cannot be used, or ``None`` when nothing but requirements speaks against it."""
        for constraint, bits in self._constraints:
            if not bits >> number & 1:
                return Refusal(f"is excluded by the constraint {constraint.text} ({constraint.location})")
        known = self.candidate(number)
        return known if isinstance(known, Refusal) else None


def _is_wheel(candidate: Candidate) -> bool:
    return getattr(getattr(candidate.source, "artifact", None), "kind", None) == "wheel"


def _descending(bits: int) -> Iterator[int]:
    while bits:
        number = bits.bit_length() - 1
        yield number
        bits ^= 1 << number


def _ascending(bits: int) -> Iterator[int]:
    while bits:
        first = bits & -bits
        yield first.bit_length() - 1
        bits ^= first
