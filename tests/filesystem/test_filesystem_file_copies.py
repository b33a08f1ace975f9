"""Copies of one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_fastenv.filesystem.file_copies import IMPOSSIBLE, clone, copy


def test_a_copy_is_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x" * 3_000_000)
    (tmp_path / "source").chmod(0o755)
    copy(str(tmp_path / "source"), str(tmp_path / "target"))
    assert (tmp_path / "target").read_bytes() == (tmp_path / "source").read_bytes()
    assert (tmp_path / "target").stat().st_mode & 0o111
    (tmp_path / "target").write_bytes(b"")
    assert (tmp_path / "source").stat().st_size == 3_000_000


def test_a_clone_is_a_copy_or_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "source").write_text("content")
    refused = None
    try:
        clone(str(tmp_path / "source"), str(tmp_path / "target"))
    except OSError as error:
        refused = error.errno
    if refused is None:
        (tmp_path / "target").write_text("other")
        assert (tmp_path / "source").read_text() == "content"
    else:
        assert refused in IMPOSSIBLE
        assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("way", [clone, copy])
def test_nothing_is_overwritten(tmp_path: Path, way: Callable[[str, str], None]) -> None:
    for name in ("source", "target"):
        (tmp_path / name).write_text(name)
    with pytest.raises(FileExistsError):
        way(str(tmp_path / "source"), str(tmp_path / "target"))
    assert (tmp_path / "target").read_text() == "target"
