"""The options and their place on a command line."""

from __future__ import annotations

import pytest

from pytest_fastenv.runtime.options import asks_for_environment, joined


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["--fastenv", "a"], True),
        (["-x", "--fastenv=a"], True),
        (["@arguments"], False),
        (["--fastenv-link", "copy"], False),
        (["--", "--fastenv"], False),
        (["--fastenvy"], False),
        ([], False),
    ],
)
def test_asking(words: list[str], asked: bool) -> None:
    assert asks_for_environment(words) is asked


def test_joining() -> None:
    assert joined(["--fastenv", "a", "b", "--fastenv-offline", "c"]) == ["--fastenv=a", "b", "--fastenv-offline", "c"]
    assert joined(["--fastenv=a", "--fastenv-dir", "-x"]) == ["--fastenv=a", "--fastenv-dir=-x"]
    assert joined(["--fastenv"]) == ["--fastenv"]
    assert joined(["--", "--fastenv", "a"]) == ["--", "--fastenv", "a"]
