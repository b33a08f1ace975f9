"""What stands in an environment's .fastenv directory, and what counts as whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from kit.damage import damaged
from kit.environment_bench import parts
from kit.examples import example

from pytest_fastenv.environment import manifest
from pytest_fastenv.model.plan import Plan
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.store.buckets import InStore

INTERPRETER: Mapping[str, Any] = {
    "version": "3.12.1",
    "short": "CPython 3.12.1",
    "identity": "i" * 64,
    "schemes": {"scripts": "bin", "purelib": "lib", "platlib": "lib64"},
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A draft with three files in it."""
    root = tmp_path / "draft"
    for name in ("bin/python", "lib/six.py", "lib64/fast.so"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(name)
    return root


def test_there_and_back(place: Path) -> None:
    made = manifest.write(place, parts(), INTERPRETER, Summary(distributions=3))
    assert manifest.read(place) is None
    assert manifest.is_ours(place)
    assert not manifest.is_whole(place)
    manifest.mark_ready(place, None)
    assert manifest.is_whole(place)
    assert manifest.read(place) == made
    assert made.parts == parts().parts
    environment = made.environment(place)
    assert (environment.python, environment.purelib) == (place / "bin" / "python", place / "lib")
    assert (environment.fingerprint, environment.python_version) == (parts(), "3.12.1")
    assert manifest.difference(place, made) is None


def test_a_difference_is_told_without_the_way_to_site_packages(place: Path) -> None:
    made = manifest.write(place, parts(), INTERPRETER, Summary())
    manifest.mark_ready(place, None)
    (place / "lib" / "six.py").write_text("edited")
    assert manifest.difference(place, made) == "six.py changed since"


def test_a_missing_interpreter_is_told(place: Path) -> None:
    (place / "bin" / "python").unlink()
    (place / "bin" / "python").symlink_to("/nowhere/python3.12")
    made = manifest.write(place, parts(), INTERPRETER, Summary())
    assert manifest.difference(place, made) == "its interpreter is gone (/nowhere/python3.12)"


def test_what_a_power_cut_may_leave_is_not_whole(place: Path) -> None:
    made = manifest.write(place, parts(), INTERPRETER, Summary())
    manifest.mark_ready(place, None)
    own = place / ".fastenv"
    whole = (own / "manifest.json").read_bytes()
    for content in (b"", whole[:-20], bytes(len(whole)), whole.replace(b"3.12.1", b"3.12.2")):
        (own / "manifest.json").write_bytes(content)
        assert manifest.read(place) is None
    (own / "manifest.json").write_bytes(whole)
    assert manifest.read(place) == made
    tree = (own / "tree").read_bytes()
    for content in (b"", tree[:-8], bytes(len(tree)), tree.replace(b"six.py", b"sex.py")):
        (own / "tree").write_bytes(content)
        assert manifest.difference(place, made) == "the list of its files is damaged"
    os.unlink(own / "tree")
    assert manifest.difference(place, made) == "the list of its files is damaged"


def test_it_is_marked_once(place: Path) -> None:
    manifest.write(place, parts(), INTERPRETER, Summary())
    manifest.mark_ready(place, None)
    with pytest.raises(FileExistsError):
        manifest.mark_ready(place, None)


def test_nothing_there(tmp_path: Path) -> None:
    assert manifest.read(tmp_path / "missing") is None
    with pytest.raises(FileNotFoundError):
        Environment.standing(tmp_path / "missing")
    assert not manifest.is_ours(tmp_path)


@pytest.mark.slow
def test_with_any_damage_to_its_files_it_is_not_whole(place: Path) -> None:
    made = manifest.write(place, parts(), INTERPRETER, Summary(), {InStore("wheels-v3", "ab")})
    manifest.write_plan(place, example(Plan))
    manifest.mark_ready(place, None)
    own = place / ".fastenv"
    for name in ("manifest.json", "ready"):
        for damage in damaged(own / name):
            assert manifest.read(place) is None, damage
            with pytest.raises(ValueError, match=r"the manifest of .* is damaged"):
                Environment.standing(place)
    for damage in damaged(own / "tree"):
        assert manifest.difference(place, made) == "the list of its files is damaged", damage
    for damage in damaged(own / "plan.json"):
        assert manifest.read_plan(place) is None, damage
    assert manifest.read(place) == made
    assert manifest.read_plan(place) == example(Plan)
    assert Environment.standing(place) == made.environment(place)


def test_what_it_is_made_of_is_in_it(place: Path) -> None:
    used = {InStore("wheels-v3", "ab"), InStore("skeletons-v2", "cd")}
    manifest.write(place, parts(), INTERPRETER, Summary(), used)
    manifest.mark_ready(place, None)
    assert set(manifest.ENVIRONMENTS.refers_to(place)) == used
