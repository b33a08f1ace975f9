"""A tree's source distribution is made, and the wheel of that: what the one lacks the other lacks."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from build_bench import Surroundings, surroundings, tree
from kit.archives import make_project
from tree_looks import look

from pytest_fastenv.errors import BuildError, FastenvError
from pytest_fastenv.filesystem.source_digest import source_digest
from pytest_fastenv.installer.sdists import SDISTS
from pytest_fastenv.installer.unpacked_wheel import UnpackedWheel

T = TypeVar("T")

LEAVES_OUT = """
_whole = build_sdist

def build_sdist(directory, settings=None):
    os.rename("demo/helper.py", "left-out.py")
    import shutil
    shutil.copytree(".", os.path.join(os.environ["TMPDIR"], "tree"))
    os.chdir(os.path.join(os.environ["TMPDIR"], "tree"))
    os.remove("left-out.py")
    return _whole(directory, settings)
"""


def within(root: Path, work: Callable[[Surroundings], Awaitable[T]], **options: Any) -> T:
    async def run() -> T:
        async with surroundings(root, **options) as around:
            return await work(around)

    return asyncio.run(run())


def hooks(around: Surroundings) -> list[str]:
    return [span.args["hook"] for span in around.spans()]


def build(root: Path, project: Path) -> tuple[UnpackedWheel, list[str]]:
    async def work(around: Surroundings) -> tuple[UnpackedWheel, list[str]]:
        source = tree(project, source_digest(project), through_sdist=True)
        return await around.builder.build(source, "demo", "1.0"), hooks(around)

    return within(root, work)


def test_the_sdist_is_built_and_the_wheel_of_it(tmp_path: Path) -> None:
    project = make_project(tmp_path / "demo", "demo")
    before = look(project)
    wheel, called = build(tmp_path / "cache", project)
    assert called == [
        "get_requires_for_build_sdist", "build_sdist", "get_requires_for_build_wheel", "build_wheel"
    ]  # fmt: skip
    assert (wheel.tree / "demo" / "__init__.py").is_file()
    assert look(project) == before
    again, called = build(tmp_path / "cache", project)
    assert again.sha256 == wheel.sha256
    assert called == []
    (project / "demo" / "__init__.py").write_text("EDITED = True\n")
    edited, called = build(tmp_path / "cache", project)
    assert "build_sdist" in called
    assert edited.sha256 != wheel.sha256


def test_an_sdist_that_is_gone_from_the_store_is_made_again(tmp_path: Path) -> None:
    project = make_project(tmp_path / "demo", "demo")
    build(tmp_path / "cache", project)
    shutil.rmtree(tmp_path / "cache" / SDISTS.directory)
    shutil.rmtree(tmp_path / "cache" / "wheels-v3")
    assert "build_sdist" in build(tmp_path / "cache", project)[1]


def test_what_an_sdist_lacks_its_wheel_lacks(tmp_path: Path) -> None:
    """The kit's backend packs the files that it knows of, and fails where one of them is not there."""
    project = make_project(
        tmp_path / "demo", "demo", files={"demo/helper.py": "", "demo/__init__.py": ""}, backend_code=LEAVES_OUT
    )
    before = look(project)
    with pytest.raises(BuildError, match=r"demo 1\.0 from its source distribution: build_wheel failed") as caught:
        build(tmp_path / "cache", project)
    assert "demo/helper.py" in (caught.value.why or "")
    assert look(project) == before


def test_metadata_that_is_not_static_comes_of_the_same_build(tmp_path: Path) -> None:
    project = make_project(tmp_path / "demo", "demo")

    async def work(around: Surroundings) -> tuple[str, list[str]]:
        source = tree(project, "1", through_sdist=True)
        known = await around.builder.metadata(source, "demo")
        await around.builder.build(source, "demo", known.version)
        return known.version, hooks(around)

    version, called = within(tmp_path / "cache", work)
    assert version == "1.0"
    assert called.count("build_sdist") == called.count("build_wheel") == 1


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "def build_sdist(directory, settings=None):\n    return 'demo-1.0.zip'\n",
            "not the name of a source distribution",
        ),
        ("def build_sdist(directory, settings=None):\n    return '../demo-1.0.tar.gz'\n", "returned the path"),
        (
            "def build_sdist(directory, settings=None):\n    return 'demo-1.0.tar.gz'\n",
            "claimed the source distribution demo-1.0.tar.gz",
        ),
        ("del build_sdist\n", "has no build_sdist"),
    ],
)
def test_what_a_backend_must_not_do(code: str, said: str, tmp_path: Path) -> None:
    project = make_project(tmp_path / "demo", "demo", backend_code=code)
    with pytest.raises(FastenvError, match=said):
        build(tmp_path / "cache", project)
