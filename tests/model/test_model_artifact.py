"""What bytes must be: demands of several parties, each with alternatives."""

from __future__ import annotations

import pytest

from pytest_fastenv.model.artifact import Hashes

A, B, C = ("sha256", "a" * 64), ("sha256", "b" * 64), ("sha512", "c" * 128)
MD5, SHA1 = ("md5", "d" * 32), ("sha1", "e" * 40)


def test_no_demand_accepts_anything() -> None:
    assert not Hashes()
    assert Hashes().accept({})
    assert Hashes().may_accept(Hashes.of([A]))


def test_one_line_lists_alternatives_of_any_algorithm() -> None:
    line = Hashes.one_of([A, C])
    assert line.algorithms == ("sha256", "sha512")
    assert line.accept(dict([A]) | {"sha512": "0"})
    assert line.accept({"sha256": "0"} | dict([C]))
    assert not line.accept({"sha256": "0", "sha512": "0"})
    assert line.sha256 is None


def test_two_lines_hold_together() -> None:
    assert not (Hashes.one_of([A]) & Hashes.one_of([B])).accept(dict([A]))
    assert not (Hashes.one_of([B]) & Hashes.one_of([A])).accept(dict([A]))
    both = Hashes.one_of([A, B]) & Hashes.one_of([C])
    assert both.accept(dict([A, C]))
    assert not both.accept(dict([A]) | {"sha512": "0"})
    assert both.sha256 is None


def test_what_another_demand_implies_is_none() -> None:
    announced, listed = Hashes.of([A]), Hashes.one_of([A, B, C])
    assert announced & listed == listed & announced == announced
    assert (announced & listed).sha256 == A[1]
    assert Hashes() & listed == listed & Hashes() == listed


@pytest.mark.parametrize(
    ("announced", "listed", "possible"),
    [
        ([A], [A, B], True),
        ([A], [B], False),
        ([A], [B, C], True),
        ([C], [A], True),
        ([MD5], [A], True),
        ([A, B], [B], True),
    ],
)
def test_what_announced_digests_exclude(
    announced: list[tuple[str, str]], listed: list[tuple[str, str]], possible: bool
) -> None:
    assert Hashes.one_of(listed).may_accept(Hashes.of(announced)) is possible


def test_the_best_that_is_said_of_a_file_counts() -> None:
    assert Hashes.of([A, C, MD5]) == Hashes.of([A])
    assert Hashes.of([C, MD5]) == Hashes.of([C])
    weak = Hashes.of([MD5, SHA1, ("crc32", "0")])
    assert weak.algorithms == ("md5", "sha1")
    assert not weak.accept(dict([MD5]) | {"sha1": "0"})
    assert Hashes.of([("SHA256", "A" * 64)]) == Hashes.of([A])
