"""Why no release of a project can be used: what exists, and what speaks against each."""

from __future__ import annotations

from itertools import pairwise

from packaging.version import Version

from pytest_fastenv.errors import ConflictingRequirementsError, FastenvError
from pytest_fastenv.model.request import Wanted
from pytest_fastenv.resolve.candidates import Candidate, Refusal, is_from_same_place
from pytest_fastenv.resolve.eligibility import Eligibility
from pytest_fastenv.resolve.facts import Facts
from pytest_fastenv.resolve.releases import Releases

_SHOWN = 4
_PLURALS = {"is": "are", "has": "have", "needs": "need", "was": "were"}


def usable(releases: Releases, eligibility: Eligibility, bits: int) -> bool:
    """Tell whether a set has a release that may be chosen and can be installed."""
    return any(True for _ in eligibility.candidates(releases, bits))


def versions_phrase(releases: Releases, bits: int) -> str:
    """Return a set as words: ``1.0``, ``1.0 and 1.1``, ``1.0 to 2.4``, ``7 releases from 1.0 to 2.4``."""
    numbers = [n for n in range(len(releases.versions)) if bits >> n & 1]
    texts = [str(releases.versions[n]) for n in numbers]
    if not texts:
        return "no release"
    if len(texts) <= 2:
        return " and ".join(texts)
    if numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{texts[0]} to {texts[-1]}"
    if len(texts) <= _SHOWN:
        return f"{', '.join(texts[:-1])} and {texts[-1]}"
    return f"{len(texts)} releases from {texts[0]} to {texts[-1]}"


def inventory(releases: Releases) -> str:
    """Return one sentence about what there is of a project."""
    count = len(releases.versions)
    if releases.unknown is not None:
        return f"no index has a project named {releases.name}"
    unfit = [f"{one.constraint.text} ({one.constraint.location}): {one.found.what}" for one in releases.limits
             if isinstance(one.found, FastenvError)]  # fmt: skip
    if unfit:
        return f"{releases.name} may only be what a constraint names: {'; '.join(unfit)}"
    if not count:
        return f"{releases.name} has no releases"
    if count == 1:
        return f"the only release of {releases.name} is {releases.versions[0]}"
    ordered = sorted(releases.versions)
    return f"{releases.name} has {count} releases, {ordered[0]} to {ordered[-1]}"


def objections(releases: Releases, eligibility: Eligibility, bits: int) -> list[str]:
    """Return, for the releases of a set, why each cannot be used; equal reasons together, the newest first."""
    groups: dict[str, int] = {}
    for number in reversed(range(len(releases.versions))):
        if not bits >> number & 1:
            continue
        reason = _reason(releases, eligibility, number)
        if reason is not None:
            groups[reason] = groups.get(reason, 0) | 1 << number
    lines = [
        f"{releases.name} {versions_phrase(releases, group)} {_plural(reason) if group & (group - 1) else reason}"
        for reason, group in groups.items()
    ]
    if len(lines) > _SHOWN:
        lines[_SHOWN:] = [f"and {len(lines) - _SHOWN} more such reasons for older releases"]
    return lines


def _plural(reason: str) -> str:
    verb, _, rest = reason.partition(" ")
    return f"{_PLURALS.get(verb, verb)} {rest}"


def _reason(releases: Releases, eligibility: Eligibility, number: int) -> str | None:
    objection = releases.objection(number)
    if objection is not None:
        return objection.reason
    if any(found == number for found, _ in eligibility.candidates(releases, 1 << number)):
        return None
    why = releases.yanked(number)
    if why is not None:
        return f"was yanked{f' ({why})' if why else ''}; only == brings it back"
    return "is a pre-release; only --pre or a specifier that names one lets it in"


def common_fault(releases: Releases, bits: int) -> FastenvError | None:
    """Return the newest release's fault when artifacts at fault are all that a set has."""
    faults: list[FastenvError] = []
    for number in reversed(range(len(releases.versions))):
        if bits >> number & 1:
            objection = releases.objection(number)
            if not isinstance(objection, Refusal) or objection.fault is None:
                return None
            faults.append(objection.fault)
    return faults[0] if faults else None


def newest_usable(releases: Releases, eligibility: Eligibility) -> Version | None:
    """Return the newest release that could be used if no requirement limited the project."""
    first = next(eligibility.candidates(releases, releases.everything, newest_first=True), None)
    return None if first is None else releases.versions[first[0]]


def opposed(by: Wanted | object, releases: Releases, facts: Facts) -> FastenvError | None:
    """Return the diagnosis where addresses exclude each other: of two constraints, or of a requirement and one.

    :param by: the requirement, if it is a user's own.
    """
    addresses, found = [], []
    if isinstance(by, Wanted) and by.reference.is_direct:
        addresses.append((by.text, by))
        found.append(facts.directly(by))
    for constraint, candidate in releases.limits:
        if isinstance(candidate, Candidate):
            addresses.append((f"the constraint {constraint.text}", constraint))
            found.append(candidate)
    if all(is_from_same_place(one, other) for one, other in pairwise(found)):
        return None
    names = [f"{text} ({wanted.location})" for text, wanted in addresses]
    return ConflictingRequirementsError(
        f"{' and '.join(names)} exclude each other",
        where=", ".join(str(wanted.location) for _, wanted in addresses),
        why=f"each of them says where {releases.name} is to come from, and they are not the same",
        hint="leave all but one of them out",
    )
