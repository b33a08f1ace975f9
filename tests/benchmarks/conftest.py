from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # benchmarks/ is a program of the checkout, not a part of the package


@pytest.fixture
def write_set(tmp_path: Path) -> Callable[..., Path]:
    """Write a set of the given artifacts into a directory of sets, and return that directory."""

    def write(name: str, *artifacts: Path) -> Path:
        directory = tmp_path / "sets"
        directory.mkdir(exist_ok=True)
        lines = [f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in artifacts]
        (directory / f"{name}.txt").write_text("".join(["# a set\n", *lines]))
        return directory

    return write
