"""What an index lists for one project, in a form that is quick to make, to keep and to read back.

A page of a large project has thousands of files of hundreds of versions, of which a resolution looks at a few. So the
files stay lines of text, grouped by version, and become `Artifact` values when a version is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote, urljoin

from pytest_fastenv.index.urls import split_login
from pytest_fastenv.model.artifact import Artifact, Hashes
from pytest_fastenv.wheel.filenames import ProjectFiles, parsed_version


class Listed(NamedTuple):
    """One file as a page shows it. No field has tabs or line breaks: see `one_line`.

    :ivar url: absolute or relative to the page, without fragment.
    :ivar hashes: ``algorithm=hex``, several joined by commas, or empty.
    :ivar yanked: the reason, or ``None``.
    :ivar metadata: hashes of the metadata file in the same form, empty when there is one without, ``None`` for none.
    :ivar filename: what the page calls the file; it counts where the URL does not end in an artifact's name.
    """

    url: str
    hashes: str = ""
    requires_python: str = ""
    yanked: str | None = None
    metadata: str | None = None
    size_bytes: int | None = None
    upload_time: str = ""
    filename: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """A project's status at its index (PEP 792).

    :ivar marker: ``active``, ``archived``, ``quarantined`` or ``deprecated``.
    :ivar reason: free text of the index, may be empty.
    """

    marker: str = "active"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A project's files at one place.

    :ivar location: the index or find-links location, without credentials.
    :ivar rows: lines of files by canonical version, newest version first.
    :ivar foreign: the first file of another project that was listed, else empty.
    :ivar newer_api: the minor version of the Simple API when it is newer than what is known here.
    """

    location: str
    rows: Mapping[str, str]
    status: Status = Status()
    foreign: str = ""
    newer_api: str = ""

    def artifacts(self, name: str, version: str) -> tuple[Artifact, ...]:
        """Return the files of one version in the order listed."""
        rows = self.rows.get(version)
        return tuple(_artifact(row, name, version, self.location) for row in rows.split("\n")) if rows else ()


@dataclass(slots=True)
class PageBuilder:
    """Collects what a parser finds on a page.

    :param name: normalized name of the project.
    :param url: what relative URLs are relative to: the page's own address after redirects, or its ``<base>``.
    """

    name: str
    url: str
    status: Status = Status()
    newer_api: str = ""
    foreign: str = ""
    _rows: dict[str, list[str]] = field(default_factory=dict)
    _directories: dict[str, str] = field(default_factory=dict)
    _files: ProjectFiles = field(init=False)

    def __post_init__(self) -> None:
        self._files = ProjectFiles(self.name)

    def add(self, listed: Listed) -> None:
        """Take one file in, or leave it out when its name is not that of an artifact of the project."""
        url = listed.url
        filename, called = _filename(url), ""
        version, verdict = self._files.version(filename)
        if version is None and verdict == "implausible" and listed.filename not in {"", filename}:
            filename = called = listed.filename
            version, verdict = self._files.version(filename)
        if version is None:
            if verdict == "foreign" and not self.foreign:
                self.foreign = filename
            return
        if "@" in url:
            url = split_login(url)[0]  # pages are kept, and read with other logins too
        if not url.startswith(("https://", "http://", "file:")):
            url = self._absolute(url)
        if url[:5].lower() == "file:" and not self.url.startswith("file:"):
            return  # a page from elsewhere has no say about which files of this machine are read
        rows = self._rows.get(version)
        if rows is None:
            rows = self._rows[version] = []
        rows.append(_row(url, listed, called))

    def _absolute(self, url: str) -> str:
        """Join a relative URL; a page's URLs share few directories, and joining is slow."""
        directory, slash, rest = url.rpartition("/")
        if "?" in directory or not slash:
            return urljoin(self.url, url)
        base = self._directories.get(directory)
        if base is None:
            base = self._directories[directory] = urljoin(self.url, f"{directory}/")
        return base + rest

    def page(self, location: str) -> Page:
        """Return the page, versions newest first."""
        rows = {version: "\n".join(self._rows[version]) for version in newest_first(self._rows)}
        return Page(location, rows, self.status, self.foreign, self.newer_api)


def newest_first(versions: Any) -> list[str]:
    """Sort canonical versions, newest first (PEP 440)."""
    return sorted(versions, key=parsed_version, reverse=True)


def one_line(text: str) -> str:
    """Return a text without tabs and line breaks."""
    return text if text.isprintable() else " ".join(text.split())


def one_address(text: str) -> str:
    """Return a URL without tabs and line breaks, as browsers and pip read it."""
    return text if text.isprintable() else text.strip().translate(_NOT_IN_ADDRESSES)


def _filename(url: str) -> str:
    name = url[url.rfind("/") + 1 :] if "?" not in url else url.partition("?")[0].rpartition("/")[2]
    return unquote(name) if "%" in name else name


def _row(url: str, listed: Listed, filename: str) -> str:
    _, hashes, requires_python, yanked, metadata, size_bytes, upload_time, _ = listed
    yanked = "-" if yanked is None else f"+{yanked}"
    metadata = "-" if metadata is None else f"+{metadata}"
    return f"{url}\t{hashes}\t{requires_python}\t{yanked}\t{metadata}\t{size_bytes or ''}\t{upload_time}\t{filename}"


def _artifact(row: str, name: str, version: str, location: str) -> Artifact:
    url, hashes, requires_python, yanked, metadata, size, upload_time, filename = row.split("\t")
    return Artifact(
        name=name,
        version=version,
        filename=filename or _filename(url),
        url=url,
        hashes=_hashes(hashes),
        size_bytes=int(size) if size else None,
        requires_python=requires_python or None,
        yanked=None if yanked == "-" else yanked[1:],
        metadata=None if metadata == "-" else _hashes(metadata[1:]),
        index_url=location,
        upload_time=upload_time or None,
    )


def _hashes(text: str) -> Hashes:
    if not text:
        return _NO_HASHES
    if text.startswith("sha256=") and "," not in text:
        return Hashes(((("sha256", text[7:]),),))
    pairs = (pair.partition("=") for pair in text.split(","))
    return Hashes.of((algorithm, digest) for algorithm, _, digest in pairs)


_NO_HASHES = Hashes()
_NOT_IN_ADDRESSES = dict.fromkeys(map(ord, "\t\r\n"))
