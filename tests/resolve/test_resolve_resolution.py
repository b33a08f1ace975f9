"""Requests and the plans they come to."""

from __future__ import annotations

from pathlib import Path

from resolve_world import World, ask, pins, run

from pytest_fastenv.model.plan import SdistSource, WheelSource


def test_the_newest_releases_that_fit_each_other(tmp_path: Path) -> None:
    world = World()
    for version in ("1.0", "1.10", "1.9"):
        world.add("web", version, f"core>={version}")
        world.add("core", version)
    world.add("core", "2.0")
    plan = run(world, ask("web", "core<2"), tmp_path)
    assert pins(plan) == {"core": "1.10", "web": "1.10"}
    core, web = plan.distributions
    assert isinstance(web.source, WheelSource)
    assert web.requested
    assert core.requested
    assert core.required_by == ("requirements.txt:2 <2", "web >=1.10")
    assert web.required_by == ("requirements.txt:1",)


def test_what_the_user_named_is_newer_at_the_cost_of_what_came_along(tmp_path: Path) -> None:
    world = World()
    world.add("queue", "5.7", "dates==2.9")
    world.add("queue", "5.6", "dates>=2.8")
    world.add("frames", "3", "dates>=2.8")
    for version in ("2.8", "2.9", "4.0"):
        world.add("dates", version)
    assert pins(run(world, ask("frames", "queue"), tmp_path)) == {"dates": "2.9", "frames": "3", "queue": "5.7"}


def test_it_goes_back_where_the_newest_do_not_fit(tmp_path: Path) -> None:
    world = World()
    for n in range(1, 8):
        world.add("a", str(n), f"c=={n}")
        world.add("b", str(n), f"c=={8 - n}")
        world.add("c", str(n))
    found = pins(run(world, ask("a", "b"), tmp_path))
    assert int(found["a"]) + int(found["b"]) == 8
    assert found["c"] == found["a"]


def test_an_extra_has_the_version_of_its_project_without_a_walk_through_all_others(tmp_path: Path) -> None:
    world = World()
    for n in range(40):
        world.add("app", f"1.{n}", "tools ; extra == 'cli'", extras=("cli",))
    world.add("tools", "1")
    world.add("plugin", "1", "app[cli]")
    plan = run(world, ask("app==1.3", "plugin"), tmp_path)
    assert pins(plan) == {"app": "1.3", "plugin": "1", "tools": "1"}
    assert plan.distributions[0].extras == ("cli",)
    assert world.count("metadata app") <= 2


def test_markers_decide_and_unknown_extras_are_told(tmp_path: Path) -> None:
    world = World()
    world.add("app", "1", "old ; python_version < '3.9'", "new ; python_version >= '3.9'")
    world.add("new", "1")
    plan = run(world, ask("app[nope]", "absent; sys_platform == 'win32'"), tmp_path)
    assert pins(plan) == {"app": "1", "new": "1"}
    assert plan.warnings == ("app 1 has no extra named nope",)


def test_unknown_extras_are_told_with_near_ones(tmp_path: Path) -> None:
    world = World()
    world.add("app", "1", extras=("test", "dev-tools"))
    plan = run(world, ask("app[tests,Dev_Tools,dev.tool,nope]"), tmp_path)
    assert plan.warnings == (
        "app 1 has no extra named dev-tool; did you mean dev-tools?",
        "app 1 has no extra named nope",
        "app 1 has no extra named tests; did you mean test?",
    )


def test_a_source_distribution_where_there_is_no_wheel(tmp_path: Path) -> None:
    world = World()
    world.add("ext", "2.0", tag="cp312-cp312-win_amd64")
    world.add("ext", "2.0", "dep", sdist=True)
    world.add("dep", "1")
    plan = run(world, ask("ext"), tmp_path)
    assert isinstance(plan.distributions[1].source, SdistSource)
    assert pins(plan) == {"dep": "1", "ext": "2.0"}


def test_an_extra_and_its_project_clash(tmp_path: Path) -> None:
    world = World()
    for n in range(1, 30):
        world.add("app", str(n), "tools ; extra == 'cli'", extras=("cli",))
    world.add("tools", "1")
    world.add("first", "1", "app[cli]>=20")
    world.add("second", "2", "app<10")
    world.add("second", "1", "app<25")
    assert pins(run(world, ask("first", "second"), tmp_path)) == {
        "app": "24",
        "first": "1",
        "second": "1",
        "tools": "1",
    }


def test_extras_that_name_further_extras(tmp_path: Path) -> None:
    world = World()
    world.add("app", "1", "app[a,b] ; extra == 'all'", "x ; extra == 'a'", "y ; extra == 'b'", extras=("all", "a", "b"))
    world.add("x", "1")
    world.add("y", "1")
    plan = run(world, ask("app[all]"), tmp_path)
    assert pins(plan) == {"app": "1", "x": "1", "y": "1"}
    assert plan.distributions[0].extras == ("a", "all", "b")
    assert plan.distributions[1].required_by == ("app[a]",)


def test_constraints_limit_what_is_used_and_add_nothing(tmp_path: Path) -> None:
    world = World()
    for n in range(1, 4):
        world.add("app", str(n), "dep")
        world.add("dep", str(n))
    plan = run(world, ask("app", constraints=("dep<3", "unused==1", "app<2; python_version<'3'")), tmp_path)
    assert pins(plan) == {"app": "3", "dep": "2"}
    assert not world.asked["page unused"]


def test_preferred_versions_stay_where_nothing_speaks_against_them(tmp_path: Path) -> None:
    world = World()
    for n in range(1, 5):
        world.add("app", str(n), "dep")
        world.add("dep", str(n))
    plan = run(world, ask("app>=2", "dep>=3"), tmp_path, preferences={"app": "2", "dep": "1", "other": "7"})
    assert pins(plan) == {"app": "2", "dep": "4"}


def test_the_same_answer_whatever_comes_first(tmp_path: Path) -> None:
    import asyncio
    import random

    plans = []
    for seed in range(5):
        chance = random.Random(seed)

        async def pause(_what: str, chance: random.Random = chance) -> None:
            for _ in range(chance.randrange(6)):
                await asyncio.sleep(0)

        world = World(pause=pause)
        for n in range(1, 12):
            world.add("a", str(n), f"c=={n}", "d")
            world.add("b", str(n), f"c=={12 - n}", f"d<{n + 1}")
            world.add("c", str(n))
            world.add("d", str(n), f"c>={n // 2}")
        plans.append(pins(run(world, ask("a", "b", "d"), tmp_path)))
    assert all(plan == plans[0] for plan in plans)


def test_no_requirements_are_a_plan_too(tmp_path: Path) -> None:
    assert run(World(), ask(), tmp_path).distributions == ()
