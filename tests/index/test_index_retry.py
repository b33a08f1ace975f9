from __future__ import annotations

import asyncio
from email.utils import formatdate

import pytest
from index_kit import Pauses

from pytest_fastenv.errors import NetworkError
from pytest_fastenv.index.retry import Passing, retry, retry_after_s


def attempts(*outcomes: float | None) -> tuple[list[int], object]:
    """Fail with each of the pauses asked for in turn, then succeed."""
    made: list[int] = []

    async def attempt() -> str:
        made.append(len(made))
        if len(made) <= len(outcomes):
            raise Passing(NetworkError(f"failure {len(made)}"), outcomes[len(made) - 1])
        return "done"

    return made, attempt


def test_pauses_double() -> None:
    pauses = Pauses()
    _, attempt = attempts(None, None, None)
    assert asyncio.run(retry(attempt, retries=3, clock=pauses.clock)) == "done"  # type: ignore[arg-type]
    assert pauses.made == [0.25, 0.5, 1.0]


def test_a_pause_that_is_asked_for_is_kept() -> None:
    pauses = Pauses()
    _, attempt = attempts(2.0)
    asyncio.run(retry(attempt, retries=1, clock=pauses.clock))  # type: ignore[arg-type]
    assert pauses.made == [2.0]


@pytest.mark.parametrize(("retries", "asked", "expected"), [(0, None, 1), (2, None, 3), (5, 61.0, 1)])
def test_the_last_failure_is_raised(retries: int, asked: float | None, expected: int) -> None:
    made, attempt = attempts(*[asked] * 9)
    with pytest.raises(NetworkError, match=f"failure {expected}") as caught:
        asyncio.run(retry(attempt, retries=retries, clock=Pauses().clock))  # type: ignore[arg-type]
    assert len(made) == expected
    asked_for = "asked once" if expected == 1 else f"asked {expected} times"
    assert str(caught.value.hint).startswith(f"the server was {asked_for}: try again later, or name another index;")


def test_a_next_step_of_its_own_stays() -> None:
    async def attempt() -> None:
        raise Passing(NetworkError("down", hint="ask them"))

    with pytest.raises(NetworkError) as caught:
        asyncio.run(retry(attempt, retries=0, clock=Pauses().clock))
    assert caught.value.hint == "ask them"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", 7.0),
        (formatdate(1030, usegmt=True), 30.0),
        (formatdate(900), 0.0),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_may_be_seconds_or_a_date(value: str | None, expected: float | None) -> None:
    assert retry_after_s(value, now=1000.0) == expected
