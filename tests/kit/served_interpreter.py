"""An interpreter that can be downloaded."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.interpreters import Found
from kit.python_archives import pack_interpreter
from kit.server import IndexServer


@pytest.fixture(scope="session")
def archive(interpreters: list[Found], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The newest interpreter of the machine; not to be changed."""
    return pack_interpreter(interpreters[-1][1], tmp_path_factory.mktemp("packed"))


@pytest.fixture
def served(archive: Path, artifacts: Path, index_server: Callable[..., IndexServer]) -> IndexServer:
    """A server that has the archive."""
    os.link(archive, artifacts / archive.name)
    return index_server()
