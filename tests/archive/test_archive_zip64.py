"""Extra fields of zip entries: what they may say beside the fixed part, and what they may not."""

from __future__ import annotations

import struct
import zlib

import pytest

from pytest_fastenv.archive.zip64 import resolve_central, resolve_local
from pytest_fastenv.errors import ArchiveError

UNSET = 0xFFFFFFFF
LARGE = 1 << 40


def field(kind: int, content: bytes) -> bytes:
    return struct.pack("<HH", kind, len(content)) + content


def wide(*values: int, rest: bytes = b"") -> bytes:
    return field(1, struct.pack(f"<{len(values)}Q", *values) + rest)


def unicode_path(name: bytes) -> bytes:
    return field(0x7075, b"\1" + struct.pack("<L", zlib.crc32(name)) + name)


@pytest.mark.parametrize(
    ("extra", "values", "expected"),
    [
        (b"", (1, 2, 3), (1, 2, 3)),
        (b"\0\0\0", (1, 2, 3), (1, 2, 3)),
        (wide(LARGE), (1, UNSET, 3), (1, LARGE, 3)),
        (wide(LARGE, LARGE + 1), (UNSET, 2, UNSET), (LARGE, 2, LARGE + 1)),
        (wide(LARGE, LARGE + 1, LARGE + 2), (UNSET, UNSET, UNSET), (LARGE, LARGE + 1, LARGE + 2)),
        (wide(LARGE, rest=b"\0" * 4), (1, 2, UNSET), (1, 2, LARGE)),
        (wide(1, LARGE), (1, UNSET, 3), (1, LARGE, 3)),
        (wide(1, 2), (1, 2, 3), (1, 2, 3)),
        (wide(1, 2, LARGE), (1, 2, UNSET), (1, 2, LARGE)),
        (unicode_path(b"name"), (1, 2, 3), (1, 2, 3)),
        (field(0x9901, b"x" * 40_000) + wide(LARGE), (1, 2, UNSET), (1, 2, LARGE)),
        (field(9, b"of no interest") + wide(LARGE) + field(9, b""), (1, 2, UNSET), (1, 2, LARGE)),
    ],
)
def test_what_an_entry_says(extra: bytes, values: tuple[int, int, int], expected: tuple[int, int, int]) -> None:
    assert resolve_central(extra, values, b"name", "a.whl: name") == expected


@pytest.mark.parametrize(
    ("extra", "values", "why"),
    [
        (b"", (1, UNSET, 3), "are in a ZIP64 field, which is missing"),
        (wide(LARGE) + wide(LARGE), (1, UNSET, 3), "has two ZIP64 fields"),
        (wide(LARGE, rest=b"abcd"), (1, UNSET, 3), "has a damaged ZIP64 field"),
        (wide(LARGE, rest=b"\0\0\0"), (1, UNSET, 3), "has a damaged ZIP64 field"),
        (wide(LARGE, rest=b"a\0\0\0"), (1, UNSET, 3), "has a damaged ZIP64 field"),
        (wide(LARGE, rest=b"XXXX"), (1, UNSET, 3), "has a damaged ZIP64 field"),
        (wide(2, LARGE), (1, UNSET, 3), "contradicts its header"),
        (wide(1, LARGE), (1, 2, UNSET), "contradicts its header"),
        (wide(1, 2, 3, 4), (1, 2, 3), "contradicts its header"),
        (wide(1)[:-1], (UNSET, 2, 3), "has a damaged extra field"),
        (b"\0\0x", (1, 2, 3), "has a damaged extra field"),
        (b"\0\0X", (1, 2, 3), "has a damaged extra field"),
        (unicode_path(b"other"), (1, 2, 3), "has another name in its Unicode path field"),
    ],
)
def test_what_an_entry_may_not_say(extra: bytes, values: tuple[int, int, int], why: str) -> None:
    with pytest.raises(ArchiveError, match=rf"^a\.whl: name .*{why}"):
        resolve_central(extra, values, b"name", "a.whl: name")


def test_a_name_s_checksum_has_no_sign() -> None:
    name = next(name for name in (b"a", b"b", b"c", b"d") if zlib.crc32(name) >= 1 << 31)
    assert resolve_central(unicode_path(name), (1, 2, 3), name, "a.whl: name") == (1, 2, 3)


def test_a_local_header_has_no_offset() -> None:
    assert resolve_local(unicode_path(b"name"), (1, 2), b"name", "a.whl: name") == (1, 2)
    assert resolve_local(wide(LARGE), (1, UNSET), b"name", "a.whl: name") == (1, LARGE)
    with pytest.raises(ArchiveError, match=r"^a\.whl: name .*contradicts its header"):
        resolve_local(wide(1, 2, 3), (1, UNSET), b"name", "a.whl: name")
