"""Indexes and find-links locations on this machine's disks.

All functions block; they are called in a thread where what they read may be large.
"""

from __future__ import annotations

import os
from pathlib import Path

from pytest_fastenv.filesystem.observations import observe
from pytest_fastenv.filesystem.walks import names_in
from pytest_fastenv.index.links_page import LinksPage
from pytest_fastenv.index.page import Listed, Page, PageBuilder
from pytest_fastenv.index.simple_html import anchors, parse_html
from pytest_fastenv.index.urls import file_url, local_path
from pytest_fastenv.model.observation import Observation
from pytest_fastenv.wheel.filenames import normalized, parse_filename


def local_index_page(location: str, name: str) -> Page | None:
    """Read a project's page of a ``file:`` index: ``<project>/index.html``, else the files in ``<project>/``.

    :param location: URL of the index's directory, with a slash at the end.
    :returns: ``None`` when the index does not have the project.
    """
    directory = _project_directory(local_path(location), name)
    if directory is None:
        return None
    page = directory / "index.html"
    if os.path.isfile(page):
        return parse_html(page.read_bytes(), name=name, url=file_url(page), location=location)
    draft = PageBuilder(name, file_url(directory, directory=True))
    for listed in directory_files(directory):
        draft.add(listed)
    return draft.page(location)


def is_directory_there(location: str) -> bool:
    """Tell whether the directory that a ``file:`` URL names is there; no more is asked of the system."""
    return os.path.isdir(local_path(location))


def look_at_links(url: str) -> list[Observation]:
    """Return what a find-links location on disk is now, for a later run to compare; nothing where it is a server's."""
    if not url.startswith("file:"):
        return []
    path = local_path(url)
    if os.path.isdir(path):
        return [observe("listing", path)]
    return [observe("file" if path.suffix.lower() in {".html", ".htm"} else "presence", path)]


def look_at_index(location: str, name: str) -> list[Observation]:
    """Return what an index on disk has of a project now, likewise."""
    if not location.startswith("file:"):
        return []
    index = local_path(location)
    directory = _project_directory(index, name)
    if directory is None:
        return [observe("names", index)]
    page = directory / "index.html"
    return [observe("file", page) if os.path.isfile(page) else observe("listing", directory)]


def local_project_names(location: str) -> list[str]:
    """Return the projects of a ``file:`` index; empty when it is not there."""
    return [normalized(entry) for entry in names_in(local_path(location))]


def directory_files(directory: Path) -> list[Listed]:
    """Return the artifacts in a directory, by name."""
    with os.scandir(directory) as entries:
        names = sorted(entry.name for entry in entries if entry.is_file())
    return [
        Listed(file_url(directory / name), size_bytes=os.path.getsize(directory / name))
        for name in names
        if parse_filename(name) is not None
    ]


def local_links(url: str) -> LinksPage | None:
    """Read a find-links location: a directory, an HTML page or one artifact; ``None`` when there is no such thing."""
    path = local_path(url)
    if os.path.isdir(path):
        return LinksPage(url, directory_files(path))
    if path.suffix.lower() in {".html", ".htm"} and os.path.isfile(path):
        return LinksPage(*anchors(path.read_bytes(), url=url))
    return LinksPage(url, [Listed(url)]) if os.path.isfile(path) and parse_filename(path.name) is not None else None


def _project_directory(index: Path, name: str) -> Path | None:
    """Find a project's directory; directories need not be named in normalized form."""
    directory = index / name
    if os.path.isdir(directory):
        return directory
    candidates = [entry for entry in names_in(index) if normalized(entry) == name]
    return next((index / entry for entry in sorted(candidates) if os.path.isdir(index / entry)), None)
