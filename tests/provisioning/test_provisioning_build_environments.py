"""A build environment is used only as it was made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from kit.damage import damaged
from kit.examples import example

from pytest_fastenv.model.target import Target
from pytest_fastenv.provisioning.build_environments import BUILD_ENVIRONMENTS, write_held
from pytest_fastenv.store.buckets import InStore


@pytest.mark.slow
def test_with_any_damage_to_its_lists_it_is_damaged(tmp_path: Path) -> None:
    schemes = {"purelib": "lib", "platlib": "lib", "scripts": "bin"}
    for place in ("lib/one.py", "bin/python"):
        (tmp_path / place).parent.mkdir()
        (tmp_path / place).touch()
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\n")
    used = InStore("wheels-v3", "ab")
    write_held(tmp_path, replace(example(Target), schemes=schemes), {used})
    assert BUILD_ENVIRONMENTS.check(tmp_path) is None
    assert BUILD_ENVIRONMENTS.refers_to(tmp_path) == (used,)
    own = tmp_path / ".fastenv"
    assert len(list(own.iterdir())) == 3
    for file in sorted(own.iterdir()):
        for damage in damaged(file):
            assert BUILD_ENVIRONMENTS.is_damaged(tmp_path), (file.name, damage)
    for damage in damaged(tmp_path / "pyvenv.cfg"):
        assert BUILD_ENVIRONMENTS.is_damaged(tmp_path), damage
    (tmp_path / "pyvenv.cfg").rename(tmp_path / "aside")
    assert BUILD_ENVIRONMENTS.check(tmp_path) == "pyvenv.cfg: No such file or directory"
    (tmp_path / "aside").rename(tmp_path / "pyvenv.cfg")
    (tmp_path / "lib" / "one.py").write_text("changed")
    assert BUILD_ENVIRONMENTS.check(tmp_path) == "lib: one.py changed since"
