"""Built wheels are found by what decides their content, and can be kept elsewhere than in the store."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import pytest
from build_bench import TARGET, Environments, sdist, surroundings, tree
from kit.archives import make_project, make_sdist

from pytest_fastenv.installer.build.built_wheels import Made
from pytest_fastenv.installer.unpacked_wheel import UnpackedWheel
from pytest_fastenv.installer.wheels import Wheels
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.build import Build, Installed, Recipe
from pytest_fastenv.model.plan import SdistSource, TreeSource
from pytest_fastenv.model.target import Target

SOURCE = SdistSource(Artifact("demo", "1.0", "demo-1.0.tar.gz", "https://h.invalid/demo-1.0.tar.gz"))
RECIPE = Recipe.of(SOURCE, "content", TARGET, (("CFLAGS", "-O1"),))
BUILD = Build(RECIPE.key, (Installed("tool", "1", "digest"),), "demo 1.0", True)


@dataclass
class SharedDirectory:
    """Keeps the wheels of several machines in one directory: what a shared store would do over a network."""

    directory: Path
    wheels: Wheels | None = None
    kept: list[Build] = field(default_factory=list)

    async def find(self, build: Build) -> UnpackedWheel | None:
        found = list((self.directory / build.key).glob("*.whl"))
        return await self.wheels.from_file(found[0], provenance="cache") if found and self.wheels else None

    async def keep(self, build: Build, made: Made) -> None:
        self.kept.append(build)
        if build.is_portable:
            (self.directory / build.key).mkdir(parents=True)
            shutil.copyfile(made.file, self.directory / build.key / made.file.name)


def build(root: Path, source: Any, shared: SharedDirectory | None = None, **options: Any) -> UnpackedWheel:
    async def work() -> UnpackedWheel:
        async with surroundings(root, built=shared, **options) as around:
            return await around.builder.build(source, "demo", "1.0")

    return asyncio.run(work())


def test_another_release_of_a_build_requirement_is_another_build(tmp_path: Path, artifacts: Path) -> None:
    log = artifacts / "log"
    source = sdist(make_sdist(artifacts, "demo", build_log=log, build_requires=["tool"]))
    for releases, builds in (({"tool": "1"}, 1), ({"tool": "2"}, 2), ({"tool": "1"}, 2), ({"tool": "2"}, 2)):
        build(tmp_path / "cache", source, environments=Environments(releases=releases))
        assert len(log.read_text().splitlines()) == builds


def test_what_was_built_is_found_without_a_build_environment(tmp_path: Path, artifacts: Path) -> None:
    source = sdist(make_sdist(artifacts, "demo", build_requires=["one"], get_requires=["two"]))
    assert build(tmp_path / "cache", source).provenance == "built"
    environments = Environments()
    assert build(tmp_path / "cache", source, environments=environments).provenance == "cache"
    assert environments.asked == []
    assert environments.told == [(("one", "two"), ("demo 1.0",))]


def test_another_machine_finds_what_was_built_here(tmp_path: Path, artifacts: Path) -> None:
    log = artifacts / "log"
    source = sdist(make_sdist(artifacts, "demo", build_log=log, build_requires=["one"]))
    here, there = SharedDirectory(tmp_path / "shared"), SharedDirectory(tmp_path / "shared")
    first = build(tmp_path / "here", source, here)
    elsewhere = replace(TARGET, python=TARGET.python + "-elsewhere", identity="another", schemes={"purelib": "lib64"})
    second = build(tmp_path / "there", source, there, target=elsewhere)
    assert (first.provenance, second.provenance) == ("built", "cache")
    assert second.sha256 == first.sha256
    assert second.entry != first.entry
    assert len(log.read_text().splitlines()) == 1
    assert there.kept == []


def test_what_leads_to_a_tree_is_not_for_other_machines(tmp_path: Path, artifacts: Path) -> None:
    shared = SharedDirectory(tmp_path / "shared")
    for name in ("one", "two"):
        build(tmp_path / "cache", tree(make_project(artifacts / name, "demo"), editable=True), shared)
    one, two = shared.kept
    assert not one.is_portable
    assert one.key != two.key


@pytest.mark.parametrize(
    "other",
    [
        replace(BUILD, recipe="another"),
        replace(BUILD, environment=()),
        *(replace(BUILD, environment=(replace(BUILD.environment[0], **{f.name: "x"}),)) for f in fields(Installed)),
    ],
)
def test_all_that_decides_is_in_the_key(other: Build) -> None:
    assert other.key != BUILD.key
    assert replace(BUILD, subject="the same by another name").key == BUILD.key


@pytest.mark.parametrize("name", [f.name for f in fields(Recipe)])
def test_all_of_a_recipe_is_in_its_key(name: str) -> None:
    assert replace(RECIPE, **{name: "another"}).key != RECIPE.key


#: What only tells where an interpreter lies on this machine, or follows from the rest.
NOT_DECISIVE = {"python", "identity", "schemes", "tags", "markers"}


@pytest.mark.parametrize("name", [f.name for f in fields(Target)])
def test_all_of_a_target_that_decides_is_in_the_key(name: str) -> None:
    other = Recipe.of(SOURCE, "content", replace(TARGET, **{name: "another"}), RECIPE.variables)
    assert (other.key == RECIPE.key) is (name in NOT_DECISIVE)


def test_how_a_source_is_built_is_in_the_key_and_where_it_lies_is_not() -> None:
    def key(source: SdistSource | TreeSource) -> str:
        return Recipe.of(source, "content", TARGET, ()).key

    assert key(replace(SOURCE, artifact=replace(SOURCE.artifact, url="https://mirror.invalid/x"))) == key(SOURCE)
    assert key(replace(SOURCE, subdirectory="inner")) != key(SOURCE)
    assert key(replace(SOURCE, config_settings=(("--level", "1"),))) != key(SOURCE)
    here, there = TreeSource(Path("/here"), "content"), TreeSource(Path("/there"), "content")
    assert key(here) == key(there)
    assert key(replace(here, editable=True)) != key(replace(there, editable=True))
