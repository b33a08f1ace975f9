"""Project pages in JSON (PEP 691, with 592, 658, 700, 714 and 792)."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pytest_fastenv.errors import IndexAnswerError
from pytest_fastenv.index.page import Listed, Page, PageDraft, Status, one_line
from pytest_fastenv.index.simple_html import newer_api
from pytest_fastenv.index.urls import shown

T = TypeVar("T")


def parse_json(content: bytes, *, name: str, url: str, location: str) -> Page:
    """Read a page's files.

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
    page = _Value(value, url, "the answer").expect(dict)
    meta = page.get("meta")
    version = meta.get("api-version") if isinstance(meta, dict) else None
    draft = PageDraft(name, url, newer_api=newer_api(version if isinstance(version, str) else "", url))
    status = page.get("project-status")
    if isinstance(status, dict):
        marker, reason = status.get("status"), status.get("reason")
        draft.status = Status(str(marker or "active").lower(), str(reason or ""))
    for number, file in enumerate(_Value(page.get("files"), url, "files").expect(list)):
        draft.add(_listed(_Value(file, url, f"files[{number}]").expect(dict), url, number))
    return draft.page(location)


class _Value:
    """A JSON value with its path."""

    def __init__(self, value: Any, url: str, path: str) -> None:
        self._value = value
        self._url = url
        self._path = path

    def expect(self, kind: type[T]) -> T:
        if not isinstance(self._value, kind):
            raise IndexAnswerError(
                f"{shown(self._url)} does not answer as the Simple API does",
                why=f"{self._path}: expected {kind.__name__}, got {type(self._value).__name__}",
            )
        return self._value


def _listed(file: dict[str, Any], url: str, number: int) -> Listed:
    address = file.get("url")
    if not isinstance(address, str):
        address = _Value(address, url, f"files[{number}].url").expect(str)
    requires_python, yanked, size = file.get("requires-python"), file.get("yanked"), file.get("size")
    metadata = file.get("core-metadata")
    if metadata is None:
        metadata = file.get("dist-info-metadata")
    reason = one_line(yanked) if isinstance(yanked, str) else ""
    return Listed(
        one_line(address.partition("#")[0]),
        _hashes(file.get("hashes"), url, number),
        one_line(requires_python) if isinstance(requires_python, str) else "",
        reason if yanked or yanked == "" else None,
        None
        if metadata is None or metadata is False
        else _hashes(metadata if metadata is not True else {}, url, number),
        size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
        one_line(str(file.get("upload-time") or "")),
    )


def _hashes(value: Any, url: str, number: int) -> str:
    hashes = _Value(value, url, f"files[{number}].hashes").expect(dict)
    return ",".join(f"{k}={v}" for k, v in hashes.items() if isinstance(v, str) and v.isalnum() and v.isascii())
