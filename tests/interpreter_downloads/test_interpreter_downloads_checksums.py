"""``SHA256SUMS`` of a mirror."""

from __future__ import annotations

import pytest

from pytest_fastenv.errors import InterpreterError
from pytest_fastenv.interpreter_downloads.checksums import parse_checksums

ONE, TWO = "a" * 64, "b" * 64


def test_as_sha256sum_writes_it() -> None:
    content = f"{ONE}  one.tar.gz\n{TWO.upper()} *20240101/two+x.tar.gz\r\n\n# a comment\n{ONE}  ./three\n".encode()
    assert parse_checksums(content, "m") == {"one.tar.gz": ONE, "20240101/two+x.tar.gz": TWO, "three": ONE}
    assert parse_checksums(b"", "m") == {}
    assert parse_checksums(b"\xef\xbb\xbf" + f"{ONE}  one\n".encode(), "m") == {"one": ONE}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("<!doctype html>", "is not a digest and a file name"),
        (f"{ONE[:-1]}  short", "is not a digest"),
        (f"{ONE}  ../outside.tar.gz", "not a path below"),
        (f"{ONE}  /etc/passwd", "not a path below"),
        (f"{ONE}  a//b", "not a path below"),
        (f"{ONE}  a\\b", "not a path below"),
        (f"{TWO}  good.tar.gz", "twice, with different digests"),
        ("\ufffd" * 4000, "is not a digest"),
    ],
)
def test_a_damaged_line_is_named(line: str, reason: str) -> None:
    with pytest.raises(InterpreterError, match="list of checksums cannot be read") as caught:
        parse_checksums(f"{ONE}  good.tar.gz\n{line}\n".encode(), "https://example.invalid/SHA256SUMS")
    assert caught.value.where == "https://example.invalid/SHA256SUMS, line 2"
    assert reason in str(caught.value.why)
    assert len(str(caught.value)) < 500
