"""An index that has pytest itself and a store that knows it, so that runs through both doors are quick."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from front_doors import Desk
from kit.archives import make_wheel
from kit.installed import PYTEST, wheel_of
from kit.interpreters import Found
from kit.server import IndexServer
from missing_interpreter import Absent
from pipeline_bench import Bench

from pytest_fastenv.environment.request_cache import REQUESTS
from pytest_fastenv.index.metadata import METADATA
from pytest_fastenv.index.page_cache import PAGES
from pytest_fastenv.provisioning.resolutions import RESOLUTIONS


@pytest.fixture(scope="session")
def wheels_of_pytest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels of pytest and what it requires."""
    directory = tmp_path_factory.mktemp("pytest-wheels")
    for project in PYTEST:
        wheel_of(project, directory)
    return directory


@pytest.fixture(scope="session")
def seeded_store(wheels_of_pytest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that has an environment's skeleton and pytest's wheels, and nothing of any test."""
    place = tmp_path_factory.mktemp("seeded")
    (place / "pip.conf").touch()
    with IndexServer(wheels_of_pytest) as server:
        variables = {"FASTENV_INDEX_URL": server.url, "PIP_CONFIG_FILE": str(place / "pip.conf")}
        desk = Desk(place / "desk", place / "store", variables, good="pytest")
        desk.ask("fastenv", "pytest").is_fine()
    for passing in (REQUESTS.directory, RESOLUTIONS.directory, PAGES.directory, METADATA.directory, "environments"):
        shutil.rmtree(place / "store" / passing, ignore_errors=True)
    return place / "store"


@pytest.fixture
def desk(
    tmp_path: Path, artifacts: Path, wheels_of_pytest: Path, index_server: Callable[..., IndexServer]
) -> Iterator[Desk]:
    """A user's directory, a store where nothing is yet, and an index that has ``good``."""
    make_wheel(artifacts, "good")
    for wheel in wheels_of_pytest.iterdir():
        os.link(wheel, artifacts / wheel.name)
    server = index_server()
    made = Desk(tmp_path / "desk", tmp_path / "cache", {"FASTENV_INDEX_URL": server.url})
    made.server = server
    yield made
    made.end()


@pytest.fixture
def seeded(desk: Desk, seeded_store: Path) -> Desk:
    """The same with a store that has pytest's wheels and a skeleton: quick."""
    shutil.copytree(seeded_store, desk.store, symlinks=True, dirs_exist_ok=True)
    return desk


@pytest.fixture(scope="session")
def skeleton_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that has an empty environment and nothing else."""
    from pytest_fastenv.environment.skeleton import skeleton
    from pytest_fastenv.interpreter.discovery import find_target
    from pytest_fastenv.model.events import Recorder
    from pytest_fastenv.store.store import Store

    made = Store(tmp_path_factory.mktemp("skeleton") / "store", recorder=Recorder())
    asyncio.run(skeleton(find_target(None, made), made))
    return made.root


@pytest.fixture
def bench(tmp_path: Path, skeleton_store: Path) -> Bench:
    """A user's directory and a store with an empty environment; the test starts the index."""
    shutil.copytree(skeleton_store, tmp_path / "cache", symlinks=True, dirs_exist_ok=True)
    return Bench(tmp_path / "desk", tmp_path / "cache", timeout_s=60)


@pytest.fixture(scope="session")
def absent(interpreters: list[Found], tmp_path_factory: pytest.TempPathFactory) -> Absent:
    """An interpreter of another minor version than the running one, as a mirror has it."""
    from kit.python_archives import pack_interpreter, write_sums

    there = {f"{sys.version_info[0]}.{sys.version_info[1]}"}
    there |= {
        path.name.removeprefix("python") for place in ("/usr/bin", "/bin") for path in Path(place).glob("python3.*")
    }
    others = [(version, path) for version, path in interpreters if ".".join(map(str, version[:2])) not in there]
    if not others:
        pytest.skip("NO OTHER INTERPRETER IS HERE: nothing is known of those that have to be downloaded")
    version, path = others[-1]
    mirror = tmp_path_factory.mktemp("mirror")
    archive = pack_interpreter(path, mirror)
    write_sums(mirror)
    return Absent(".".join(map(str, version)), archive, tmp_path_factory.mktemp("nowhere"))
