"""What took longest the last time is begun first; what was never done is judged by its size."""

from __future__ import annotations

import pytest

from pytest_fastenv.installer.pipeline import in_order_of_beginning
from pytest_fastenv.installer.timings import TIMINGS, Timings
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.events import Span
from pytest_fastenv.model.plan import Distribution, SdistSource, WheelSource
from pytest_fastenv.store.store import Store


def took(kind: str, name: str, seconds: float, **args: str) -> Span:
    return Span(kind, name, 1, 1 + round(seconds * 1e9), dict(args))  # type: ignore[arg-type]


def distribution(name: str, size_bytes: int, source: type[SdistSource | WheelSource] = SdistSource) -> Distribution:
    return Distribution(name, "1", source(Artifact(name, "1", "", "", size_bytes=size_bytes)))


def test_the_longest_known_first_and_sizes_where_nothing_is_known(store: Store) -> None:
    timings = Timings(store)
    timings.learn(
        [
            took("fetch", "small", 1.0),
            took("build", "small", 8.0, hook="build_wheel"),
            took("build", "large", 2.0, hook="build_wheel"),
        ]
    )
    plan = [distribution(name, size) for name, size in (("large", 10_000), ("small", 1_000), ("new", 5_000))]
    # Eleven thousand bytes took eleven seconds, so five thousand new ones are expected to take five.
    assert [d.name for d in in_order_of_beginning(plan, Timings(store))] == ["small", "new", "large"]
    assert [d.name for d in in_order_of_beginning(plan)] == ["large", "new", "small"]


def test_wheels_alternate_between_the_longest_and_the_shortest(store: Store) -> None:
    timings = Timings(store)
    timings.learn([took("fetch", name, seconds) for name, seconds in (("a", 1.0), ("b", 2.0), ("c", 3.0), ("d", 4.0))])
    plan = [distribution(name, 1, WheelSource) for name in "abcd"]
    assert [d.name for d in in_order_of_beginning(plan, timings)] == ["d", "a", "c", "b"]


def test_only_finished_work_on_projects_is_remembered(store: Store) -> None:
    timings = Timings(store)
    timings.learn(
        [
            took("build", "asked", 3.0, hook="get_requires_for_build_wheel"),
            took("build", "failed", 3.0, hook="build_wheel", error="BuildError"),
            Span("fetch", "unfinished", 1),
            took("fetch", "https://127.0.0.1/repository.git", 3.0),
            took("link", "linked", 3.0),
        ]
    )
    assert not (store.root / TIMINGS.directory).exists()
    assert [timings.seconds(name) for name in ("asked", "failed", "unfinished", "linked")] == [0.0] * 4


def test_the_latest_run_counts_and_others_stay(store: Store) -> None:
    Timings(store).learn([took("unpack", "one", 1.0), took("unpack", "two", 2.0)])
    timings = Timings(store)
    timings.learn([took("unpack", "one", 5.0), took("unpack", "one", 1.0)])
    assert (timings.seconds("one"), Timings(store).seconds("two")) == (6.0, 2.0)


@pytest.mark.parametrize("found", [[], {"build": 3}, {"build": {"demo": "x"}}])
def test_a_record_that_is_not_ours_is_none(found: object, store: Store) -> None:
    store.write_record(TIMINGS, "work", found)  # type: ignore[arg-type]
    assert Timings(store).build("demo") == 0.0
