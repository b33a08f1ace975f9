"""Parts of files by range requests (RFC 9110 14)."""

from __future__ import annotations

import re
from typing import NamedTuple

from pytest_fastenv.index.http import HttpClient
from pytest_fastenv.index.retry import retry

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


class Range(NamedTuple):
    """A part of a file, where it begins, and the file's whole size in bytes."""

    begin: int
    content: bytes
    size_bytes: int


async def fetch_range(http: HttpClient, url: str, begin: int, end: int | None) -> Range | None:
    """Fetch ``[begin, end)``, or the last ``-begin`` bytes when `end` is ``None``.

    :returns: ``None`` when the server does not answer with exactly that part: it sends the whole file (whose body is
        then not read), another part, or nothing.
    :raises NetworkError: the request failed.
    """
    wanted = f"bytes={begin}" if end is None else f"bytes={begin}-{end - 1}"

    async def attempt() -> Range | None:
        statuses = frozenset({200, 206, 416, 501})
        async with http.limit, http.stream(url, headers={"Range": wanted}, statuses=statuses) as response:
            match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
            if response.status_code != 206 or match is None:
                return None
            first, last, size = map(int, match.groups())
            content = await http.body(response, url)
        fits = first == (max(size + begin, 0) if end is None else begin) and last == min(end or size, size) - 1
        return Range(first, content, size) if fits and len(content) == last - first + 1 else None

    return await retry(attempt, retries=http.network.retries, clock=http.clock)
