"""Few descriptors mean fewer permits; the limit is raised for a while, and given back."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from pytest_fastenv.errors import ShortageError
from pytest_fastenv.schedule import descriptors
from pytest_fastenv.schedule.descriptors import Shares, free, given_limit, raised

resource = pytest.importorskip("resource")
WANTED = Shares.wanted(downloads=50, builds=8, installs=8)


@pytest.fixture
def limit() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def soft(count: int | None = None) -> int:
    """Set the soft limit; return it."""
    allowed, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if count is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    return count or int(allowed)


def test_with_enough_descriptors_nothing_is_held_back() -> None:
    assert WANTED.within(None) == WANTED.within(1024) == WANTED
    assert WANTED.downloads == 50


@pytest.mark.parametrize("count", [20, 60, 90, 250, 400])
def test_with_fewer_all_shares_shrink_and_none_vanishes(count: int) -> None:
    less = WANTED.within(count)
    costs = descriptors.COSTS
    assert all(1 <= getattr(less, name) <= getattr(WANTED, name) for name in costs)
    needed = sum(getattr(less, name) * cost for name, cost in costs.items())
    assert needed <= max(count, sum(costs.values()))
    assert needed > count - 2 * max(costs.values()) or less == WANTED  # and no more than is needed


@pytest.mark.parametrize("count", [-5, 0])
def test_with_none_left_one_of_each_remains(count: int) -> None:
    assert WANTED.within(count) == Shares(1, 1, 1, 1, 1, 1, 1)


def test_what_is_open_already_is_not_free(limit: None) -> None:
    soft(200)
    before = free()
    assert before is not None
    assert before < 200
    with open(__file__, encoding="utf-8"):
        assert free() == before - 1


def test_too_few_are_refused(limit: None) -> None:
    soft(100)
    descriptors.check(100)
    with pytest.raises(ShortageError) as caught:
        descriptors.check(101)
    assert caught.value.what == "too many open files: this process may have 100, and 101 are needed to begin"
    assert caught.value.where == "the limit of open files (ulimit -n)"
    assert caught.value.hint == "raise it; 256 are plenty, 101 enough for small environments"
    soft(63)
    with pytest.raises(ShortageError):
        descriptors.check()
    soft(64)
    descriptors.check()


def test_the_limit_is_raised_for_a_block() -> None:
    code = (
        "import resource\n"
        "from pytest_fastenv.schedule.descriptors import raised, given_limit\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))\n"
        "def told(): print(resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 100, given_limit())\n"
        "with raised():\n    told()\n    with raised(): told()\n    told()\n"
        "told()"
    )
    # In a process without the threads that other tests may have left here.
    printed = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert printed.splitlines() == ["True 100", "True 100", "True 100", "False 0"]


def test_what_somebody_else_set_meanwhile_stays(limit: None) -> None:
    soft(100)
    with raised():
        soft(120)
    assert soft() == 120


def test_it_stays_where_another_thread_may_start_programs(limit: None) -> None:
    soft(100)
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        with raised():
            assert (soft(), given_limit()) == (100, 0)
    finally:
        over.set()
        thread.join()


def test_a_limit_that_cannot_be_raised_stays() -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (90, 90))\n"
        "from pytest_fastenv.schedule.descriptors import raised, given_limit\n"
        "with raised(): print(resource.getrlimit(resource.RLIMIT_NOFILE), given_limit())"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "(90, 90) 0\n"
