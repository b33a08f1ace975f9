"""Fixtures for the tests of the tox plugin."""

from collections.abc import Callable
from pathlib import Path

import pytest
from kit.served_interpreter import archive
from kit.server import IndexServer
from kit.tox_project import Project

__all__ = ["archive"]


@pytest.fixture
def project(tmp_path: Path, artifacts: Path, index_server: Callable[..., IndexServer]) -> Project:
    return Project(tmp_path / "project", artifacts, index_server().url)
