from __future__ import annotations

from typing import Any

import pytest
from kit.damage import damaged

from pytest_fastenv.index.page import Listed, Page, PageBuilder, Status
from pytest_fastenv.index.page_cache import PAGES, PageCache
from pytest_fastenv.store.store import Store

URL = "https://h.invalid/simple/a/"


def page() -> Page:
    draft = PageBuilder("a", URL, status=Status("archived", "x"))
    draft.add(Listed("a-1.tar.gz", "sha256=" + "0" * 64, ">=3", "", None, 5, "t"))
    draft.add(Listed("a-2-py3-none-any.whl", "sha512=ab,sha256=cd", "", None, "", None, ""))
    draft.add(Listed("b-1.tar.gz"))
    return draft.page("https://h.invalid/simple/")


class Now:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def cached(store: Store, headers: dict[str, str], now: Now, content: Any = None, **options: bool) -> PageCache:
    cache = PageCache(store, now=now, **options)
    cache.keep(URL, content or page(), headers)
    return cache


def test_a_page_comes_back_the_same(store: Store) -> None:
    cached(store, {}, Now())
    kept = PageCache(store).load(URL)
    assert kept is not None
    assert kept.content is not None
    again = kept.content
    assert isinstance(again, Page)
    assert again == page()
    assert [again.artifacts("a", v) for v in again.rows] == [page().artifacts("a", v) for v in page().rows]


@pytest.mark.parametrize(
    ("headers", "fresh_for_s"),
    [
        ({}, 600),
        ({"cache-control": "public, max-age=60"}, 60),
        ({"cache-control": "MAX-AGE=60", "age": "20"}, 40),
        ({"cache-control": "max-age=99999999"}, 86400),
        ({"cache-control": "no-cache, max-age=60"}, 0),
        ({"cache-control": "s-maxage=5"}, 600),
    ],
)
def test_freshness(store: Store, headers: dict[str, str], fresh_for_s: float) -> None:
    now = Now()
    cache = cached(store, headers, now)
    kept = cache.load(URL)
    assert kept is not None
    now.time += fresh_for_s
    assert not cache.is_fresh(kept)
    now.time -= 1
    assert cache.is_fresh(kept) is (fresh_for_s > 0)
    now.time = 999
    assert not cache.is_fresh(kept), "a page from the future"


def test_upgrade_and_offline(store: Store) -> None:
    now = Now()
    kept = cached(store, {}, now).load(URL)
    assert kept is not None
    assert not PageCache(store, upgrade=True, now=now).is_fresh(kept)
    now.time += 10**9
    assert PageCache(store, offline=True, now=now).is_fresh(kept)


def test_conditions_and_renewal(store: Store) -> None:
    now = Now()
    cache = cached(store, {"etag": '"x"', "last-modified": "then"}, now)
    kept = cache.load(URL)
    assert kept is not None
    assert kept.conditions == {"If-None-Match": '"x"', "If-Modified-Since": "then"}
    now.time += 700
    cache.renew(kept, {"cache-control": "max-age=5"})
    again = cache.load(URL)
    assert again is not None
    assert cache.is_fresh(again)
    assert (again.conditions, again.content) == (kept.conditions, kept.content)


def test_no_store_is_respected(store: Store) -> None:
    assert cached(store, {"cache-control": "no-store"}, Now()).load(URL) is None


def test_an_absent_project_is_fresh_offline_only(store: Store) -> None:
    now = Now()
    cache = PageCache(store, now=now)
    cache.keep(URL, None, {})
    kept = cache.load(URL)
    assert kept is not None
    assert not cache.is_fresh(kept)
    assert PageCache(store, offline=True, now=now).is_fresh(kept)


@pytest.mark.parametrize(("max_age_s", "is_fresh"), [(0.0, False), (30.0, True), (10.0, False)])
def test_no_page_is_older_than_what_it_is_asked_for_may_be(store: Store, max_age_s: float, is_fresh: bool) -> None:
    """Even where the index allows more: an age of nothing means that the index is asked."""
    now = Now()
    cached(store, {"cache-control": "max-age=600"}, now)
    now.time += 20
    cache = PageCache(store, max_age_s=max_age_s, now=now)
    kept = cache.load(URL)
    assert kept is not None
    assert cache.is_fresh(kept) is is_fresh


def test_a_damaged_page_is_not_there(store: Store) -> None:
    cache = cached(store, {"etag": '"x"'}, Now())
    (file,) = (store.root / PAGES.directory).glob("*/*.json")
    for damage in damaged(file):
        assert cache.load(URL) is None, damage
    assert cache.load(URL) is not None
