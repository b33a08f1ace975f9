"""Lower bounds that a resolution to the lowest releases could not test, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_fastenv.resolve.facts import Facts
from pytest_fastenv.resolve.lowest import Asked
from pytest_fastenv.resolve.provider import Key, Provider
from pytest_fastenv.resolve.releases import Releases


def untested_bounds(asked: Sequence[Asked], pins: Mapping[Key, int], provider: Provider, facts: Facts) -> list[str]:
    """Return a warning for each direct requirement whose oldest release was not chosen.

    Somebody who tests lower bounds takes a run for the proof that they hold; this is what it does not prove.

    :param asked: what the user is responsible for.
    :param pins: the release that was chosen for each project.
    """
    together: dict[str, list[Asked]] = {}
    for one in asked:
        together.setdefault(one.name, []).append(one)
    warnings = []
    for name, some in sorted(together.items()):
        releases, chosen = facts.releases_now(name), pins[Key(name)]
        if str(releases.versions[chosen]) == facts.policy.preferences.get(name):
            continue
        lowest = _lowest(releases, provider, some)
        if lowest < chosen:
            texts = " and ".join(f"{one.text} ({one.where})" for one in some)
            warnings.append(
                f"{name} {releases.versions[lowest]}, the oldest release that {texts} admits, is not what is tested, "
                f"but {releases.versions[chosen]}: {_why(releases, lowest, pins, provider)}"
            )
    return warnings


def _lowest(releases: Releases, provider: Provider, asked: Sequence[Asked]) -> int:
    bits = releases.permitted & provider.eligibility.open(releases)
    for one in asked:
        bits &= releases.matching(one.specifier)
    while bits:
        lowest = (bits & -bits).bit_length() - 1
        if releases.yanked(lowest) is None:
            return lowest
        bits &= bits - 1
    return len(releases.versions)


def _why(releases: Releases, number: int, pins: Mapping[Key, int], provider: Provider) -> str:
    objection = releases.objection(number)
    if objection is not None:
        return f"it {objection.reason}"
    for key, pinned in sorted(pins.items()):
        for need in provider.needs[key, pinned]:
            if need.key.name == releases.name and not need.bits >> number & 1 and key.name != releases.name:
                version = provider.version(key.name, pinned)
                return f"{key} {version} needs {need.dependency}"
    return "it does not fit what else is chosen"
