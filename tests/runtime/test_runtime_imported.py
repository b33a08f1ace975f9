"""The list of what sessions imported grows, and is believed only as it was written."""

from __future__ import annotations

from pathlib import Path

from kit.damage import damaged

from pytest_fastenv.runtime.imported import keep, read


def test_the_list_grows_and_a_damaged_one_is_begun_anew(tmp_path: Path) -> None:
    place = tmp_path / ".fastenv" / "imported"
    place.parent.mkdir()
    assert read(place) == []
    keep(str(tmp_path), ["lib/b.py"])
    keep(str(tmp_path), ["lib/a\udc80.py", "lib/b.py"])
    assert read(place) == ["lib/a\udc80.py", "lib/b.py"]
    for damage in damaged(place):
        assert read(place) == [], damage
    place.write_bytes(place.read_bytes()[:-1])
    keep(str(tmp_path), ["lib/c.py"])
    assert read(place) == ["lib/c.py"]
