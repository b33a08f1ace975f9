"""Requests mean the same for the catalogue as for the search of the machine."""

from __future__ import annotations

import pytest

from pytest_fastenv.errors import InterpreterNotFoundError
from pytest_fastenv.interpreter_downloads.offer import Offer
from pytest_fastenv.interpreter_downloads.selection import Selection


def offer(version: str, implementation: str = "cpython", arch: str = "x86_64") -> Offer:
    """An offer for Linux; ``t`` at the end of the version makes it free-threaded."""
    return Offer(implementation, version.rstrip("t"), version.endswith("t"), "linux", arch, "gnu", "", "", "0" * 64)


def wanted(spec: str) -> Selection:
    found = Selection.parse(spec)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("spec", "version"),
    [
        ("3.12", "3.12.0"), ("3.12", "3.12.7"), ("312", "3.12.7"), ("3", "3.9.1"), ("python3.12", "3.12.7"),
        ("3.12.4", "3.12.4"), (">=3.11,<3.14", "3.13.9"), ("cpython@3.12", "3.12.7"), ("cpython>=3.12", "3.13.0"),
        ("CPython3.12", "3.12.7"), ("3.13t", "3.13.1t"), (">=3.13t", "3.14.0t"), ("==3.12.*", "3.12.7"),
        ("~=3.12.1", "3.12.7"), ("<=3.12", "3.12.7"), ("==3.12", "3.12.7"), ("!=3.12", "3.13.0"), ("3.12-64", "3.12.7"),
        ("3.12-x86_64", "3.12.7"), ("3.15.0rc1", "3.15.0rc1"), ("cpython@3.15.0rc1", "3.15.0rc1"),
        ("3.15.0rc1t", "3.15.0rc1t"), (">=3.15.0a1", "3.15.0b2"), (">=3.15.0a1", "3.15.0"), (">=3.15.0a1", "3.15.1"),
        (" 3.12 ", "3.12.7"),
    ],
)  # fmt: skip
def test_fits(spec: str, version: str) -> None:
    assert wanted(spec).fits(offer(version))


@pytest.mark.parametrize(
    ("spec", "version"),
    [
        ("3.12", "3.13.0"), ("3.12.4", "3.12.5"), (">=3.11,<3.14", "3.14.0"), ("3.13", "3.13.0t"), ("3.13t", "3.13.0"),
        (">3.12", "3.12.7"), (">=3.13", "3.13.0t"), ("!=3.12.7", "3.12.7"), ("pypy3.10", "3.10.14"),
        ("3.13d", "3.13.0"),
        ("3.15", "3.15.0rc1"), (">=3.14", "3.15.0a1"), ("3.15.0rc1", "3.15.0"), ("3.15.0rc1", "3.15.0rc2"),
        (">=3.15.0rc2", "3.15.0rc1"), ("<3.15,>=3.14.0a1", "3.15.0rc1"), ("3.12-32", "3.12.7"),
        ("3.12-arm64", "3.12.7"),
        ("3.7", "3.7.9"), ("3", "3.7.9"),
    ],
)  # fmt: skip
def test_does_not_fit(spec: str, version: str) -> None:
    assert not wanted(spec).fits(offer(version))


def test_another_implementation_is_for_those_who_name_it() -> None:
    pypy = offer("3.10.14", "pypy")
    assert wanted("pypy3.10").fits(pypy)
    assert wanted("pypy").fits(pypy)
    assert wanted("pypy>=3.9").fits(pypy)
    assert not wanted("3.10").fits(pypy)
    assert not wanted("pypy3.10").fits(offer("3.10.14"))


def test_32_bits() -> None:
    assert wanted("3.12-32").fits(offer("3.12.7", arch="x86"))
    assert not wanted("3.12-64").fits(offer("3.12.7", arch="x86"))


def test_a_pre_release_only_where_no_final_one_fits() -> None:
    offers = [offer("3.15.0rc1"), offer("3.15.0b1"), offer("3.14.2"), offer("3.14.1")]
    assert wanted(">=3.14.0a1").pick(offers) == offers[2]
    assert wanted(">=3.15.0a1").pick(offers) == offers[0]
    assert wanted("3.15.0b1").pick(offers) == offers[1]
    assert wanted("3.15").pick(offers) is None
    assert wanted(">=3.8").pick(offers) == offers[2]


@pytest.mark.parametrize("path", ["./python", "/usr/bin/python3", "~/v", "~", "dir/python"])
def test_paths_are_none_of_these(path: str) -> None:
    assert Selection.parse(path) is None


def test_an_empty_text_wants_any() -> None:
    assert wanted("").pick([offer("3.12.7")]) == offer("3.12.7")


@pytest.mark.parametrize("text", [">=3.foo", "3.12.4.5", "hello world", ">=3.11,,<x"])
def test_what_cannot_be_read(text: str) -> None:
    with pytest.raises(InterpreterNotFoundError, match="does not say which Python is meant"):
        Selection.parse(text)


@pytest.mark.parametrize(
    ("spec", "version"),
    [("3.7", "3.7"), ("==3.7.*", "3.7"), ("<3.8", "3.7"), ("2.7", "2.7"), ("3.6t", "3.6"), ("pypy3.7", "3.7")],
)
def test_too_old(spec: str, version: str) -> None:
    assert wanted(spec).too_old() == version


@pytest.mark.parametrize("spec", ["3.8", "<3.9", "3", ">=3.6", "3.99", "4.2", "pypy", ">=3.8,<3.9"])
def test_not_too_old(spec: str) -> None:
    assert wanted(spec).too_old() is None


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("3.16", True), ("3.15.2", True), ("3.12.99", True), (">=3.16", True), (">3.15", True), ("4.2", True),
        ("3.16t", True), ("3.16.0rc1", True), ("3.12.3", False), ("3.12-arm64", False), (">3.12,<3.13", False),
    ],
)  # fmt: skip
def test_newer_than_what_is_there(spec: str, expected: bool) -> None:
    assert wanted(spec).after(["3.15.1", "3.15.0", "3.12.15", "3.12.7"], "x86_64") is expected
