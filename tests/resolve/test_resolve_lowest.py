"""The oldest releases that requirements admit, and requirements that do not say which those are."""

from __future__ import annotations

from pathlib import Path

import pytest
from resolve_world import FILES, World, ask, digest, pins, run, want

from pytest_fastenv.errors import ConflictingRequirementsError, RequirementsError
from pytest_fastenv.model.artifact import Hashes
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.model.request import FormatControl, Resolution


def some_world() -> World:
    """Make a world in which `app` needs `base`, and both have four releases."""
    world = World()
    for version in ("1.0", "1.1", "1.2", "2.0"):
        world.add("app", version, "base>=1.1")
        world.add("base", version)
    return world


@pytest.mark.parametrize(
    ("resolution", "expected"),
    [
        ("highest", {"app": "2.0", "base": "2.0"}),
        ("lowest", {"app": "1.1", "base": "1.1"}),
        ("lowest-direct", {"app": "1.1", "base": "2.0"}),
    ],
)
def test_which_releases_are_chosen(resolution: Resolution, expected: dict[str, str], tmp_path: Path) -> None:
    request = ask("app>=1.1", resolution=resolution)
    assert pins(run(some_world(), request, tmp_path)) == expected


def test_what_a_project_needs_that_is_named_by_its_address_counts_as_asked_for(tmp_path: Path) -> None:
    world = some_world()
    world.trees[tmp_path] = CoreMetadata(
        "own", "3", ("app>=1.2", "tool>=1; extra == 'test'", "own[more]; extra == 'test'"), None, ("test", "more")
    )
    for version in ("1", "2"):
        world.add("tool", version)
    request = ask(want(".", path=tmp_path, extras=("test",)), resolution="lowest-direct")
    assert pins(run(world, request, tmp_path)) == {"app": "1.2", "base": "2.0", "own": "3", "tool": "1"}


def test_no_lower_bound_is_an_error_that_names_each(tmp_path: Path) -> None:
    world = some_world()
    world.add("lib", "1")
    world.trees[tmp_path] = CoreMetadata("own", "3", ("lib<2", "base!=1.0"), None)
    request = ask("app<2", want(".", 2, path=tmp_path), "base>=1.1", resolution="lowest")
    with pytest.raises(RequirementsError, match="2 requirements have no lower bound") as caught:
        run(world, request, tmp_path)
    text = str(caught.value.diagnosis())
    assert "app<2 (requirements.txt:1)" in text
    assert "lib<2 (own 3, requirements.txt:2)" in text
    assert "base" not in text


@pytest.mark.parametrize("bound", [">=1.1", ">1.0", "~=1.1", "==1.1", "==1.*", "<2,>=1.1", "===1.1"])
def test_what_a_lower_bound_is(bound: str, tmp_path: Path) -> None:
    assert pins(run(some_world(), ask(f"app{bound}", resolution="lowest"), tmp_path))["app"] in {"1.0", "1.1"}


@pytest.mark.parametrize("bound", ["", "<2", "<=2", "!=1.0", "!=1.*,<2"])
def test_what_none_is(bound: str, tmp_path: Path) -> None:
    with pytest.raises(RequirementsError, match="app has no lower bound"):
        run(some_world(), ask(f"app{bound}", resolution="lowest-direct"), tmp_path)


def test_a_constraint_says_it_as_well_but_not_what_the_session_implies(tmp_path: Path) -> None:
    world = some_world()
    request = ask("app", constraints=("app>=1.2",), resolution="lowest")
    assert pins(run(world, request, tmp_path))["app"] == "1.2"
    implied = ask("app", constraints=(want("app>=1.2", implied=True),), resolution="lowest")
    with pytest.raises(RequirementsError):
        run(world, implied, tmp_path)
    needed = ask("app>=1.2", want("base", 2, implied=True), resolution="lowest-direct")
    assert pins(run(world, needed, tmp_path)) == {"app": "1.2", "base": "2.0"}


def test_a_marker_that_does_not_hold_needs_no_bound(tmp_path: Path) -> None:
    request = ask("app>=1.1", "base; sys_platform == 'win32'", resolution="lowest")
    assert pins(run(some_world(), request, tmp_path)) == {"app": "1.1", "base": "1.1"}


