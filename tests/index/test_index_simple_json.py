from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_fastenv.errors import IndexAnswerError
from pytest_fastenv.index.page import Page, Status
from pytest_fastenv.index.simple_json import parse_json
from pytest_fastenv.model.artifact import Artifact, Hashes

URL = "https://h.invalid/simple/a/"
SHA = "0123456789abcdef" * 4


def parse(*files: Any, **page: Any) -> Page:
    value = {"meta": {"api-version": "1.1"}, "name": "a", "files": list(files), **page}
    return parse_json(json.dumps(value).encode(), name="a", url=URL, location=URL)


def file(**fields: Any) -> dict[str, Any]:
    return {"filename": "a-1-py3-none-any.whl", "url": "../../f/a-1-py3-none-any.whl", "hashes": {}, **fields}


def only(page: Page) -> Artifact:
    return page.artifacts("a", "1")[0]


def test_a_file_with_everything() -> None:
    page = parse(
        file(
            hashes={"sha256": SHA, "md5": "0"},
            size=123,
            yanked="bad\nnews",
            **{"requires-python": ">=3.8", "core-metadata": {"sha256": SHA}, "upload-time": "2026-01-01T00:00:00Z"},
        )
    )
    assert only(page) == Artifact(
        name="a",
        version="1",
        filename="a-1-py3-none-any.whl",
        url="https://h.invalid/f/a-1-py3-none-any.whl",
        hashes=Hashes.of({"sha256": SHA}),
        size_bytes=123,
        requires_python=">=3.8",
        yanked="bad news",
        metadata=Hashes.of({"sha256": SHA}),
        index_url=URL,
        upload_time="2026-01-01T00:00:00Z",
    )


@pytest.mark.parametrize(("yanked", "expected"), [(False, None), (True, ""), ("", ""), ("x", "x"), (None, None)])
def test_yanked_files(yanked: Any, expected: str | None) -> None:
    assert only(parse(file(yanked=yanked))).yanked == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"core-metadata": False}, None),
        ({"core-metadata": True}, Hashes()),
        ({"dist-info-metadata": {"sha256": SHA}}, Hashes.of({"sha256": SHA})),
        ({"core-metadata": False, "dist-info-metadata": True}, None),
    ],
)
def test_metadata_files(fields: dict[str, Any], expected: Hashes | None) -> None:
    assert only(parse(file(**fields))).metadata == expected


def test_a_project_s_status() -> None:
    assert parse(**{"project-status": {"status": "archived", "reason": "done"}}).status == Status("archived", "done")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "broken JSON"),
        (b"\xff", "broken JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "the answer: expected dict"),
        (b'{"meta": {"api-version": "2.0"}, "files": []}', "2.0"),
        (b"{}", "files: expected list, got NoneType"),
        (b'{"meta": {"api-version": "1.0"}}', "files: expected list, got NoneType"),
        (b'{"meta": {"api-version": "1.0"}, "files": [1]}', "files[0]: expected dict"),
        (b'{"meta": {"api-version": "1.0"}, "files": [{"hashes": {}}]}', "files[0].url: expected str"),
        (b'{"meta": {"api-version": "1.0"}, "files": [{"url": "a", "hashes": 1}]}', "files[0].hashes: expected dict"),
    ],
)
def test_an_answer_that_is_no_page(content: bytes, reason: str) -> None:
    with pytest.raises(IndexAnswerError) as caught:
        parse_json(content, name="a", url=URL, location=URL)
    assert reason in str(caught.value)


def test_a_page_that_leaves_out_what_it_should_say() -> None:
    content = json.dumps({"files": [{"url": "a-1.tar.gz"}]}).encode()
    assert only(parse_json(content, name="a", url=URL, location=URL)) == Artifact(
        "a", "1", "a-1.tar.gz", f"{URL}a-1.tar.gz", index_url=URL
    )


@pytest.mark.parametrize(
    "url", ["/files/42", "/get?id=42", "/files/42/", "https://h.invalid/a-1-py3-none-any.whl/data"]
)
def test_a_file_whose_address_does_not_end_in_its_name(url: str) -> None:
    found = only(parse(file(url=url)))
    assert found.filename == "a-1-py3-none-any.whl"
    assert found.url == (url if "//" in url else f"https://h.invalid{url}")


@pytest.mark.parametrize(
    "name", ["../a-1-py3-none-any.whl", "a-1\\-py3-none-any.whl", 7, None, "notes.txt", "b-1.tar.gz"]
)
def test_names_that_say_nothing_of_an_address(name: Any) -> None:
    assert parse(file(url="/files/42", filename=name)).rows == {}


def test_the_address_counts_before_the_name() -> None:
    assert only(parse(file(url="/f/a-1.zip", filename="a-2.zip"))).filename == "a-1.zip"


@pytest.mark.parametrize(
    ("hashes", "kept"),
    [
        ({"sha256": SHA.upper()}, {"sha256": SHA}),
        ({"SHA256": SHA.upper(), "md5": "0"}, {"sha256": SHA}),
        ({"md5": "AB" * 16}, {"md5": "ab" * 16}),
        ({"sha1": "CD" * 20, "crc32": "0"}, {"sha1": "cd" * 20}),
    ],
)
def test_digests_in_any_case_and_of_any_strength(hashes: dict[str, str], kept: dict[str, str]) -> None:
    assert only(parse(file(hashes=hashes))).hashes == Hashes.of(kept) != Hashes()
    listed = parse(file(**{"core-metadata": hashes}))
    assert only(listed).metadata == Hashes.of(kept)


@pytest.mark.parametrize("name", ["b-a-1-py3-none-any.whl", "a-2-old.tar.gz"])
def test_a_file_whose_address_ends_in_no_artifact_s_name(name: str) -> None:
    page = parse(file(url=f"../../f/{name}"))
    assert (only(page).filename, page.foreign) == ("a-1-py3-none-any.whl", "")


def test_half_a_letter_in_an_address_begins_no_query() -> None:
    page = parse(file(url="../../f/a-1-py3-none-\ud800any.whl"))
    assert only(page).url.endswith("/f/a-1-py3-none-\ufffdany.whl")
