"""tox's names of interpreters in the words of this project."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("tox")

from pytest_fastenv.integrations.tox.interpreters import in_our_words


@pytest.mark.parametrize(
    ("spec", "ours"),
    [
        ("py312", "3.12"),
        ("3.12", "3.12"),
        ("python3.11", "3.11"),
        ("py3", "3"),
        ("3.13t", "3.13t"),
        ("py313t", "3.13t"),
        ("cpython3.12.4", "3.12.4"),
        ("pypy3.10", "pypy3.10"),
        ("pypy310", "pypy3.10"),
        ("py", None),
        ("python", None),
        (sys.executable, None),
    ],
)
def test_names(spec: str, ours: str | None) -> None:
    assert in_our_words(spec) == ours
