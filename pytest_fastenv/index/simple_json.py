"""Project pages in JSON (PEP 691, with 592, 658, 700, 714 and 792)."""

from __future__ import annotations

import json
from typing import Any

from pytest_fastenv.errors import IndexAnswerError
from pytest_fastenv.index.page import Listed, Page, PageBuilder, Status, one_address, one_line
from pytest_fastenv.index.simple_html import newer_api
from pytest_fastenv.index.urls import shown


class _Misshapen(Exception):
    """A value is not of the specified kind; the arguments are its path, the kind and the value."""


def parse_json(content: bytes, *, name: str, url: str, location: str) -> Page:
    """Read a project page's files.

    :param name: normalized name of the project whose files are wanted.
    :param url: where the page came from, for relative links.
    :param location: the index the page belongs to.
    :raises IndexAnswerError: it is no JSON, not of the specified shape, or of another major version; the path of the
        offending value is named.
    """
    try:
        value = json.loads(content)
    except ValueError as error:
        raise IndexAnswerError(f"{shown(url)} answers broken JSON", why=str(error)) from error
    except RecursionError as error:
        raise IndexAnswerError(f"{shown(url)} answers JSON that is nested too deeply") from error
    if b"\\ud" in content or b"\\uD" in content:  # halves of letters, which are no text, and could not be kept
        text = json.dumps(value, ensure_ascii=False)  # "?" in their place would begin a query
        value = json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    try:
        return _page(value, PageBuilder(name, url)).page(location)
    except _Misshapen as error:
        path, kind, found = error.args
        raise IndexAnswerError(
            f"{shown(url)} does not answer as the Simple API does",
            why=f"{path}: expected {kind.__name__}, got {type(found).__name__}",
        ) from None


def _page(page: Any, draft: PageBuilder) -> PageBuilder:
    if not isinstance(page, dict):
        raise _Misshapen("the answer", dict, page)
    meta = page.get("meta")
    version = meta.get("api-version") if isinstance(meta, dict) else None
    if version is not None:  # simple servers leave it out; then what is read below tells whether it is a page
        draft.newer_api = newer_api(str(version), draft.url)
    status = page.get("project-status")
    if isinstance(status, dict):
        marker, reason = status.get("status"), status.get("reason")
        draft.status = Status(str(marker or "active").lower(), str(reason or ""))
    files = page.get("files")
    if not isinstance(files, list):
        raise _Misshapen("files", list, files)
    for number, file in enumerate(files):
        if not isinstance(file, dict):
            raise _Misshapen(f"files[{number}]", dict, file)
        draft.add(_listed(file, number))
    return draft


def _listed(file: dict[str, Any], number: int) -> Listed:
    get = file.get
    url, requires_python, yanked, size = get("url"), get("requires-python"), get("yanked"), get("size")
    if not isinstance(url, str):
        raise _Misshapen(f"files[{number}].url", str, url)
    metadata = get("core-metadata")
    if metadata is None:
        metadata = get("dist-info-metadata")
    if metadata is not None:
        metadata = None if metadata is False else _hashes({} if metadata is True else metadata, number)
    if yanked is not None:
        # True has no reason; empty text is a reason that says nothing.
        yanked = one_line(yanked) if isinstance(yanked, str) else "" if yanked else None
    return Listed(
        one_address(url.partition("#")[0]),
        _hashes(get("hashes"), number),
        one_line(requires_python) if isinstance(requires_python, str) else "",
        yanked,
        metadata,
        size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
        one_line(str(get("upload-time") or "")),
        _plain_name(get("filename")),
    )


def _hashes(hashes: Any, number: int) -> str:
    if hashes is None:
        return ""
    if not isinstance(hashes, dict):
        raise _Misshapen(f"files[{number}].hashes", dict, hashes)
    if len(hashes) == 1:
        ((algorithm, digest),) = hashes.items()
        return f"{algorithm}={digest}".lower() if isinstance(digest, str) and _is_plain(algorithm, digest) else ""
    return ",".join(f"{k}={v}".lower() for k, v in hashes.items() if isinstance(v, str) and _is_plain(k, v))


def _plain_name(filename: Any) -> str:
    """Return a file's name where it is one: nothing that could lead elsewhere."""
    if not isinstance(filename, str) or not {"/", "\\", "\0"}.isdisjoint(filename):
        return ""
    return one_line(filename)


def _is_plain(algorithm: str, digest: str) -> bool:
    return digest.isalnum() and digest.isascii() and algorithm.isidentifier()
