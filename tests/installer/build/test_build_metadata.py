from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from pytest_fastenv.errors import MetadataError
from pytest_fastenv.installer.build.metadata import (
    differences,
    from_pkg_info,
    from_project_table,
    read_dist_info,
)
from pytest_fastenv.model.metadata import CoreMetadata


def pkg_info(tmp_path: Path, text: str) -> Path:
    (tmp_path / "PKG-INFO").write_text(text)
    return tmp_path


def test_pkg_info_that_may_be_trusted_is(tmp_path: Path) -> None:
    text = "Metadata-Version: 2.2\nName: Demo\nVersion: 1.0\nRequires-Dist: one>1\nDynamic: Description\n\n"
    found = from_pkg_info(pkg_info(tmp_path, text))
    assert found is not None
    assert (found.name, found.version, found.requires_dist) == ("Demo", "1.0", ("one>1",))


@pytest.mark.parametrize(
    "text",
    [
        "Metadata-Version: 2.1\nName: Demo\nVersion: 1.0\n\n",
        "Metadata-Version: 2.2\nName: Demo\nVersion: 1.0\nDynamic: Requires-Dist\n\n",
        "Metadata-Version: 2.4\nName: Demo\nVersion: 1.0\nDynamic: Requires-Python\n\n",
        "Metadata-Version: 2.2\nName: Demo\n\n",
        "no metadata at all",
    ],
)
def test_pkg_info_that_a_build_may_change_is_not_trusted(tmp_path: Path, text: str) -> None:
    assert from_pkg_info(pkg_info(tmp_path, text)) is None


def test_a_tree_without_pkg_info_has_none(tmp_path: Path) -> None:
    assert from_pkg_info(tmp_path) is None


def project(text: str) -> CoreMetadata | None:
    return from_project_table(tomllib.loads(text))


def test_a_static_project_table_is_its_metadata() -> None:
    found = project(
        """
        name = "Demo"
        version = "1.0.0-rc1"
        requires-python = ">=3.9"
        dependencies = ["one>=1", "two @ https://example.invalid/two.whl ; python_version < '4'"]
        optional-dependencies.Fast_Path = ["three", "four; sys_platform == 'linux' or sys_platform == 'darwin'"]
        dynamic = ["readme"]
        """
    )
    assert found == CoreMetadata(
        name="Demo",
        version="1.0.0rc1",
        requires_dist=(
            "one>=1",
            'two @ https://example.invalid/two.whl ; python_version < "4"',
            'three; extra == "fast-path"',
            'four; (sys_platform == "linux" or sys_platform == "darwin") and extra == "fast-path"',
        ),
        requires_python=">=3.9",
        provides_extra=("fast-path",),
    )


@pytest.mark.parametrize(
    "text",
    [
        'name = "demo"\ndynamic = ["version"]',
        'name = "demo"\nversion = "1"\ndynamic = ["dependencies"]',
        'name = "demo"\nversion = "1"\ndynamic = ["optional-dependencies"]',
        'name = "demo"\nversion = "1"\ndynamic = ["requires-python"]',
        'name = "demo"',
        'version = "1"',
        'name = "demo"\nversion = "one"',
        'name = "demo"\nversion = 1',
        'name = "demo"\nversion = "1"\ndependencies = ["not a requirement"]',
        'name = "demo"\nversion = "1"\ndependencies = 3',
        'name = "demo"\nversion = "1"\noptional-dependencies = ["x"]',
        'name = "demo"\nversion = "1"\nrequires-python = "three"',
    ],
)
def test_a_project_table_that_leaves_something_open_is_the_backends(text: str) -> None:
    assert project(text) is None


def test_no_project_table_is_the_backends() -> None:
    assert from_project_table(None) is None


def test_a_dist_info_without_metadata_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MetadataError, match="no METADATA"):
        read_dist_info(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="there are no named pipes in directories there")
def test_a_metadata_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "METADATA")
    with pytest.raises(MetadataError, match="cannot be read") as caught:
        read_dist_info(tmp_path)
    assert caught.value.why == "it is a named pipe, and not a file"


def test_spelling_is_no_difference() -> None:
    one = CoreMetadata("Demo", "1.0", ("Some_Thing>=1,<2 ; extra == 'x'",), ">=3.8, !=3.9.0")
    two = CoreMetadata("demo", "1.0", ('some-thing (<2,>=1); extra == "x"',), "!=3.9.0,>=3.8")
    assert differences(one, two) == []


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        (CoreMetadata("other", "1.0", ("one",), ">=3.8"), "name: demo was announced"),
        (CoreMetadata("demo", "1.1", ("one",), ">=3.8"), "version: 1.0 was announced, the wheel has 1.1"),
        (CoreMetadata("demo", "1.0", ("one", "two"), ">=3.8"), "two was not announced"),
        (CoreMetadata("demo", "1.0", (), ">=3.8"), "one was announced, the wheel has it not"),
        (CoreMetadata("demo", "1.0", ("one",)), "requires-python: >=3.8 was announced, the wheel has any"),
    ],
)
def test_each_decisive_difference_is_named(changed: CoreMetadata, part: str) -> None:
    (found,) = differences(CoreMetadata("demo", "1.0", ("one",), ">=3.8"), changed)
    assert part in found
