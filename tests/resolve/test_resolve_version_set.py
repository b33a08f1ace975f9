"""Sets of releases obey the laws the solver relies on."""

from __future__ import annotations

from itertools import product

from pytest_fastenv.resolve.version_set import VersionSet

ALL = [VersionSet(bits) for bits in range(-8, 8)]  # all sets of three releases, with and without all further ones


def members(some: VersionSet) -> set[int]:
    return {n for n in range(6) if n in some}


def test_operations_agree_with_sets_of_numbers() -> None:
    everything = set(range(6))
    for a, b in product(ALL, ALL):
        assert members(a & b) == members(a) & members(b)
        assert members(a | b) == members(a) | members(b)
        assert members(a - b) == members(a) - members(b)
        assert members(~a) == everything - members(a)
        assert a.is_subset(b) == (members(a) <= members(b)) == b.is_superset(a)
        assert a.is_disjoint(b) == (not members(a) & members(b))
        relation = a.relation(b)
        assert (relation.is_subset, relation.is_disjoint) == (a.is_subset(b), a.is_disjoint(b))
        assert (a == b) == (members(a) == members(b))
        assert a.is_subset((a - b) | b)  # conflict resolution ends because of this


def test_special_sets() -> None:
    assert VersionSet.empty().is_empty
    assert VersionSet.full() == ~VersionSet.empty()
    assert members(VersionSet.singleton(4)) == {4}
    assert len({*ALL, *ALL}) == len(ALL)
    assert VersionSet(5) != 5
    assert repr(VersionSet(5)) == "VersionSet(0b101)"
