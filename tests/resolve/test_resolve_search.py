"""The search beside the event loop: what is read when, what it hears of, how it ends."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from resolve_world import World, ask, pins, resolve_in, run

from pytest_fastenv.errors import AuthError, FastenvError
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.plan import Distribution
from pytest_fastenv.store.store import Store


def tree(depth: int, width: int) -> World:
    """Make a world in which every release of a level needs all projects of the next."""
    world = World()
    for level in range(depth):
        needs = [f"l{level + 1}-{n}" for n in range(width)] if level + 1 < depth else []
        for n in range(width):
            for version in range(1, 20):
                world.add(f"l{level}-{n}", str(version), *needs)
    return world


def test_one_page_and_one_metadata_file_each_and_many_at_once(tmp_path: Path) -> None:
    world = tree(4, 10)
    plan = run(world, ask(*(f"l0-{n}" for n in range(10))), tmp_path)
    assert len(plan.distributions) == 40
    assert world.count("page") == 40
    assert world.count("metadata") == 40
    assert max(world.asked.values()) == 1
    assert world.most_in_flight >= 10


def test_pages_are_read_ahead_of_the_search(tmp_path: Path) -> None:
    # All pages of one level are under way before the first of them is answered: no page waits for another one's answer.
    world = tree(2, 8)
    waiting: set[str] = set()
    gate = asyncio.Event()

    async def pause(what: str) -> None:
        if what.startswith("page l1"):
            waiting.add(what)
            if len(waiting) == 8:
                gate.set()
            await asyncio.wait_for(gate.wait(), 5)

    world.pause = pause
    assert len(run(world, ask("l0-0"), tmp_path).distributions) == 9


def test_dependencies_are_followed_while_the_search_waits_for_something_else(tmp_path: Path) -> None:
    world = World()
    world.add("a", "1", "x")
    world.add("b", "1", "y")
    world.add("y", "1", "z")
    world.add("x", "1")
    world.add("z", "1")
    far = asyncio.Event()

    async def pause(what: str) -> None:
        if what == "page z":
            far.set()
        if what == "page x":  # the search needs this one for its first decision
            await asyncio.wait_for(far.wait(), 5)

    world.pause = pause
    assert list(pins(run(world, ask("a", "b"), tmp_path))) == ["a", "b", "x", "y", "z"]


def test_a_long_way_down_is_read_in_bundles(tmp_path: Path) -> None:
    world = World()
    for n in range(60):
        world.add("big", f"1.{n}", "small<2" if n < 3 else "small>=2")
    world.add("small", "1")
    world.add("small", "2")
    assert pins(run(world, ask("big", "small<2"), tmp_path)) == {"big": "1.2", "small": "1"}
    assert world.most_in_flight >= 8


def test_the_loop_goes_on_while_the_search_works(tmp_path: Path) -> None:
    world = tree(3, 6)
    threads: set[str] = set()
    original = world.project

    async def project(name: str) -> object:
        threads.add(threading.current_thread().name)
        return await original(name)

    world.project = project  # type: ignore[method-assign, assignment]
    run(world, ask("l0-0"), tmp_path)
    assert threads == {"MainThread"}
    assert "resolve" not in {thread.name for thread in threading.enumerate()}


def test_cancelled_in_the_middle_of_a_question(tmp_path: Path) -> None:
    world = tree(3, 3)
    asked = asyncio.Event()

    async def pause(what: str) -> None:
        if what.startswith("page l2"):
            asked.set()
            await asyncio.Event().wait()

    world.pause = pause

    async def main() -> None:
        recorder = Recorder()
        store = Store(tmp_path / "store", recorder=recorder)
        task = asyncio.create_task(resolve_in(world, ask("l0-0"), store))
        await asyncio.wait_for(asked.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)
        assert len(asyncio.all_tasks()) == 1  # nothing is left running
        assert recorder.spans[0].args["error"] == "CancelledError"

    asyncio.run(main())


def test_an_error_ends_what_is_under_way(tmp_path: Path) -> None:
    world = tree(2, 5)
    world.failing["l1-3"] = AuthError("no")

    async def main() -> None:
        recorder = Recorder()
        store = Store(tmp_path / "store", recorder=recorder)
        with pytest.raises(AuthError):
            await resolve_in(world, ask("l0-0"), store)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


class Listener:
    def __init__(self) -> None:
        self.heard: list[str] = []
        self.now: dict[str, str] = {}

    def pinned(self, distribution: Distribution) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.heard.append(f"+{distribution}")
        self.now[distribution.name] = distribution.version

    def unpinned(self, name: str) -> None:
        self.heard.append(f"-{name}")
        del self.now[name]


def test_an_observer_hears_of_pins_and_of_what_was_taken_back(tmp_path: Path) -> None:
    world = World()
    for n in range(1, 4):
        world.add("a", str(n), f"c=={n}")
        world.add("b", str(n), f"c=={n - 1}" if n > 1 else "c==1")
        world.add("c", str(n))
    listener = Listener()
    plan = run(world, ask("a", "b"), tmp_path, observer=listener)
    assert listener.now == pins(plan)
    assert any(text.startswith("-") for text in listener.heard)


def test_what_is_only_guessed_at_may_fail(tmp_path: Path) -> None:
    world = World()
    world.add("app", "2", "gone")
    world.add("app", "1")
    world.add("low", "1", "app<2")
    world.failing["gone"] = FastenvError("out of order")
    assert pins(run(world, ask("low==1", "app<2"), tmp_path)) == {"app": "1", "low": "1"}
