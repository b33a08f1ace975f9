"""A static index: Simple API pages (PEP 503) beside the artifacts, with all that helps an installer.

Each link has the file's SHA-256, ``data-requires-python``, and for wheels ``data-core-metadata`` with the metadata file
that PEP 658 and PEP 714 describe: no tool has to open a wheel to learn what it depends on.

::

    <root>/files/<filename>, <root>/files/<wheel>.metadata
    <root>/simple/<project>/index.html
"""

from __future__ import annotations

import hashlib
import html
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from email.parser import HeaderParser
from pathlib import Path

from benchmarks.sets import Pin


def write_pages(pins: Sequence[Pin], root: Path) -> None:
    """Write the pages and metadata files for artifacts that lie in ``<root>/files``; what is there is replaced."""
    links: dict[str, list[str]] = defaultdict(list)
    for pin in pins:
        links[pin.project].append(_link(pin, root / "files"))
    for project, lines in links.items():
        page = root / "simple" / project / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(_page(project, lines), encoding="utf-8")
    projects = [f'<a href="{project}/">{project}</a><br/>' for project in sorted(links)]
    (root / "simple" / "index.html").write_text(_page("simple", projects), encoding="utf-8")


def _page(title: str, lines: Sequence[str]) -> str:
    head = f'<head><meta name="pypi:repository-version" content="1.0"><title>{title}</title></head>'
    return "\n".join(["<!DOCTYPE html>", f"<html>{head}", "<body>", *lines, "</body></html>", ""])


def _link(pin: Pin, files: Path) -> str:
    attributes = {"href": f"/files/{pin.filename}#sha256={pin.sha256}"}
    metadata = (_wheel_metadata if pin.is_wheel else _sdist_metadata)(files / pin.filename)
    if pin.is_wheel:
        (files / f"{pin.filename}.metadata").write_bytes(metadata)
        attributes["data-core-metadata"] = f"sha256={hashlib.sha256(metadata).hexdigest()}"
    requires_python = HeaderParser().parsestr(metadata.decode("utf-8", "replace"), headersonly=True)["Requires-Python"]
    if requires_python:
        attributes["data-requires-python"] = requires_python
    text = " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items())
    return f"<a {text}>{pin.filename}</a><br/>"


def _wheel_metadata(path: Path) -> bytes:
    with zipfile.ZipFile(path) as wheel:
        names = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1)
        return wheel.read(next(names))


def _sdist_metadata(path: Path) -> bytes:
    """Return the top PKG-INFO; empty where an old archive has none."""
    with tarfile.open(path) as sdist:
        for member in sdist:
            if member.name.removeprefix("./").count("/") == 1 and member.name.endswith("/PKG-INFO"):
                file = sdist.extractfile(member)
                return file.read() if file else b""
    return b""
