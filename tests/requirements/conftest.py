"""Projects and archives that requirement lines name."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.archives import make_project, make_sdist, make_wheel


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where projects and archives lie that the lines name."""
    directory = tmp_path_factory.mktemp("base")
    make_project(directory / "proj", "proj")
    make_project(directory / "with space", "w")
    make_wheel(directory / "dist", "alpha", "1.0")
    make_sdist(directory / "dist", "src", "2.0")
    (directory / "pyproject.toml").write_text("[build-system]\nrequires = []\n")
    return directory
