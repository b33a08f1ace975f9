from __future__ import annotations

import pytest

from pytest_fastenv.errors import LimitError, MetadataError
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.wheel.core_metadata import parse_core_metadata

HEAD = b"Metadata-Version: 2.2\nName: A.b\nVersion: 1.0.0\n"


def parse(content: bytes) -> CoreMetadata:
    return parse_core_metadata(content, source="a.whl")


def test_everything_that_decides() -> None:
    content = (
        b"Metadata-Version: 2.4\r\nName: A.b\r\nVersion: 01.0\r\nRequires-Python: >=3.8\r\n"
        b"Requires-Dist: c (>=1) ;\r\n  python_version < '4'\r\nrequires-dist: d\r\nProvides-Extra: X_y\r\n"
        b"Dynamic: Requires-Dist\r\nSummary: \xff\r\n\r\nName: not this\r\n"
    )
    assert parse(content) == CoreMetadata(
        name="A.b",
        version="1.0",
        requires_dist=("c (>=1) ; python_version < '4'", "d"),
        requires_python=">=3.8",
        provides_extra=("x-y",),
        metadata_version="2.4",
        dynamic=("requires-dist",),
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no version"),
        (b"Metadata-Version: 2.1\nVersion: 1\n", "no name"),
        (b"Metadata-Version: 2.1\nName: a\n", "no version"),
        (HEAD + b"Name: b\n", "name 2 times"),
        (HEAD.replace(b"1.0.0", b"one"), "version 'one'"),
        (HEAD.replace(b"A.b", b"../a"), "name '../a'"),
        (HEAD.replace(b"A.b", b"\xff"), "Name is not UTF-8"),
        (HEAD + b"Requires-Dist: \xff\n", "Requires-Dist is not UTF-8"),
        (HEAD.replace(b"2.2", b"3.0"), "'3.0'"),
    ],
)
def test_what_cannot_be_decided(content: bytes, reason: str) -> None:
    with pytest.raises(MetadataError) as caught:
        parse(content)
    assert reason in str(caught.value)
    assert "a.whl" in str(caught.value)


def test_a_description_of_any_encoding_does_not_matter() -> None:
    assert parse(HEAD + "Author: Zoë\n".encode() + b"\n\xff\xfe\x00").name == "A.b"


def test_utf8_where_it_may_be() -> None:
    assert parse(HEAD + "Requires-Dist: b; platform_version == 'é'\n".encode()).requires_dist == (
        "b; platform_version == 'é'",
    )


def test_more_than_8_mib() -> None:
    with pytest.raises(LimitError, match="8 MiB"):
        parse(HEAD + b"\n" + b"x" * (8 << 20))
