"""Lower bounds tested: which projects get their oldest release, and whether requirements say which one that is.

What a user asks for directly are their own requirements, and what a project needs that is named by its address (a
directory, an archive, a repository): its author wrote both, and says with lower bounds what is supported. A project
without a lower bound has an oldest release that nobody has thought of, often from before its present metadata format;
so that is refused instead of tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from pytest_fastenv.errors import RequirementsError, option
from pytest_fastenv.model.request import Resolution, Wanted
from pytest_fastenv.resolve.candidates import Candidate
from pytest_fastenv.resolve.requirements_of import DependencyReader

# `!=1`, `<2` and `<=2` leave the oldest release of all in. `>1` is a bound as well.
_BOUND = re.compile(r"(?:^|,)\s*(?:>=?|~=|===?)")
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Asked:
    """A requirement that the user is responsible for, on a project of an index.

    :ivar text: as written.
    :ivar where: the line, or the project that has it in its metadata.
    """

    name: str
    specifier: str
    text: str
    where: str


@dataclass(frozen=True, slots=True)
class Order:
    """Which release of each project is tried first.

    :ivar direct: projects that the user asks for; grows while what is named by its address is looked at.
    :ivar implied: projects that no user asks for, but the session.
    """

    resolution: Resolution = "highest"
    direct: set[str] = field(default_factory=set)
    implied: frozenset[str] = frozenset()

    @classmethod
    def of(cls, resolution: Resolution, wanted: Iterable[Wanted]) -> Order:
        """Return the order for a request of which some requirements apply."""
        if resolution == "highest":
            return cls()
        wanted = list(wanted)
        implied = frozenset(one.name for one in wanted if one.name is not None and one.implied)
        return cls(resolution, {one.name for one in wanted if one.name is not None and not one.implied}, implied)

    def is_lowest(self, name: str) -> bool:
        """Tell whether the oldest release of a project is tried first."""
        match self.resolution:
            case "highest":
                return False
            case "lowest":
                return name not in self.implied or name in self.direct
            case "lowest-direct":
                return name in self.direct
        assert_never(self.resolution)

    def ask_for(self, asked: Iterable[Asked]) -> None:
        """Count what is named by its address needs as asked for by the user."""
        if self.resolution != "highest":
            self.direct.update(one.name for one in asked)


def asked_directly(
    wanted: Iterable[Wanted], candidates: Mapping[Wanted, Candidate], reader: DependencyReader
) -> list[Asked]:
    """Return what the user is responsible for, on projects of an index.

    :param wanted: the user's requirements that apply.
    :param candidates: what those of them stand for that name their source.
    """
    found: list[Asked] = []
    for one in wanted:
        candidate = candidates.get(one)
        if candidate is None:
            if one.name is not None and not one.implied:
                found.append(Asked(one.name, one.specifier, one.text, str(one.location)))
        elif candidate.metadata is not None and not one.no_deps:
            for extra in ("", *one.extras):
                found += [
                    Asked(need.name, need.specifier, str(need), f"{candidate}, {one.location}")
                    for need in reader.read(candidate.metadata, extra)
                    if need.url is None and need.name != candidate.name
                ]
    named = {candidate.name for candidate in candidates.values()}
    return [one for one in found if one.name not in named]


def check_bounds(resolution: Resolution, asked: Sequence[Asked], constraints: Mapping[str, Sequence[Wanted]]) -> None:
    """Refuse requirements that do not say which release is the oldest that is supported.

    A bound of another requirement on the same project does, and one of a constraint.

    :raises RequirementsError: names each of them.
    """
    bounded = {one.name for one in asked if _BOUND.search(one.specifier)}
    bounded |= {
        name
        for name, limits in constraints.items()
        if any(limit.reference.is_direct or (_BOUND.search(limit.specifier) and not limit.implied) for limit in limits)
    }
    lacking = list(dict.fromkeys(one for one in asked if one.name not in bounded))
    if resolution == "highest" or not lacking:
        return
    names = list(dict.fromkeys(one.name for one in lacking))
    lines = [f"{one.text} ({one.where})" for one in lacking[:_SHOWN]]
    lines += [f"and {len(lacking) - _SHOWN} more"] if len(lacking) > _SHOWN else []
    raise RequirementsError(
        f"{names[0]} has no lower bound" if len(names) == 1 else f"{len(names)} requirements have no lower bound",
        where=", ".join(dict.fromkeys(one.where for one in lacking[:_SHOWN])),
        why="\n".join([f"{option('resolution', resolution)} wants the oldest release that is supported", *lines]),
        hint=f"write which one that is: {names[0]}>=VERSION, in place or as a constraint",
    )
