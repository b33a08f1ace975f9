"""What a find-links location lists: artifacts of any projects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from pytest_fastenv.index.page import Listed, Page, PageBuilder
from pytest_fastenv.wheel.filenames import parse_filename


@dataclass(frozen=True, slots=True)
class Links:
    """Links to artifacts as they are kept.

    :ivar url: what relative links are relative to.
    """

    url: str
    links: tuple[Listed, ...]


class LinksPage:
    """Artifacts by project; links to anything else are left out.

    :param url: what relative links are relative to.
    """

    def __init__(self, url: str, links: Iterable[Listed]) -> None:
        self._url = url
        self._by_name: dict[str, list[Listed]] = {}
        for listed in links:
            parsed = parse_filename(unquote(listed.url.partition("?")[0].rpartition("/")[2]))
            if parsed is not None:
                self._by_name.setdefault(parsed.name, []).append(listed)

    @property
    def names(self) -> frozenset[str]:
        """The projects it has something of, normalized."""
        return frozenset(self._by_name)

    def project(self, name: str, location: str) -> Page | None:
        """Return the files of one project, ``None`` when there are none."""
        files = self._by_name.get(name)
        if not files:
            return None
        draft = PageBuilder(name, self._url)
        for listed in files:
            draft.add(listed)
        return draft.page(location)

    def record(self) -> Links:
        """Return it as it is kept."""
        return Links(self._url, tuple(listed for files in self._by_name.values() for listed in files))

    @classmethod
    def from_record(cls, record: Links) -> LinksPage:
        """Read what `record` gave."""
        return cls(record.url, record.links)
