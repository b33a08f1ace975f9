"""Errors are diagnoses."""

from __future__ import annotations

import inspect

import pytest

from pytest_fastenv import errors
from pytest_fastenv.errors import BuildError, FailureGroup, FastenvError, ProvideError, RequestError, UsageError


def test_a_diagnosis_has_its_parts_in_order() -> None:
    error = BuildError(
        "building spam 1.0 failed", where="/logs/spam.txt", why="first\nsecond", hint="install a compiler"
    )
    assert error.diagnosis().splitlines() == [
        "building spam 1.0 failed",
        "  where: /logs/spam.txt",
        "  why:   first",
        "         second",
        "  next:  install a compiler",
    ]
    assert str(error) == error.diagnosis()


def test_exit_codes_follow_the_tree() -> None:
    for _, cls in inspect.getmembers(errors, inspect.isclass):
        if issubclass(cls, RequestError):
            assert cls.exit_code == 4
        elif issubclass(cls, ProvideError):
            assert cls.exit_code == 3


def test_the_docstring_shows_the_whole_tree() -> None:
    documented = errors.__doc__ or ""
    names = [n for n, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, FastenvError)]
    assert [name for name in names if name not in documented] == []


def test_a_group_shows_all_failures() -> None:
    group = FailureGroup([BuildError("one"), UsageError("two")])
    assert group.diagnosis() == "[1/2] one\n[2/2] two"
    assert group.exit_code == 3
    assert FailureGroup([UsageError("one"), UsageError("two")]).exit_code == 4
    assert FailureGroup([UsageError("only")]).diagnosis() == "only"
    with pytest.raises(ValueError, match="at least one"):
        FailureGroup([])
