"""Sets of one project's releases, as the solver needs them: exact, closed under complement, and fast."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Relation:
    """How the members of one set lie against another's; both are true only for an empty set."""

    is_subset: bool
    is_disjoint: bool


_RELATIONS = {(s, d): Relation(s, d) for s in (False, True) for d in (False, True)}


class VersionSet:
    """Some of a project's releases, each by its number in version order.

    Bit *n* of an integer stands for release *n*. Python's integers have as many bits as one likes, and a negative one
    has infinitely many set, so complement is exact too, and "every release, unknown ones included" is -1. A set
    operation on a project with a thousand releases is one machine-speed operation on 125 bytes, where interval
    arithmetic would compare version objects. Immutable.
    """

    __slots__ = ("bits",)

    def __init__(self, bits: int) -> None:
        self.bits = bits

    @classmethod
    def empty(cls) -> VersionSet:
        """Make the set without members."""
        return _EMPTY

    @classmethod
    def full(cls) -> VersionSet:
        """Make the set of all releases."""
        return _FULL

    @classmethod
    def singleton(cls, version: int) -> VersionSet:
        """Make the set of one release, given by its number."""
        return cls(1 << version)

    @property
    def is_empty(self) -> bool:
        """Whether there is no member."""
        return not self.bits

    def __contains__(self, version: int, /) -> bool:
        return bool(self.bits >> version & 1)

    def __and__(self, other: object) -> VersionSet:
        if not isinstance(other, VersionSet):
            return NotImplemented
        return VersionSet(self.bits & other.bits)

    def __or__(self, other: object) -> VersionSet:
        if not isinstance(other, VersionSet):
            return NotImplemented
        return VersionSet(self.bits | other.bits)

    def __sub__(self, other: object) -> VersionSet:
        if not isinstance(other, VersionSet):
            return NotImplemented
        return VersionSet(self.bits & ~other.bits)

    def __invert__(self) -> VersionSet:
        return VersionSet(~self.bits)

    def is_subset(self, other: VersionSet) -> bool:
        """Tell whether every member is also in the other set."""
        return not self.bits & ~other.bits

    def is_superset(self, other: VersionSet) -> bool:
        """Tell whether every member of the other set is in this one."""
        return not other.bits & ~self.bits

    def is_disjoint(self, other: VersionSet) -> bool:
        """Tell whether the sets share no member."""
        return not self.bits & other.bits

    def relation(self, other: VersionSet) -> Relation:
        """Tell both at once: whether this is a subset of the other, whether they are disjoint."""
        return _RELATIONS[not self.bits & ~other.bits, not self.bits & other.bits]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VersionSet) and self.bits == other.bits

    def __hash__(self) -> int:
        return hash(self.bits)

    def __repr__(self) -> str:
        return f"VersionSet({self.bits:#b})"


_EMPTY = VersionSet(0)
_FULL = VersionSet(-1)
