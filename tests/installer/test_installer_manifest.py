"""What an unpacked wheel says of itself is believed only as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.damage import damaged
from kit.examples import example

from pytest_fastenv.installer.manifest import Manifest, WheelFacts, check


@pytest.mark.slow
def test_damaged_records_count_as_absent(tmp_path: Path) -> None:
    manifest, facts = example(Manifest), example(WheelFacts)
    manifest.save(str(tmp_path / "manifest.json"))
    facts.save(str(tmp_path / "wheel.json"))
    assert Manifest.load(str(tmp_path / "manifest.json")) == manifest
    assert WheelFacts.load(tmp_path / "wheel.json") == facts
    for damage in damaged(tmp_path / "manifest.json"):
        assert Manifest.load(str(tmp_path / "manifest.json")) is None, damage
        assert check(tmp_path) == "what is known of its files is damaged"
    for damage in damaged(tmp_path / "wheel.json"):
        assert WheelFacts.load(tmp_path / "wheel.json") is None, damage
        assert check(tmp_path) == "what is known of its files is damaged"
