"""Pages of package indexes in the store, with the headers for asking again (RFC 9110 13, RFC 9111).

::

    index-v3/ab/<digest of the URL>.json
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

from pytest_fastenv.index.links_page import Links
from pytest_fastenv.index.page import Page
from pytest_fastenv.model.digest import key_of
from pytest_fastenv.store.buckets import RecordBucket, Remaking
from pytest_fastenv.store.store import Store

#: How long a page stands when its answer does not say.
DEFAULT_FRESHNESS_S = 600.0
_LONGEST_FRESHNESS_S = 24 * 3600.0
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?(\d{1,10})")


@dataclass(frozen=True, slots=True)
class KeptPage:
    """A page as it was last answered.

    :ivar url: its address, as it was asked for.
    :ivar content: what was read from it; ``None`` when there was no such page.
    :ivar asked_at: seconds since the epoch.
    :ivar conditions: request headers that make asking again cheap.
    """

    url: str
    content: Page | Links | None
    asked_at: float
    fresh_for_s: float
    conditions: Mapping[str, str]


PAGES = RecordBucket(
    name="index",
    version=3,
    about="pages of package indexes, and for how long they are good",
    remaking=Remaking.ASKED,
    record=KeptPage,
    projects=lambda page: (unquote(urlsplit(page.url).path).rstrip("/").rpartition("/")[2],),
)


class PageCache:
    """Pages by URL. Reading writes nothing; what cannot be read back counts as not there.

    :param upgrade: no page counts as fresh.
    :param offline: every page does.
    :param max_age_s: how old one may be at most that counts as fresh, whatever its index says.
    """

    def __init__(
        self,
        store: Store,
        *,
        upgrade: bool = False,
        offline: bool = False,
        max_age_s: float = math.inf,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._max_age_s = max_age_s
        self._store = store
        self._upgrade = upgrade
        self._offline = offline
        self._now = now

    def load(self, url: str) -> KeptPage | None:
        """Return what is kept of a page, fresh or not."""
        return self._store.read_record(PAGES, key_of(url))

    def is_fresh(self, kept: KeptPage) -> bool:
        """Tell whether a kept page may be used without asking. A page from the future is not fresh.

        That an index does not have a project is never fresh online: it may have it a moment later.
        """
        if self._offline:
            return True
        age_s = self._now() - kept.asked_at
        return kept.content is not None and not self._upgrade and 0 <= age_s < min(kept.fresh_for_s, self._max_age_s)

    def keep(self, url: str, content: Page | Links | None, headers: Mapping[str, str]) -> None:
        """Keep a page, unless its answer forbids that (``no-store``)."""
        control = headers.get("cache-control", "").lower()
        if "no-store" in control:
            return
        conditions = {}
        if headers.get("etag"):
            conditions["If-None-Match"] = headers["etag"]
        if headers.get("last-modified"):
            conditions["If-Modified-Since"] = headers["last-modified"]
        self._write(KeptPage(url, content, self._now(), _fresh_for_s(control, headers.get("age", "")), conditions))

    def renew(self, kept: KeptPage, headers: Mapping[str, str]) -> None:
        """Note that a kept page still stands (304)."""
        fresh_for_s = _fresh_for_s(headers.get("cache-control", "").lower(), headers.get("age", ""))
        self._write(replace(kept, asked_at=self._now(), fresh_for_s=fresh_for_s))

    def _write(self, kept: KeptPage) -> None:
        self._store.write_record(PAGES, key_of(kept.url), kept)


def _fresh_for_s(control: str, age: str) -> float:
    if "no-cache" in control:
        return 0.0
    match = _MAX_AGE.search(control)
    fresh_for_s = float(match[1]) if match else DEFAULT_FRESHNESS_S
    return min(max(fresh_for_s - (float(age) if age.isascii() and age.isdigit() else 0.0), 0.0), _LONGEST_FRESHNESS_S)