def test_what_is_named_by_its_address_needs_none(tmp_path: Path) -> None:
    world = some_world()
    file = world.add("lib", "7", "base>=1.2")
    url = FILES + file.filename
    request = ask(want(f"lib @ {url}", hashes=Hashes.of({"sha256": digest(file.filename)})), resolution="lowest-direct")
    assert pins(run(world, request, tmp_path)) == {"base": "1.2", "lib": "7"}


def test_pre_releases_yanked_ones_and_those_without_a_usable_file_are_no_lowest_ones(tmp_path: Path) -> None:
    world = World()
    world.add("app", "1.0", yanked="broken")
    world.add("app", "1.1rc1")
    world.add("app", "1.1", sdist=True)
    world.add("app", "1.2", tag="cp38-cp38-win32")
    world.add("app", "1.3", python=">=3.99", requires_python=">=3.99")
    world.add("app", "1.4")
    world.add("app", "1.5")
    recorder = Recorder()
    wheels = FormatControl(only_binary=frozenset({":all:"}))
    request = ask("app>=1.0", resolution="lowest", formats=wheels)
    assert pins(run(world, request, tmp_path, recorder=recorder)) == {"app": "1.4"}
    (told,) = recorder.warnings("answer")
    assert "app 1.1, the oldest release that app>=1.0 (requirements.txt:1) admits, is not what is tested" in told
    assert "--only-binary excludes it" in told
    assert pins(run(world, ask("app>=1.1rc1", resolution="lowest"), tmp_path)) == {"app": "1.1rc1"}
    assert pins(run(world, ask("app==1.0", resolution="lowest"), tmp_path)) == {"app": "1.0"}
    first = ask("app>=1.0", resolution="lowest")
    assert pins(run(world, first, tmp_path)) == {"app": "1.1"}
    binary = ask("app>=1.0", resolution="lowest", prefer_binary=True)
    assert pins(run(world, binary, tmp_path)) == {"app": "1.4"}


def test_a_bound_that_is_not_tested_is_told_with_who_needs_more(tmp_path: Path) -> None:
    world = some_world()
    recorder = Recorder()
    request = ask("app>=1.1", "base>=1.0", resolution="lowest")
    assert pins(run(world, request, tmp_path, recorder=recorder)) == {"app": "1.1", "base": "1.1"}
    (told,) = recorder.warnings("answer")
    assert told.startswith("base 1.0, the oldest release that base>=1.0 (requirements.txt:2) admits, is not")
    assert told.endswith("what is tested, but 1.1: app 1.1 needs base>=1.1")


def test_what_the_user_asks_for_is_lower_at_the_cost_of_what_comes_along(tmp_path: Path) -> None:
    world = World()
    for n in (1, 2, 3):
        world.add("own-need", str(n), f"deep=={4 - n}")
        world.add("deep", str(n))
    world.trees[tmp_path] = CoreMetadata("own", "3", ("own-need>=1",), None)
    world.add("along", "1", "deep")
    found = pins(run(world, ask(want(".", path=tmp_path), "along>=1", resolution="lowest"), tmp_path))
    assert (found["own-need"], found["deep"]) == ("1", "3")


def test_a_way_out_of_a_conflict_is_not_the_oldest_release_of_all(tmp_path: Path) -> None:
    world = some_world()
    world.add("app", "0.1")
    for version in ("1", "2"):
        world.add("lib", version, "app<1.2")
    request = ask("app>=1.2", "lib>=1", resolution="lowest")
    with pytest.raises(ConflictingRequirementsError) as caught:
        run(world, request, tmp_path)
    assert "loosen app>=1.2 (requirements.txt:1): app 1.1 suits everything else" in str(caught.value.diagnosis())


def test_what_is_preferred_is_kept(tmp_path: Path) -> None:
    request = ask("app>=1.0", resolution="lowest")
    assert pins(run(some_world(), request, tmp_path, preferences={"app": "1.2"})) == {"app": "1.2", "base": "1.1"}
