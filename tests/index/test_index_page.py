"""What a page may list, whatever it is written in."""

from __future__ import annotations

import json

import pytest

from pytest_fastenv.index.links_page import LinksPage
from pytest_fastenv.index.simple_html import anchors, parse_html
from pytest_fastenv.index.simple_json import parse_json

NAME = "a-1.0-py3-none-any.whl"
HERE = ["file:///etc/a-1.0-py3-none-any.whl", "FILE:///etc/a-1.0-py3-none-any.whl", "file:a-1.0-py3-none-any.whl"]


def listed(url: str, page: str, base: str = "") -> list[list[str]]:
    """Return what is found of a link in each kind of page at a URL."""
    html = f'<html><head>{base}</head><body><a href="{url}">x</a></body></html>'.encode()
    files = [{"filename": NAME, "url": url, "hashes": {}}]
    value = json.dumps({"meta": {"api-version": "1.0"}, "name": "a", "files": files}).encode()
    pages = [parse_html(html, name="a", url=page, location=page), parse_json(value, name="a", url=page, location=page)]
    links = LinksPage(*anchors(html, url=page)).project("a", page)
    found = [*pages, links] if links is not None else pages
    return [[artifact.url for artifact in page.artifacts("a", "1.0")] if page.rows else [] for page in found]


@pytest.mark.parametrize("url", HERE)
def test_a_page_from_elsewhere_lists_no_files_of_this_machine(url: str) -> None:
    assert not any(listed(url, "https://h.invalid/simple/a/"))
    assert listed("https://h.invalid/" + NAME, "https://h.invalid/simple/a/") == 3 * [["https://h.invalid/" + NAME]]


@pytest.mark.parametrize("base", ["file:///etc/", "FILE:///etc/"])
def test_a_base_on_this_machine_is_none_for_a_page_from_elsewhere(base: str) -> None:
    found = listed(NAME, "https://h.invalid/simple/a/", f'<base href="{base}">')
    assert found == 3 * [["https://h.invalid/simple/a/" + NAME]]


def test_a_page_of_this_machine_lists_its_files() -> None:
    assert listed(HERE[0], "file:///srv/simple/a/") == 3 * [[HERE[0]]]
