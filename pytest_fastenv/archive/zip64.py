"""The extra fields of zip entries that change what the entry says: ZIP64 sizes and Unicode paths."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from pytest_fastenv.errors import ArchiveError

_ZIP64, _UNICODE_PATH = 0x0001, 0x7075
_UNSET = 0xFFFFFFFF


def resolve_central(extra: bytes, values: tuple[int, int, int], raw_name: bytes, subject: str) -> tuple[int, int, int]:
    """Return size, packed size and offset of a directory entry with ZIP64 values put in.

    :param values: the same three as the entry's fixed part has them.
    :param subject: archive and member, for messages.
    :raises ArchiveError: the extra field is damaged, or says something else than the fixed part.
    """
    size, packed, offset = _resolve(extra, values, raw_name, subject)
    return size, packed, offset


def resolve_local(extra: bytes, values: tuple[int, int], raw_name: bytes, subject: str) -> tuple[int, int]:
    """Return size and packed size of a local header; see `resolve_central`."""
    size, packed = _resolve(extra, values, raw_name, subject)
    return size, packed


def _resolve(extra: bytes, values: tuple[int, ...], raw_name: bytes, subject: str) -> list[int]:
    found = list(values)
    seen = False
    for kind, content in _fields(extra, subject):
        if kind == _ZIP64:
            if seen:
                raise ArchiveError(f"{subject} has two ZIP64 fields")
            seen = True
            found = _wide(content, values, subject)
        elif kind == _UNICODE_PATH and content[1:] != struct.pack("<L", zlib.crc32(raw_name)) + raw_name:
            raise ArchiveError(f"{subject} has another name in its Unicode path field")
    if not seen and _UNSET in values:
        raise ArchiveError(f"{subject} says that its sizes are in a ZIP64 field, which is missing")
    return found


def _fields(extra: bytes, subject: str) -> Iterator[tuple[int, bytes]]:
    position = 0
    while len(extra) - position >= 4:
        kind, length = struct.unpack_from("<HH", extra, position)
        position += 4
        if position + length > len(extra):
            raise ArchiveError(f"{subject} has a damaged extra field")
        yield kind, extra[position : position + length]
        position += length
    # Up to three bytes of padding are written by tools that align members.
    if extra[position:].strip(b"\0"):
        raise ArchiveError(f"{subject} has a damaged extra field")


def _wide(content: bytes, values: tuple[int, ...], subject: str) -> list[int]:
    """Put 8-byte values where the fixed part refers to them.

    By the format a field has a value for each of those alone; some writers give the leading values whether they are
    needed or not, and then they must agree with the fixed part.
    """
    count, rest = divmod(len(content), 8)
    wide = struct.unpack_from(f"<{count}Q", content)
    if rest not in (0, 4) or content[count * 8 :].strip(b"\0"):
        raise ArchiveError(f"{subject} has a damaged ZIP64 field")
    unset = [place for place, value in enumerate(values) if value == _UNSET]
    if count == len(unset):
        given = dict(zip(unset, wide, strict=True))
    else:
        given = dict(enumerate(wide))
        told_twice = [(values[place], value) for place, value in given.items() if place < len(values)]
        if count > len(values) or set(unset) - set(given) or any(a not in (_UNSET, b) for a, b in told_twice):
            raise ArchiveError(f"{subject} has a ZIP64 field that contradicts its header")
    return [given[place] if value == _UNSET else value for place, value in enumerate(values)]
