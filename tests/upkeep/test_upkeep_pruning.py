"""What may go is decided from what is held, used and needed; nothing is touched for that."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv.environment.manifest import ENVIRONMENTS
from pytest_fastenv.environment.questions import QUESTIONS
from pytest_fastenv.environment.request_cache import REQUESTS
from pytest_fastenv.index.page_cache import PAGES
from pytest_fastenv.installer.build.built_wheels import BUILT
from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.interpreter.installed import PYTHONS
from pytest_fastenv.store.buckets import Bucket, InStore
from pytest_fastenv.store.inventory import Kept
from pytest_fastenv.upkeep.holdings import Beside, Holdings
from pytest_fastenv.upkeep.pruning import DAY_S, Wanted, choose, choose_beside, everything

NOW = 1000 * DAY_S
ROOT = Path("/store")


def thing(bucket: Bucket, key: str, days: float = 0, *needs: Kept, size: int = 10, **others: Any) -> Kept:
    """Something that was last used so many days ago."""
    values: dict[str, Any] = {"is_whole": True, "is_held": False, **others}
    refers_to = tuple(one.name for one in needs)
    path = ROOT / bucket.directory / key
    return Kept(bucket, key, path, size_bytes=size, used_at=NOW - days * DAY_S, refers_to=refers_to, **values)


def gone(*things: Kept, beside: tuple[Beside, ...] = (), **wanted: Any) -> list[str]:
    holdings = Holdings(ROOT, things, beside)
    return [one.kept.key for one in choose(holdings, Wanted(**wanted), NOW)]


def test_what_is_unused_goes_and_what_it_was_made_of() -> None:
    old, young, shared = thing(WHEELS, "old", 200), thing(WHEELS, "young", 2), thing(WHEELS, "shared", 200)
    environments = thing(ENVIRONMENTS, "unused", 31, old, shared), thing(ENVIRONMENTS, "used", 29, young, shared)
    records = thing(REQUESTS, "r1", 31, environments[0]), thing(REQUESTS, "r2", 500, environments[1])
    assert gone(old, young, shared, *environments, *records) == ["r1", "unused", "old"]


def test_what_is_held_and_what_that_needs_stays() -> None:
    wheel, python = thing(WHEELS, "wheel", 200), thing(PYTHONS, "python", 200)
    held = thing(ENVIRONMENTS, "held", 99, wheel, python, is_held=True)
    things = (wheel, python, held, thing(REQUESTS, "r", 99, held))
    for wanted in ({}, {"unused_s": 0}, {"environments": True}, {"only_costly": True}, {"max_size_bytes": 0}):
        assert gone(*things, **wanted) == [], wanted
    assert [one.kept.key for one in everything(Holdings(ROOT, things, ()))] == ["r"]


def test_a_record_is_as_young_as_what_it_leads_to() -> None:
    """A run that finds its environment reads the record of its request alone."""
    wheel = thing(WHEELS, "wheel", 90)
    environment = thing(ENVIRONMENTS, "used", 1, wheel)
    request = thing(REQUESTS, "key", 90, environment)
    assert gone(wheel, environment, request, thing(BUILT, "b", 90, wheel), thing(QUESTIONS, "key", 90, request)) == []


def test_a_record_that_leads_nowhere_goes() -> None:
    lost = thing(WHEELS, "lost")
    request = thing(REQUESTS, "key", 0, lost)
    assert gone(request, thing(QUESTIONS, "key", 0, request), thing(PAGES, "page")) == ["key", "key"]


def test_what_is_not_whole_goes_unless_it_is_being_made() -> None:
    half = thing(WHEELS, "half", is_whole=False)
    assert gone(half, thing(ENVIRONMENTS, "made now", is_whole=False, is_held=True), unused_s=math.inf) == ["half"]


def test_environments_go_where_that_is_asked_for() -> None:
    environment = thing(ENVIRONMENTS, "e", 0, thing(WHEELS, "w"))
    things = (thing(WHEELS, "w"), environment, thing(REQUESTS, "r", 0, environment))
    assert gone(*things) == []
    assert gone(*things, environments=True) == ["r", "e"]


def test_in_ci_what_was_built_stays() -> None:
    built, fetched = thing(WHEELS, "built"), thing(WHEELS, "fetched")
    environment = thing(ENVIRONMENTS, "e", 0, built, fetched)
    records = thing(BUILT, "b", 0, built), thing(REQUESTS, "r", 0, environment), thing(PAGES, "page")
    assert gone(built, fetched, environment, *records, only_costly=True) == ["r", "e", "fetched"]


def test_the_least_recently_used_goes_until_the_size_is_right() -> None:
    shared = thing(WHEELS, "shared", 50, size=30)
    older, newer = thing(ENVIRONMENTS, "older", 9, shared), thing(ENVIRONMENTS, "newer", 3, shared)
    things = (shared, older, newer, thing(WHEELS, "alone", 5, size=20), thing(REQUESTS, "r", 9, older, size=0))
    assert gone(*things, max_size_bytes=70) == []
    assert gone(*things, max_size_bytes=69) == ["r", "older"]
    assert set(gone(*things, max_size_bytes=50)) == {"r", "older", "alone"}
    assert set(gone(*things, max_size_bytes=39)) == {"r", "alone", "older", "newer"}
    assert gone(*things, max_size_bytes=29)[-1] == "shared"


def test_within_a_day_what_is_cheap_to_have_again_goes_first() -> None:
    built = thing(WHEELS, "built", 5.2)
    things = (built, thing(WHEELS, "fetched", 5.1), thing(BUILT, "b", 5.2, built, size=0))
    assert gone(*things, max_size_bytes=10) == ["fetched"]


@pytest.mark.parametrize("wanted", [{}, {"max_size_bytes": 0}], ids=["unused", "size"])
def test_by_itself_nothing_goes_that_strangers_may_use(wanted: dict[str, Any]) -> None:
    python = thing(PYTHONS, "python", 90)
    assert gone(python, by_itself=True, **wanted) == []
    assert gone(python, **wanted) == ["python"]


def test_what_an_environment_elsewhere_is_made_of_stays_with_its_record() -> None:
    wheel = thing(WHEELS, "wheel", 90)
    record = thing(REQUESTS, "r", 20, wheel)
    assert gone(wheel, record) == []
    assert gone(wheel, record, only_costly=True) == []
    assert gone(wheel, record, unused_s=10 * DAY_S) == ["r", "wheel"]


def test_older_formats_go_once_nothing_of_them_is_used() -> None:
    def beside(name: str, days: float, *, is_older: bool) -> Beside:
        return Beside(ROOT / name, "", 1, is_older, NOW - days * DAY_S)

    found = (
        beside("wheels-v1", 31, is_older=True),
        beside("wheels-v2", 5, is_older=True),
        beside("wheels-v99", 500, is_older=False),
        beside("mine", 500, is_older=False),
    )
    holdings = Holdings(ROOT, (), found)
    assert [one.path.name for one in choose_beside(holdings, Wanted(), NOW)] == ["wheels-v1"]


def test_a_clock_that_was_wrong_keeps_nothing_for_ever() -> None:
    """Used in the future counts as used now; the next look in thirty days finds it unused."""
    future = thing(WHEELS, "w", -5000)
    assert Holdings(ROOT, (future,), ()).used_at(NOW)[InStore(WHEELS.directory, "w")] == NOW
