"""A store that knows the running interpreter and has its skeleton: most tests are about what comes after that."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from pytest_fastenv.environment.skeleton import SKELETONS, skeleton
from pytest_fastenv.interpreter.discovery import find_target
from pytest_fastenv.interpreter.known import INTERPRETERS
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store.store import Store


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template") / "store"
    made = Store(root, recorder=Recorder())
    asyncio.run(skeleton(find_target(None, made), made))
    return root


@pytest.fixture
def store(tmp_path: Path, recorder: Recorder, _template: Path) -> Store:
    for bucket in (INTERPRETERS, SKELETONS):
        shutil.copytree(_template / bucket.directory, tmp_path / "cache" / bucket.directory, symlinks=True)
    return Store(tmp_path / "cache", recorder=recorder)


@pytest.fixture
def empty_store(tmp_path: Path, recorder: Recorder) -> Store:
    """A store without anything in it."""
    return Store(tmp_path / "cache", recorder=recorder)
