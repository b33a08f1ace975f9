"""Pages of indexes and find-links locations: from the store where it has a fresh copy, else asked for."""

from __future__ import annotations

import math
from collections.abc import Callable

from pytest_fastenv.errors import IndexAnswerError, NotFoundError
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.index.answer import Answer
from pytest_fastenv.index.http import HttpClient
from pytest_fastenv.index.links_page import Links, LinksPage
from pytest_fastenv.index.local import local_index_page, local_links
from pytest_fastenv.index.page import Page
from pytest_fastenv.index.page_cache import PageCache
from pytest_fastenv.index.simple_html import anchors, parse_html
from pytest_fastenv.index.simple_json import parse_json
from pytest_fastenv.index.urls import shown

_JSON = "application/vnd.pypi.simple.v1+json"
_HTML = frozenset({"application/vnd.pypi.simple.v1+html", "text/html"})
#: Content types by preference (PEP 691).
_ACCEPT = f"{_JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
_STATUSES = frozenset({200, 304, 404, 410})
#: Larger pages are read in a thread, so that everything else goes on.
_LARGE_BYTES = 200 << 10


class Pages:
    """Reads pages; asks only for those that are not kept or not fresh any more.

    :ivar oldest_at: when the oldest of the kept pages was asked for that were used instead of asking (seconds since the
        epoch); infinite where all were asked for now.
    """

    def __init__(self, http: HttpClient, cache: PageCache) -> None:
        self._http = http
        self._cache = cache
        self.oldest_at = math.inf

    async def project(self, location: str, name: str) -> Page | None:
        """Return an index's page of a project; ``None`` when the index does not have it.

        :param location: the index's URL, with a slash at the end.
        :param name: normalized.
        """
        if location.startswith("file:"):
            return await in_thread(local_index_page, location, name)

        def read(answer: Answer) -> Page:
            return parse_page(answer, name=name, location=location)

        found = await self._ask(f"{location}{name}/", read)
        return found if isinstance(found, Page) else None

    async def links(self, location: str) -> LinksPage | None:
        """Return what a find-links location lists; ``None`` when it is not there."""
        if location.startswith("file:"):
            return await in_thread(local_links, location)

        def read(answer: Answer) -> Links:
            if answer.content_type not in _HTML:
                raise _not_an_index(answer)
            return LinksPage(*anchors(answer.content, url=answer.url, charset=_charset(answer))).record()

        found = await self._ask(location, read)
        return LinksPage.from_record(found) if isinstance(found, Links) else None

    def kept(self, location: str, name: str) -> Page | None:
        """Return what is kept of an index's page, however old; makes no request."""
        kept = self._cache.load(f"{location}{name}/")
        return kept.content if kept is not None and isinstance(kept.content, Page) else None

    async def _ask(self, url: str, read: Callable[[Answer], Page | Links]) -> Page | Links | None:
        kept = self._cache.load(url)
        if kept is not None and self._cache.is_fresh(kept):
            self.oldest_at = min(self.oldest_at, kept.asked_at)
            return kept.content
        conditions = kept.conditions if kept is not None and kept.content is not None else {}
        answer = await self._http.get(url, headers={"Accept": _ACCEPT, **conditions}, statuses=_STATUSES)
        if answer.status == 304:
            if kept is None or kept.content is None:
                raise NotFoundError(f"{shown(url)} answers 304 to a question without conditions")
            await in_thread(self._cache.renew, kept, answer.headers)
            return kept.content

        def take() -> Page | Links | None:
            page = read(answer) if answer.status == 200 else None
            self._cache.keep(url, page, answer.headers)
            return page

        return await in_thread(take) if len(answer.content) > _LARGE_BYTES else take()


def parse_page(answer: Answer, *, name: str, location: str) -> Page:
    """Read a project page by its content type.

    :raises IndexAnswerError: it is no page of the Simple API.
    """
    if answer.content_type == _JSON:
        return parse_json(answer.content, name=name, url=answer.url, location=location)
    if answer.content_type in _HTML:
        return parse_html(answer.content, name=name, url=answer.url, location=location, charset=_charset(answer))
    raise _not_an_index(answer)


def _charset(answer: Answer) -> str:
    parameters = answer.headers.get("content-type", "").lower()
    return parameters.partition("charset=")[2].partition(";")[0].strip("\"' ") or "utf-8"


def _not_an_index(answer: Answer) -> IndexAnswerError:
    first = answer.content[:60].decode("utf-8", "replace")
    return IndexAnswerError(
        f"{shown(answer.url)} does not answer as a package index does",
        why=f"content type {answer.content_type or 'missing'}; it begins with {first!r}",
        hint="check the index URL: it should be the root of a Simple API",
    )
