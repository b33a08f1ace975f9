from __future__ import annotations

from pathlib import Path

import pytest
from kit.archives import make_sdist, make_wheel

from pytest_fastenv.index.links_page import LinksPage
from pytest_fastenv.index.local import local_index_page, local_links, local_project_names
from pytest_fastenv.index.urls import file_url


@pytest.fixture
def index(tmp_path: Path) -> Path:
    directory = tmp_path / "an index#1"
    directory.mkdir()
    return directory


def test_a_directory_of_projects_without_pages(index: Path) -> None:
    (index / "My_Project").mkdir()
    wheel = make_wheel(index / "My_Project", "my-project")
    (index / "My_Project" / "notes.txt").touch()
    page = local_index_page(file_url(index, directory=True), "my-project")
    assert page is not None
    (artifact,) = page.artifacts("my-project", "1.0")
    assert artifact.url == file_url(wheel)
    assert artifact.size_bytes == wheel.stat().st_size


def test_a_directory_of_projects_with_pages(index: Path) -> None:
    (index / "files").mkdir()
    wheel = make_wheel(index / "files", "a")
    (index / "simple" / "a").mkdir(parents=True)
    link = f'<a href="../../files/{wheel.name}#sha256={"0" * 64}">a</a>'
    (index / "simple" / "a" / "index.html").write_text(link)
    page = local_index_page(file_url(index / "simple", directory=True), "a")
    assert page is not None
    (artifact,) = page.artifacts("a", "1.0")
    assert artifact.url == file_url(wheel)
    assert artifact.hashes.sha256 == "0" * 64


def test_what_is_not_there(index: Path) -> None:
    location = file_url(index, directory=True)
    (index / "a").touch()
    assert local_index_page(location, "a") is None
    assert local_index_page(f"{location}gone/", "b") is None
    assert local_project_names(location) == ["a"]
    assert local_project_names(f"{location}gone/") == []


def test_find_links(index: Path) -> None:
    wheel = make_wheel(index, "a")
    sdist = make_sdist(index, "a", "2.0")
    (index / "links.html").write_text(f'<a href="{wheel.name}">a</a><a href="https://h.invalid/b-1.tar.gz">b</a>')
    everything = local_links(file_url(index, directory=True))
    assert everything is not None
    page = everything.project("a", "x")
    assert page is not None
    assert list(page.rows) == ["2.0", "1.0"]
    assert everything.project("b", "x") is None
    listed = local_links(file_url(index / "links.html"))
    assert listed is not None
    assert listed.names == {"a", "b"}
    one = local_links(file_url(sdist))
    assert one is not None
    assert one.names == {"a"}
    assert local_links(file_url(index / "gone")) is None
    assert LinksPage.from_record(listed.record()).record() == listed.record()
