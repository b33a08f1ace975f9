"""``--require-hashes``."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.archives import make_project
from resolve_world import World, ask, digest, pins, run, want

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.model.artifact import Hashes
from pytest_fastenv.model.metadata import CoreMetadata


def listed(filename: str) -> Hashes:
    return Hashes.of({"sha256": digest(filename)})


def test_transitive_requirements_need_hashes_too(tmp_path: Path) -> None:
    world = World()
    world.add("app", "1", "lib")
    world.add("lib", "2")
    line = want("app==1", hashes=listed("app-1-py3-none-any.whl"))
    with pytest.raises(RequirementsError) as caught:
        run(world, ask(line, require_hashes=True), tmp_path)
    assert caught.value.what == "hashes are required, and 1 of 2 distributions lack a hash or a == pin"
    assert caught.value.why == f"lib==2 --hash=sha256:{digest('lib-2-py3-none-any.whl')}  # for app"
    both = want("lib==2", 2, hashes=listed("lib-2-py3-none-any.whl"))
    assert pins(run(world, ask(line, both, require_hashes=True), tmp_path)) == {"app": "1", "lib": "2"}


def test_a_hash_without_a_pin_is_not_enough(tmp_path: Path) -> None:
    world = World()
    world.add("app", "1")
    line = want("app>=1", hashes=listed("app-1-py3-none-any.whl"))
    with pytest.raises(RequirementsError) as caught:
        run(world, ask(line, require_hashes=True), tmp_path)
    assert caught.value.where == "requirements.txt:1"
    assert str(caught.value.why).startswith("app==1 --hash=sha256:")


def test_pin_and_hash_may_stand_in_a_constraint(tmp_path: Path) -> None:
    world = World()
    world.add("app", "1")
    world.add("app", "2")
    constraint = want("app==1", hashes=listed("app-1-py3-none-any.whl"))
    request = ask(want("app"), constraints=(constraint,), require_hashes=True)
    assert pins(run(world, request, tmp_path)) == {"app": "1"}


def test_the_users_own_project_has_no_digest_and_needs_none(tmp_path: Path) -> None:
    world = World()
    tree = make_project(tmp_path, "mine")
    world.trees[tree] = CoreMetadata("mine", "1")
    assert pins(run(world, ask(want("-e .", path=tree, editable=True), require_hashes=True), tmp_path)) == {"mine": "1"}


def test_an_address_needs_a_hash(tmp_path: Path) -> None:
    world = World()
    app = world.add("app", "1")
    with pytest.raises(RequirementsError, match=r"lack a hash.*(?s:.)*--hash=sha256:"):
        run(world, ask(f"app @ {app.url}", require_hashes=True), tmp_path)
    line = want(f"app @ {app.url}", hashes=listed(app.filename))
    assert pins(run(world, ask(line, require_hashes=True), tmp_path)) == {"app": "1"}
