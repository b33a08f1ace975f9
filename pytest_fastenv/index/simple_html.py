"""Project pages in HTML (PEP 503, with 592, 629, 658, 714 and 792), and find-links pages, which look the same.

Pages have up to megabytes: anchors are taken out with regular expressions, which is an order of magnitude quicker than
a full parser and gives the same for every anchor that a browser would see as one. The tests compare the two.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from html import unescape
from urllib.parse import urljoin

from pytest_fastenv.errors import IndexAnswerError
from pytest_fastenv.index.page import Listed, Page, PageBuilder, Status, one_address, one_line
from pytest_fastenv.index.urls import shown

# Possessive quantifiers, and no "<" outside quotes: input that was made to take long is given up at once.
_TAG = r"<{}(?=[\s/>])((?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+)>"
#: An anchor as nearly all indexes write it, or any other; the first kind is quicker to take apart.
_FILE = re.compile(
    r"<[aA](?: href=\"([^\"#&\s<>]++)(?:#(sha256=[0-9a-f]{64}))?\"((?: data-[a-z-]++=\"[^\"\t\r\n]*+\")*+)>|"
    + _TAG.format("").removeprefix("<")
    + ")"
)
_META = re.compile(_TAG.format("meta"), re.IGNORECASE)
_BASE = re.compile(_TAG.format("base"), re.IGNORECASE)
_ATTRIBUTE = re.compile(r"([^\s\"'<>/=]++)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>\"'][^\s>]*+)))?+")
_HIDDEN = re.compile(r"<!--.*?(?:-->|\Z)|<(script|style|title|textarea)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_FRAGMENT_HASH = re.compile(r"(?:^|&)([a-z0-9_]+)=([0-9a-f]{32,128})(?=&|$)", re.IGNORECASE)
_DATA = re.compile(r" (data-[a-z-]++)=\"([^\"]*+)")
_API_MAJOR = 1
_API_MINOR = 4


def parse_html(content: bytes, *, name: str, url: str, location: str, charset: str = "utf-8") -> Page:
    """Read a page's files.

    :param name: normalized name of the project whose files are wanted.
    :param url: where the page came from, for relative links.
    :param location: the index or find-links location the page belongs to.
    :param charset: as the answer's content type says.
    :raises IndexAnswerError: the page is of a Simple API version that is not known (PEP 629).
    """
    text = _visible(content, charset)
    head = _head(text)
    draft = PageBuilder(name, _base(head, url))
    _read_meta(head, draft, url)
    for listed in _files(text):
        draft.add(listed)
    return draft.page(location)


def anchors(content: bytes, *, url: str, charset: str = "utf-8") -> tuple[str, list[Listed]]:
    """Return what a page's relative links are relative to, and all its links."""
    text = _visible(content, charset)
    return _base(_head(text), url), list(_files(text))


@functools.lru_cache(maxsize=4096)
def _unescaped(value: str) -> str:
    return one_line(unescape(value))


def _files(text: str) -> Iterator[Listed]:
    for url, sha256, data, other in _FILE.findall(text):
        if url:
            pairs = _DATA.findall(data)
            if "&" in data:
                pairs = [(name, _unescaped(value)) for name, value in pairs]
            yield _listed(url, sha256, dict(reversed(pairs)))
            continue
        attributes = _attributes(other)
        address, _, fragment = one_address(attributes.get("href", "").strip()).partition("#")
        if address:
            yield _listed(address, _hashes(fragment), attributes)


def _visible(content: bytes, charset: str) -> str:
    """Return a page's text without comments and what is no markup."""
    text = _text(content, charset)
    if any(mark in text for mark in ("<!--", "<script", "<style", "<textarea")):
        text = _HIDDEN.sub(" ", text)
    return text


def _head(text: str) -> str:
    first = text.find("<a ")
    return text if first < 0 else text[:first]


def _base(head: str, url: str) -> str:
    """Return what relative links are relative to: for a page from elsewhere never a place on this machine."""
    base = _BASE.search(head)
    named = urljoin(url, _attributes(base[1]).get("href", "")) if base else url
    return url if named[:5].lower() == "file:" and not url.startswith("file:") else named


def _text(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset, "replace")
    except LookupError:
        return content.decode("utf-8", "replace")


def _attributes(text: str) -> dict[str, str]:
    """Return a tag's attributes, names in lower case; the first of a name counts."""
    found: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(text):
        value = double or single or bare
        key = name.lower()
        if key == "href":
            found.setdefault(key, unescape(value))
        else:
            found.setdefault(key, _unescaped(value) if "&" in value else one_line(value))
    return found


def _listed(url: str, hashes: str, attributes: Mapping[str, str]) -> Listed:
    get = attributes.get
    metadata = get("data-core-metadata")  # PEP 714: counts before the older name
    if metadata is None:
        metadata = get("data-dist-info-metadata")
    if metadata is not None:
        metadata = None if metadata == "false" else _hashes(metadata)
    requires_python, yanked = get("data-requires-python", ""), get("data-yanked")
    return Listed(url, hashes, requires_python, yanked, metadata, None, get("data-upload-time", ""))


def _hashes(text: str) -> str:
    return ",".join(f"{algorithm.lower()}={digest.lower()}" for algorithm, digest in _FRAGMENT_HASH.findall(text))


def _read_meta(head: str, draft: PageBuilder, url: str) -> None:
    marker = reason = ""
    for tag in _META.finditer(head):
        attributes = _attributes(tag[1])
        content = attributes.get("content", "")
        match attributes.get("name", "").lower():
            case "pypi:repository-version":
                draft.newer_api = newer_api(content, url)
            case "pypi:project-status":
                marker = content.strip().lower()
            case "pypi:project-status-reason":
                reason = content.strip()
    if marker:
        draft.status = Status(marker, reason)


def newer_api(version: str, url: str) -> str:
    """Check the version of the Simple API that a page names; return it when its minor part is newer than ours.

    :raises IndexAnswerError: the major part is another one, or it is no version at all (PEP 629).
    """
    match = re.fullmatch(r"(\d{1,9})\.(\d{1,9})", version.strip())
    if match is None or int(match[1]) != _API_MAJOR:
        raise IndexAnswerError(
            f"{shown(url)} speaks version {version!r} of the Simple API",
            why=f"versions {_API_MAJOR}.x are understood",
            hint="a newer pytest-fastenv may understand it",
        )
    return version.strip() if int(match[2]) > _API_MINOR else ""
