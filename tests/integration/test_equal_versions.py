"""Versions that are equal and spelled differently: in names of files and directories, in metadata, in requirements."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kit.archives import make_sdist, make_wheel
from kit.server import IndexServer

from pytest_fastenv import Settings, provision
from pytest_fastenv.errors import MetadataError, MismatchError

pytestmark = pytest.mark.slow

#: What a file name says, and what METADATA says of the same release.
SPELLINGS = [
    ("2.0.0", "2.0"),
    ("2.0", "2.0.0"),
    ("2020.01.05", "2020.1.5"),
    ("1!2.0", "1!2.0.0"),
    ("2.0", "0!2.0.0"),
    ("1.0rc1", "1.0-RC.1"),
    ("1.0.post1", "1.0-1"),
    ("1.0+ubuntu_1", "1.0.0+ubuntu.1"),
    ("1.0", "v1"),
]


def installed(source: str, **options: Any) -> dict[str, str]:
    """Make an environment and return what is in it."""
    chosen = {"index_url": "/nowhere", "project": "none", "cache_dir": Path(os.environ["FASTENV_CACHE_DIR"]), **options}
    ready = provision([source], settings=Settings(**chosen))
    if ready.lease_fd is not None:
        os.close(ready.lease_fd)
    return ready.environment.installed()


def renamed(path: Path, old: str, new: str) -> Path:
    """Give an artifact's file another version in its name."""
    return path.rename(path.with_name(path.name.replace(old, new)))


@pytest.mark.parametrize(
    ("told", "version", "route"),
    [
        *((*spelling, "path") for spelling in SPELLINGS),
        *((*spelling, route) for spelling in SPELLINGS[:2] for route in ("find-links", "index")),
    ],
)
def test_a_wheel(
    told: str, version: str, route: str, artifacts: Path, index_server: Callable[..., IndexServer]
) -> None:
    made = make_wheel(artifacts, "pad", version)
    path = renamed(made, made.name.split("-")[1], told)
    match route:
        case "path":
            found = installed(str(path))
        case "find-links":
            found = installed(f"pad=={told}", find_links=(str(artifacts),))
        case _:
            found = installed(f"pad=={told}", index_url=index_server(metadata_files=told != "2.0").url)
    assert list(found) == ["pad"]


@pytest.mark.parametrize(("told", "version"), [("1.0", "1.0.0"), ("1.0.0", "1.0"), ("1!1.0.0", "1!1")])
@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("is_path", [True, False])
def test_a_source_distribution(told: str, version: str, static: bool, is_path: bool, artifacts: Path) -> None:
    path = renamed(make_sdist(artifacts, "q", version, static=static, prepare=static), version, told)
    assert installed(str(path) if is_path else f"q=={told}", find_links=(str(artifacts),)) == {"q": version}


def test_what_a_build_gives_against_what_it_announced(artifacts: Path) -> None:
    code = """\
def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    name = build_wheel(metadata_directory)
    import pathlib, zipfile
    with zipfile.ZipFile(pathlib.Path(metadata_directory, name)) as wheel:
        wheel.extractall(metadata_directory, [n for n in wheel.namelist() if ".dist-info/" in n])
    metadata = pathlib.Path(metadata_directory, "q-1.0.dist-info", "METADATA")
    metadata.write_text(metadata.read_text().replace("Version: 1.0\\n", "Version: 1.0.0\\n"))
    return "q-1.0.dist-info"
"""
    path = make_sdist(artifacts, "q", "1.0", static=False, backend_code=code)
    assert installed(str(path)) == {"q": "1.0"}


def test_files_of_one_release_that_spell_it_differently_are_files_of_one_release(
    artifacts: Path, tmp_path: Path, index_server: Callable[..., IndexServer]
) -> None:
    make_wheel(artifacts, "pad", "2.0", tag="cp27-cp27m-win32")
    make_wheel(artifacts, "pad", "2.0.0", metadata="Summary: the one that fits\n")
    make_wheel(artifacts, "pad", "2", tag="cp26-cp26m-win32")
    assert installed("pad==2", index_url=index_server().url) == {"pad": "2.0.0"}
    elsewhere = tmp_path / "links"
    make_wheel(elsewhere, "pad", "2.0.0.0", tag="cp26-cp26m-win32")
    assert installed("pad", index_url=index_server().url, find_links=(str(elsewhere),)) == {"pad": "2.0.0"}


@pytest.mark.parametrize(
    ("told", "version"), [("1.0+cpu", "1.0"), ("1.0", "1.0+x"), ("1!1.0", "1.0"), ("1.0", "1.0.1")]
)
def test_other_versions_are_other_versions(told: str, version: str, artifacts: Path) -> None:
    with pytest.raises(MetadataError, match=r"version|metadata of|holds"):
        installed(str(renamed(make_wheel(artifacts, "pad", version), version, told)))
    with pytest.raises(MismatchError):
        installed(str(renamed(make_sdist(artifacts, "pad", version), version, told)))
