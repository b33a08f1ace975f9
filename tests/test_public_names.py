"""The names that others may import."""

from __future__ import annotations

import pytest

import pytest_fastenv


def test_they_are_these() -> None:
    assert set(pytest_fastenv.__all__) == {
        "CommandError",
        "Environment",
        "FastenvError",
        "MakeVenv",
        "Plan",
        "ProviderError",
        "SessionEnvironment",
        "Settings",
        "VirtualEnvironment",
        "__version__",
        "provision",
    }


@pytest.mark.parametrize("name", sorted(pytest_fastenv.__all__))
def test_each_is_there(name: str) -> None:
    assert getattr(getattr(pytest_fastenv, name), "__name__", name) == name


def test_nothing_else_is() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Enviroment'"):
        pytest_fastenv.Enviroment  # noqa: B018
