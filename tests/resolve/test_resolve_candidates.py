"""One release, many files: which one is taken, and why none is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version
from resolve_world import World, ask, make_target, pins, run, want

from pytest_fastenv.errors import NoSolutionError
from pytest_fastenv.model.artifact import Hashes
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.plan import SdistSource, WheelSource
from pytest_fastenv.model.request import FormatControl, ReleaseControl
from pytest_fastenv.resolve.candidates import ArtifactChoice, Candidate, Policy, Refusal
from pytest_fastenv.resolve.hashed import Demands
from pytest_fastenv.resolve.requirements_of import Specifiers

#: A line that no file suits.
LISTED = want("ext", hashes=Hashes.of({"sha256": "0" * 64}))


def choose(world: World, **policy: object) -> Candidate | Refusal:
    rules = Policy(make_target(), **policy)  # type: ignore[arg-type]
    return ArtifactChoice(rules, Specifiers()).best("ext", Version("1"), world.pages["ext"])


def filename(found: Candidate | Refusal) -> str:
    assert isinstance(found, Candidate)
    assert isinstance(found.source, WheelSource | SdistSource)
    return found.source.artifact.filename


def test_wheels_by_tag_order_then_by_build_tag() -> None:
    world = World()
    world.add("ext", "1", sdist=True)
    world.add("ext", "1", tag="py3-none-any")
    assert filename(choose(world)) == "ext-1-py3-none-any.whl"
    world.add("ext", "1", tag="cp311-abi3-manylinux_2_17_x86_64.manylinux_2_28_x86_64")
    assert filename(choose(world)) == "ext-1-cp311-abi3-manylinux_2_17_x86_64.manylinux_2_28_x86_64.whl"
    for tag in ("9-py3-none-any", "2a-cp311-abi3-manylinux_2_28_x86_64", "10-cp311-abi3-manylinux_2_28_x86_64"):
        world.add("ext", "1", tag=tag)
    assert filename(choose(world)) == "ext-1-10-cp311-abi3-manylinux_2_28_x86_64.whl"


def test_a_file_that_was_taken_back_is_the_last_resort_within_its_release() -> None:
    world = World()
    world.add("ext", "1", yanked="broken")
    world.add("ext", "1", sdist=True)
    assert filename(choose(world)) == "ext-1.tar.gz"


@pytest.mark.parametrize(
    ("formats", "expected"),
    [
        (FormatControl(no_binary=frozenset({"ext"})), "ext-1.tar.gz"),
        (FormatControl(no_binary=frozenset({":all:"})), "ext-1.tar.gz"),
        (FormatControl(no_binary=frozenset({":all:"}), only_binary=frozenset({"ext"})), "ext-1-py3-none-any.whl"),
        (FormatControl(only_binary=frozenset({":all:"})), "ext-1-py3-none-any.whl"),
    ],
)
def test_format_control(formats: FormatControl, expected: str) -> None:
    world = World()
    world.add("ext", "1")
    world.add("ext", "1", sdist=True)
    assert filename(choose(world, formats=formats)) == expected


@pytest.mark.parametrize(
    ("fields", "policy", "reason"),
    [
        (
            {"tag": "cp39-cp39-win_amd64"},
            {},
            "has no wheel for CPython 3.11.7 on linux-x86_64 (its wheels are for CPython 3.9, Windows on x86_64)",
        ),
        ({"requires_python": ">=3.12"}, {}, "needs Python >=3.12"),
        (
            {"sdist": True},
            {"formats": FormatControl(only_binary=frozenset({":all:"}))},
            "has only a source distribution for this interpreter, and --only-binary excludes it",
        ),
        (
            {},
            {"formats": FormatControl(no_binary=frozenset({"ext"}))},
            "has only wheels, and --no-binary excludes them",
        ),
        ({}, {"demands": Demands.of([LISTED])}, "has a hash that is not in the list"),
    ],
)
def test_reasons(fields: dict[str, str], policy: dict[str, object], reason: str) -> None:
    world = World()
    world.add("ext", "1", **fields)  # type: ignore[arg-type]
    refusal = choose(world, **policy)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == reason


def test_hashes_choose_between_files_and_go_into_the_plan(tmp_path: Path) -> None:
    world = World()
    world.add("ext", "1")
    sdist = world.add("ext", "1", sdist=True, hashes=Hashes())
    listed = Hashes.of([("sha256", "1" * 64)])
    plan = run(world, ask(want("ext", hashes=listed)), tmp_path)
    source = plan.distributions[0].source
    # The wheel's announced digest is not in the list; what the sdist has is checked when it is fetched.
    assert isinstance(source, SdistSource)
    assert source.artifact.filename == sdist.filename
    assert source.artifact.hashes == listed


def test_unreadable_requires_python_fits_every_interpreter() -> None:
    world = World()
    world.add("ext", "1", requires_python=">=three")
    assert filename(choose(world)) == "ext-1-py3-none-any.whl"


def test_a_pre_release_of_python_counts_as_the_release(tmp_path: Path) -> None:
    world = World()
    world.add("ext", "1", requires_python=">=3.14")
    assert pins(run(world, ask("ext"), tmp_path, make_target("3.14.0rc2"))) == {"ext": "1"}


def test_yanked_releases_need_an_exact_pin(tmp_path: Path) -> None:
    world = World()
    world.add("ext", "1")
    world.add("ext", "2", yanked="wrong files")
    world.add("app", "1", "ext==2")
    assert pins(run(world, ask("ext"), tmp_path)) == {"ext": "1"}
    assert pins(run(world, ask("ext>=1"), tmp_path)) == {"ext": "1"}
    plan = run(world, ask("ext==2"), tmp_path)
    assert pins(plan) == {"ext": "2"}
    assert plan.warnings == ("ext 2 was yanked by its maintainers: wrong files",)
    assert pins(run(world, ask("ext", "app"), tmp_path)) == {"app": "1", "ext": "2"}
    with pytest.raises(NoSolutionError, match=r"ext 2 was yanked \(wrong files\); only == brings it back"):
        run(world, ask("ext>=2"), tmp_path)
    with pytest.raises(NoSolutionError, match="only == brings it back"):
        run(world, ask("ext==2.*"), tmp_path)


def test_pre_releases_only_where_named_or_nothing_else_fits(tmp_path: Path) -> None:
    world = World()
    for version in ("1.0", "2.0rc1"):
        world.add("ext", version)
    world.add("beta", "1.0b1")
    world.add("beta", "1.0b2")
    world.add("names", "1", "ext>=2.0rc1")
    world.add("above", "1", "ext>1.0")

    def found(*texts: str, **fields: Any) -> str:
        return pins(run(world, ask(*texts, **fields), tmp_path))["ext"]  # type: ignore[arg-type]

    assert found("ext") == "1.0"
    assert found("ext", releases=ReleaseControl(frozenset({":all:"}))) == "2.0rc1"
    assert found("ext>=1.0rc1") == "2.0rc1"
    assert found("ext", "names") == "2.0rc1"
    assert found("ext", "above") == "2.0rc1"
    assert found("ext>1.0") == "2.0rc1"
    assert found("ext!=1.0") == "2.0rc1"
    assert pins(run(world, ask("beta"), tmp_path)) == {"beta": "1.0b2"}


def test_a_dependency_that_only_a_pre_release_satisfies(tmp_path: Path) -> None:
    world = World()
    world.add("ext", "1.0")
    world.add("ext", "2.0rc1")
    world.add("app", "2", "ext>1.0")
    world.add("app", "1", "ext")
    assert pins(run(world, ask("app"), tmp_path)) == {"app": "2", "ext": "2.0rc1"}


def test_a_release_that_was_given_up_lets_no_pre_release_in(tmp_path: Path) -> None:
    world = World()
    world.add("ext", "1.0")
    world.add("ext", "2.0rc1")
    world.add("app", "2", "ext>=0.9rc1", "low<1")
    world.add("app", "1", "ext")
    world.add("low", "1")
    world.add("low", "0.5")
    assert pins(run(world, ask("app", "low"), tmp_path)) == {"app": "2", "ext": "2.0rc1", "low": "0.5"}
    assert pins(run(world, ask("app", "low>=1"), tmp_path)) == {"app": "1", "ext": "1.0", "low": "1"}


def test_a_solution_with_a_pre_release_is_better_than_none(tmp_path: Path) -> None:
    world = World()
    world.add("ext", "1.0", "low<1")
    world.add("ext", "2.0rc1")
    world.add("app", "2", "ext>=0.9rc1", "low<1")
    world.add("app", "1", "ext")
    world.add("low", "1")
    world.add("low", "0.5")
    assert pins(run(world, ask("app", "low>=1"), tmp_path)) == {"app": "1", "ext": "2.0rc1", "low": "1"}


def test_a_pre_release_that_is_named_after_its_project_was_given_up(tmp_path: Path) -> None:
    world = World()
    world.add("ext", "1.0")
    world.add("ext", "2.0rc1")
    world.add("ext", "3.0", requires_python=">=3.12")
    world.add("app", "3", "ext>=1.5")
    world.add("app", "2", "ext>=2.0rc1")
    world.add("app", "1")
    assert pins(run(world, ask("app"), tmp_path)) == {"app": "3", "ext": "2.0rc1"}


def test_a_pre_release_is_the_last_way_out_of_a_conflict_among_dependencies(tmp_path: Path) -> None:
    world = World()
    world.add("app", "1.0", "dep<2")
    world.add("app", "2.0rc1", "dep")
    world.add("other", "1", "dep>=2")
    for version in ("1", "2", "3b1"):
        world.add("dep", version)
    recorder = Recorder()
    found = pins(run(world, ask("app", "other"), tmp_path, recorder=recorder))
    assert found == {"app": "2.0rc1", "dep": "2", "other": "1"}
    assert [notice.text for notice in recorder.notices] == [
        "app 2.0rc1 is a pre-release: no final one fits all that is asked for"
    ]
    with pytest.raises(NoSolutionError):
        run(world, ask("app", "other", releases=ReleaseControl(only_final=frozenset({":all:"}))), tmp_path)


def test_pre_releases_of_several_projects_only_where_those_of_one_do_not_help(tmp_path: Path) -> None:
    world = World()
    world.add("app", "1.0", "dep<2")
    world.add("app", "2.0rc1", "dep>=3")
    world.add("other", "1", "dep>=2")
    world.add("other", "2b1", "dep>=4")
    for version in ("1", "3", "4"):
        world.add("dep", version)
    assert pins(run(world, ask("app", "other"), tmp_path)) == {"app": "2.0rc1", "dep": "4", "other": "1"}
    world = World()
    world.add("app", "1.0", "dep<2")
    world.add("app", "2.0rc1", "dep>=3")
    world.add("other", "1", "dep==2")
    world.add("other", "2b1", "dep>=3")
    for version in ("1", "2", "3"):
        world.add("dep", version)
    assert pins(run(world, ask("app", "other"), tmp_path)) == {"app": "2.0rc1", "dep": "3", "other": "2b1"}


def test_where_pre_releases_do_not_help_the_conflict_is_told_as_it_is(tmp_path: Path) -> None:
    world = World()
    world.add("app", "1.0", "dep<2")
    world.add("app", "2.0rc1", "dep<2")
    world.add("other", "1", "dep>=2")
    world.add("dep", "1")
    world.add("dep", "2")
    with pytest.raises(NoSolutionError, match=r"app .* and other .* exclude each other"):
        run(world, ask("app", "other"), tmp_path)


def test_pre_releases_where_only_all_specifiers_together_leave_nothing_else(tmp_path: Path) -> None:
    world = World()
    for version in ("1.0", "1.5rc1", "2.0"):
        world.add("ext", version)
    world.add("low", "1", "ext<2")
    assert pins(run(world, ask("ext>1.0", "low"), tmp_path))["ext"] == "1.5rc1"


def test_prefer_binary(tmp_path: Path) -> None:
    world = World()
    world.add("ext", "2", sdist=True)
    world.add("ext", "1")
    assert pins(run(world, ask("ext"), tmp_path)) == {"ext": "2"}
    assert pins(run(world, ask("ext", prefer_binary=True), tmp_path)) == {"ext": "1"}
    assert pins(run(world, ask("ext>1", prefer_binary=True), tmp_path)) == {"ext": "2"}


def test_requires_python_in_the_metadata_only(tmp_path: Path) -> None:
    world = World()
    world.add("ext", "2", python=">=3.12")
    world.add("ext", "1", python=">=3.8")
    assert pins(run(world, ask("ext"), tmp_path)) == {"ext": "1"}


def test_releases_may_be_opened_or_kept_final_by_name(tmp_path: Path) -> None:
    world = World()
    for name in ("one", "two"):
        world.add(name, "1.0")
        world.add(name, "2.0rc1")
    world.add("three", "1.0rc1")

    def found(*texts: str, every: str = "", final: str = "") -> dict[str, str]:
        releases = ReleaseControl(frozenset(every.split()), frozenset(final.split()))
        return pins(run(world, ask(*texts, releases=releases), tmp_path))

    assert found("one", "two", every="one") == {"one": "2.0rc1", "two": "1.0"}
    assert found("one", "two", every=":all:", final="one") == {"one": "1.0", "two": "2.0rc1"}
    assert found("one", "two", every="one", final=":all:") == {"one": "2.0rc1", "two": "1.0"}
    assert found("one>=1.0rc1", final="one") == {"one": "1.0"}
    for text in ("three", "one>1.0", "one==2.0rc1"):
        with pytest.raises(NoSolutionError):
            found(text, final=":all:")


def test_files_that_came_later_do_not_count(tmp_path: Path) -> None:
    world = World()
    for version, month in (("1.0", "01"), ("2.0", "03"), ("3.0", "05")):
        world.add("lib", version, upload_time=f"2026-{month}-01T00:00:00.123456Z")
    world.add("timeless", "1.0")

    def found(moment: str, name: str = "lib") -> str:
        return pins(run(world, ask(name, uploaded_prior_to=moment), tmp_path))[name]

    assert found("2026-04-01") == "2.0"
    assert found("2026-03-01T00:00:00Z") == "1.0"
    assert found("P1D") == "3.0"
    with pytest.raises(NoSolutionError, match="uploaded only at 2026"):
        found("2025-01-01")
    with pytest.raises(NoSolutionError, match="has no upload time at this index"):
        found("P1D", "timeless")


def test_requires_python_may_be_ignored(tmp_path: Path) -> None:
    world = World()
    world.add("lib", "1.0")
    world.add("lib", "2.0", requires_python="<3")
    world.add("lib", "3.0", python="<3")
    assert pins(run(world, ask("lib"), tmp_path)) == {"lib": "1.0"}
    assert pins(run(world, ask("lib", ignore_requires_python=True), tmp_path)) == {"lib": "3.0"}


def test_what_named_projects_need_may_be_left_out(tmp_path: Path) -> None:
    world = World()
    world.add("app", "1.0", "missing", "other; extra == 'x'", extras=("x",))
    world.add("tool", "1.0", "part")
    world.add("part", "1.0")
    alone = replace(want("app[x]"), no_deps=True)
    assert pins(run(world, ask(alone, "tool"), tmp_path)) == {"app": "1.0", "part": "1.0", "tool": "1.0"}
