"""The artifacts of a directory as a package index shows them (PEP 503, PEP 658, PEP 691, PEP 700)."""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
import tarfile
import threading
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from urllib.parse import quote

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "application/vnd.pypi.simple.v1+html"

_SDIST_ENDINGS = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True)
class Entry:
    """One artifact: everything an index tells about it."""

    filename: str
    version: str
    sha256: str
    size_bytes: int
    requires_python: str | None
    metadata: bytes | None

    @property
    def metadata_sha256(self) -> str | None:
        """Digest of the metadata file, if there is one."""
        return None if self.metadata is None else hashlib.sha256(self.metadata).hexdigest()


def normalized(name: str) -> str:
    """Return a project name in normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def split_filename(filename: str) -> tuple[str, str] | None:
    """Return normalized name and version that a file name tells, or ``None`` if it is no artifact."""
    if filename.endswith(".whl"):
        name, version, *_ = filename[:-4].split("-")
        return normalized(name), version
    for ending in _SDIST_ENDINGS:
        if filename.endswith(ending):
            name, _, version = filename[: -len(ending)].rpartition("-")
            return (normalized(name), version) if name else None
    return None


class Catalogue:
    """Looks at the directory again for each page, so files may be added and changed while the server runs."""

    def __init__(self, directory: Path, *, yanked: Mapping[str, str], metadata_files: bool) -> None:
        self.directory = directory
        self.yanked = yanked
        self.metadata_files = metadata_files
        self._lock = threading.Lock()
        self._stamp = -1
        self._names: dict[str, list[str]] = {}
        self._entries: dict[tuple[str, int, int], Entry] = {}

    def names(self) -> list[str]:
        """Return the normalized names of all projects."""
        return sorted(self._listing())

    def entries(self, name: str) -> list[Entry]:
        """Return a project's artifacts, ordered by file name; empty when there is no such project."""
        return [self.entry(filename) for filename in self._listing().get(name, ())]

    def entry(self, filename: str) -> Entry:
        """Return one artifact; its file is read once as long as size and time stay."""
        path = self.directory / filename
        status = path.stat()
        key = (filename, status.st_size, status.st_mtime_ns)
        found = self._entries.get(key)
        if found is None:
            found = self._entries[key] = _read(path)
        return found

    def page(self, name: str, flavour: str) -> bytes | None:
        """Return a project's page, or ``None`` when there is no such project."""
        entries = self.entries(name)
        if not entries:
            return None
        return self._json(name, entries) if flavour == "json" else self._html(name, entries)

    def root(self, flavour: str) -> bytes:
        """Return the page that lists all projects."""
        names = self.names()
        if flavour == "json":
            answer = {"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in names]}
            return json.dumps(answer).encode()
        links = "".join(f'<a href="/simple/{name}/">{name}</a>\n' for name in names)
        return f"<!DOCTYPE html><html><body>\n{links}</body></html>\n".encode()

    def links(self) -> bytes:
        """Return a flat page of links to all files, as find-links expects it."""
        files = [filename for filenames in self._listing().values() for filename in filenames]
        links = "".join(f'<a href="{quote(f)}#sha256={self.entry(f).sha256}">{f}</a>\n' for f in sorted(files))
        return f"<!DOCTYPE html><html><body>\n{links}</body></html>\n".encode()

    def _listing(self) -> dict[str, list[str]]:
        stamp = self.directory.stat().st_mtime_ns
        with self._lock:
            if stamp != self._stamp:
                names: dict[str, list[str]] = {}
                for filename in sorted(os.listdir(self.directory)):
                    if found := split_filename(filename):
                        names.setdefault(found[0], []).append(filename)
                self._names, self._stamp = names, stamp
            return self._names

    def _json(self, name: str, entries: list[Entry]) -> bytes:
        files = []
        for entry in entries:
            file: dict[str, object] = {
                "filename": entry.filename,
                "url": f"/files/{quote(entry.filename)}",
                "hashes": {"sha256": entry.sha256},
                "size": entry.size_bytes,
                "upload-time": "2024-01-01T00:00:00Z",
            }
            if entry.requires_python is not None:
                file["requires-python"] = entry.requires_python
            if entry.filename in self.yanked:
                file["yanked"] = self.yanked[entry.filename] or True
            if self.metadata_files and entry.metadata is not None:
                file["core-metadata"] = file["dist-info-metadata"] = {"sha256": entry.metadata_sha256}
            files.append(file)
        versions = sorted({entry.version for entry in entries})
        return json.dumps({"meta": {"api-version": "1.1"}, "name": name, "files": files, "versions": versions}).encode()

    def _html(self, name: str, entries: list[Entry]) -> bytes:
        lines = []
        for entry in entries:
            attributes = [f'href="/files/{quote(entry.filename)}#sha256={entry.sha256}"']
            if entry.requires_python is not None:
                attributes.append(f'data-requires-python="{html.escape(entry.requires_python)}"')
            if entry.filename in self.yanked:
                attributes.append(f'data-yanked="{html.escape(self.yanked[entry.filename])}"')
            if self.metadata_files and entry.metadata is not None:
                digest = f"sha256={entry.metadata_sha256}"
                attributes.append(f'data-core-metadata="{digest}" data-dist-info-metadata="{digest}"')
            lines.append(f"<a {' '.join(attributes)}>{html.escape(entry.filename)}</a><br/>\n")
        head = '<meta name="pypi:repository-version" content="1.0">'
        text = f"<!DOCTYPE html><html><head>{head}<title>{name}</title></head><body>\n{''.join(lines)}</body></html>\n"
        return text.encode()


def _read(path: Path) -> Entry:
    content = path.read_bytes()
    found = split_filename(path.name)
    assert found is not None
    metadata = _core_metadata(path)
    header = HeaderParser().parsestr(metadata.decode("utf-8", "replace")) if metadata else {}
    return Entry(
        filename=path.name,
        version=found[1],
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        requires_python=header.get("Requires-Python"),
        metadata=metadata if path.suffix == ".whl" else None,
    )


def _core_metadata(path: Path) -> bytes | None:
    """Return METADATA or PKG-INFO; ``None`` for what is broken on purpose."""
    try:
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as archive:
                names = [n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n)]
                return archive.read(names[0]) if names else None
        if path.suffix == ".zip":
            return None
        with tarfile.open(path) as archive:
            for member in archive:
                if re.fullmatch(r"[^/]+/PKG-INFO", member.name) and (stream := archive.extractfile(member)):
                    return stream.read()
    except (OSError, zipfile.BadZipFile, tarfile.TarError, EOFError, RuntimeError, ValueError, NotImplementedError):
        return None
    return None
