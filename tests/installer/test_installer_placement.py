"""What another worker is writing at this moment is not in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_fastenv.installer import placement
from pytest_fastenv.installer.placement import Placer
from pytest_fastenv.model.link import LinkMode


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_text("the whole content")
    return path


@pytest.mark.parametrize("found", ["", "the whole", None], ids=["just begun", "half", "taken back"])
def test_a_file_in_the_making_is_waited_for(
    found: str | None, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two distributions bring the same file, and two workers come to it at once."""
    target = tmp_path / "target"
    target.write_text(found or "")

    def meanwhile(_pause_s: float) -> None:
        target.unlink() if found is None else target.write_text("the whole content")

    monkeypatch.setattr(placement.time, "sleep", meanwhile)
    placer = Placer(LinkMode.COPY, str(source.parent), str(tmp_path))
    assert placer.place(str(source), str(target))
    assert target.read_text() == "the whole content"


@pytest.mark.parametrize("content", ["short", "another content!!", "a much longer content than the other"])
def test_another_content_is_in_the_way(
    content: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "target"
    target.write_text(content)
    pauses: list[float] = []
    monkeypatch.setattr(placement.time, "sleep", pauses.append)
    assert not Placer(LinkMode.COPY, str(source.parent), str(tmp_path)).place(str(source), str(target))
    assert sum(pauses) <= 1.1
    assert target.read_text() == content
