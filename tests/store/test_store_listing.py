"""What is the store's own, and what lies behind a link."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pytest_fastenv.store.listing import is_own, own_names


def test_the_names_in_a_directory(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    for name in ("b", "a", ".c"):
        (tmp_path / "own" / name).touch()
    assert sorted(own_names(tmp_path / "own")) == [".c", "a", "b"]


def test_nothing_is_in_what_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert own_names(tmp_path / "file") == own_names(tmp_path / "missing") == []


def test_what_lies_behind_a_link_is_not_the_stores(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "precious").mkdir(parents=True)
    os.symlink(tmp_path / "elsewhere", tmp_path / "link")
    assert own_names(tmp_path / "link") == []
    assert (is_own(tmp_path / "elsewhere"), is_own(tmp_path / "link")) == (True, False)


@pytest.mark.skipif(sys.platform != "win32", reason="other systems have no junctions")
def test_a_junction_is_a_link(tmp_path: Path) -> None:
    import _winapi

    (tmp_path / "elsewhere" / "precious").mkdir(parents=True)
    _winapi.CreateJunction(str(tmp_path / "elsewhere"), str(tmp_path / "link"))  # type: ignore[attr-defined,unused-ignore]
    assert own_names(tmp_path / "link") == []
