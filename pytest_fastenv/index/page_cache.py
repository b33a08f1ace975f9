"""Pages of package indexes in the store, with what it takes to ask for them again (RFC 9110 13, RFC 9111)."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_fastenv.index.page import RECORD_FORMAT
from pytest_fastenv.store.buckets import Bucket
from pytest_fastenv.store.store import Store

#: How long a page stands when its answer does not say.
DEFAULT_FRESHNESS_S = 600.0
_LONGEST_FRESHNESS_S = 24 * 3600.0
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?(\d{1,10})")


@dataclass(frozen=True, slots=True)
class KeptPage:
    """A page as it was last answered.

    :ivar content: what was read from it, as a JSON value; ``None`` when there was no such page.
    :ivar asked_at: seconds since the epoch.
    :ivar conditions: request headers that make asking again cheap.
    """

    content: dict[str, Any] | None
    asked_at: float
    fresh_for_s: float
    conditions: Mapping[str, str]


class PageCache:
    """Pages by URL. Reading writes nothing; what cannot be read back counts as not there.

    :param upgrade: nothing is fresh.
    :param offline: everything is.
    """

    def __init__(
        self, store: Store, *, upgrade: bool = False, offline: bool = False, now: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._upgrade = upgrade
        self._offline = offline
        self._now = now

    def load(self, url: str) -> KeptPage | None:
        """Return what is kept of a page, fresh or not."""
        record = self._store.read_record(Bucket.INDEX, _key(url))
        if record is None or record.get("format") != RECORD_FORMAT or record.get("url") != url:
            return None
        try:
            return KeptPage(
                record["content"], float(record["asked_at"]), float(record["fresh_for_s"]), record["conditions"]
            )
        except (KeyError, TypeError, ValueError):
            return None

    def is_fresh(self, kept: KeptPage) -> bool:
        """Tell whether a kept page may be used without asking. A page from the future is not fresh.

        That an index does not have a project is never fresh online: it may have it a moment later.
        """
        if self._offline:
            return True
        age_s = self._now() - kept.asked_at
        return kept.content is not None and not self._upgrade and 0 <= age_s < kept.fresh_for_s

    def keep(self, url: str, content: dict[str, Any] | None, headers: Mapping[str, str]) -> None:
        """Keep a page, unless its answer forbids that (``no-store``)."""
        control = headers.get("cache-control", "").lower()
        if "no-store" in control:
            return
        conditions = {}
        if headers.get("etag"):
            conditions["If-None-Match"] = headers["etag"]
        if headers.get("last-modified"):
            conditions["If-Modified-Since"] = headers["last-modified"]
        self._write(url, KeptPage(content, self._now(), _fresh_for_s(control, headers.get("age", "")), conditions))

    def renew(self, url: str, kept: KeptPage, headers: Mapping[str, str]) -> None:
        """Note that a kept page still stands (304)."""
        fresh_for_s = _fresh_for_s(headers.get("cache-control", "").lower(), headers.get("age", ""))
        self._write(url, replace(kept, asked_at=self._now(), fresh_for_s=fresh_for_s))

    def _write(self, url: str, kept: KeptPage) -> None:
        record: dict[str, Any] = {
            "format": RECORD_FORMAT,
            "url": url,
            "asked_at": kept.asked_at,
            "fresh_for_s": kept.fresh_for_s,
            "conditions": dict(kept.conditions),
            "content": kept.content,
        }
        self._store.write_record(Bucket.INDEX, _key(url), record)


def _key(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()


def _fresh_for_s(control: str, age: str) -> float:
    if "no-cache" in control:
        return 0.0
    match = _MAX_AGE.search(control)
    fresh_for_s = float(match[1]) if match else DEFAULT_FRESHNESS_S
    return min(max(fresh_for_s - (float(age) if age.isascii() and age.isdigit() else 0.0), 0.0), _LONGEST_FRESHNESS_S)
