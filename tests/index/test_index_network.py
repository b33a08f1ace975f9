"""Against the package index that is configured on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from kit.tools import tools_of

from pytest_fastenv.index.package_index import PackageIndex
from pytest_fastenv.index.wheel_metadata import read_metadata
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store
from pytest_fastenv.wheel.core_metadata import parse_core_metadata

pytestmark = [pytest.mark.network, pytest.mark.slow]


@asynccontextmanager
async def configured(store: Store, settings: Settings) -> AsyncIterator[PackageIndex]:
    async with tools_of(store, settings) as tools:
        yield tools.index


@pytest.mark.parametrize("name", ["django", "numpy", "boto3"])
def test_large_pages_and_what_is_kept_of_them(name: str, store: Store, recorder: Recorder) -> None:
    async def read(settings: Settings) -> tuple[Artifact, ...]:
        async with configured(store, settings) as index:
            return (await index.project(name)).artifacts

    artifacts = asyncio.run(read(Settings()))
    assert len(artifacts) > 500
    assert {artifact.kind for artifact in artifacts} == {"wheel", "sdist"}
    assert all(artifact.hashes for artifact in artifacts if not artifact.url.startswith("file:"))
    assert asyncio.run(read(Settings(offline=True))) == artifacts


def test_metadata_is_that_of_the_wheel(store: Store, recorder: Recorder, tmp_path: Path) -> None:
    async def compare(index: PackageIndex, name: str) -> None:
        project = await index.project(name)
        wheels = (a for v in project.versions for a in project.files(v) if a.kind == "wheel" and a.yanked is None)
        wheel = next(wheels)
        metadata = await index.metadata(wheel)
        await index.download(wheel, tmp_path / wheel.filename)
        with (tmp_path / wheel.filename).open("rb") as file:
            content = read_metadata(file, name=wheel.name, source=wheel.filename)
        assert parse_core_metadata(content, source=wheel.filename) == metadata

    async def run() -> None:
        async with configured(store, Settings()) as index:
            names = ("django", "requests", "attrs", "sphinx", "pyyaml", "markupsafe")
            await asyncio.gather(*(compare(index, name) for name in names))

    asyncio.run(run())
