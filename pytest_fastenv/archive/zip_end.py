"""The end of a zip archive, where its directory is found: the end record, and that of ZIP64 before it.

Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (sections 4.3.14 to 4.3.16).
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import IO

from pytest_fastenv.errors import ArchiveError

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_END_MAGIC, _END64_MAGIC, _LOCATOR_MAGIC, _CENTRAL_MAGIC = b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\1\2"
_LONGEST_COMMENT = 0xFFFF
#: Of a ZIP64 end record, behind this value: what is longer has "extensible data", which only version 2 records need.
_END64_LENGTH = 44


def locate_directory(data: mmap.mmap | bytes, archive: str, warnings: list[str]) -> tuple[int, int, int]:
    """Return number of entries, start and end of the central directory.

    :param warnings: gets what is odd and can be read in one way only.
    :raises ArchiveError: it is cut short, or there are two ways to read its end.
    """
    position = data.rfind(_END_MAGIC)
    if position < 0 or position + _END.size > len(data):
        head = bytes(data[:60])
        raise ArchiveError(
            f"{archive} is not a zip archive, or is cut short",
            where=archive,
            why=f"no end record; it has {len(data):,} bytes and begins with {head!r}" if head else "it is empty",
            hint="a proxy or a login page may have answered instead of the index",
        )
    _, disk, first_disk, here, count, size, offset, comment = _END.unpack(data[position : position + _END.size])
    tail = bytes(data[position + _END.size + comment :])
    if len(data) < position + _END.size + comment or tail.strip(b"\0"):
        raise ArchiveError(f"{archive} has data after its end record", where=archive, why=f"{tail[:40]!r}")
    _check_one_end(data, archive, position, len(data) - len(tail))
    if tail:
        warnings.append(f"{archive}: {len(tail)} NUL bytes follow the archive")
    if disk or first_disk or here != count:
        raise ArchiveError(f"{archive} is a part of an archive in several files", where=archive)
    end = position
    if position >= _LOCATOR.size and data[position - _LOCATOR.size : position][:4] == _LOCATOR_MAGIC:
        count, size, offset, end = _locate64(data, archive, position, (count, size, offset))
    if offset + size != end:
        raise ArchiveError(
            f"{archive} has data that belongs to no member",
            where=archive,
            why=f"its directory should end at byte {offset + size:,} but its end record stands at {end:,}",
        )
    return count, offset, end


def ends_as_zip(file: IO[bytes]) -> bool:
    """Tell whether a file has an end record near its end, and a directory before that: many programs look there."""
    begin = max(0, file.seek(0, os.SEEK_END) - _END.size - _LONGEST_COMMENT)
    file.seek(begin)
    tail = file.read()
    position = tail.rfind(_END_MAGIC)
    if position < 0 or position + _END.size > len(tail):
        return False
    length = _END.unpack_from(tail, position)[5]
    file.seek(max(0, begin + position - length))
    return file.read(4) in (_CENTRAL_MAGIC, _END_MAGIC)


def _check_one_end(data: mmap.mmap | bytes, archive: str, position: int, end: int) -> None:
    """Refuse an end record whose comment holds the one that was found: who reads forward takes the first."""
    first = max(0, position - _END.size - _LONGEST_COMMENT)
    other = data.rfind(_END_MAGIC, first, position)
    while other >= 0:
        reaches = other + _END.size + int.from_bytes(data[other + 20 : other + 22], "little")
        if reaches in (end, len(data)):
            raise ArchiveError(f"{archive} has two end records", where=archive, why=f"at {other:,} and {position:,}")
        other = data.rfind(_END_MAGIC, first, other)


def _locate64(
    data: mmap.mmap | bytes, archive: str, position: int, small: tuple[int, int, int]
) -> tuple[int, int, int, int]:
    """Read the ZIP64 end record; where the small record has a value too, both must be equal."""
    _, disk, end, disks = _LOCATOR.unpack(data[position - _LOCATOR.size : position])
    record = data[end : end + _END64.size]
    if disk or disks > 1 or len(record) != _END64.size or record[:4] != _END64_MAGIC:
        raise ArchiveError(f"{archive}: its ZIP64 locator points nowhere", where=archive)
    _, length, _, _, disk, first_disk, here, *large = _END64.unpack(record)
    if length != _END64_LENGTH:
        why = f"it has {length:,} bytes where {_END64_LENGTH} are known; the rest may be another archive"
        raise ArchiveError(f"{archive}: its ZIP64 end record has data of an unknown kind", where=archive, why=why)
    if disk or first_disk or here != large[0] or end + 12 + length != position - _LOCATOR.size:
        raise ArchiveError(f"{archive}: its ZIP64 end record contradicts itself", where=archive)
    for value, wide, unset in zip(small, large, (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF), strict=True):
        if value not in (unset, wide):
            raise ArchiveError(f"{archive}: its two end records differ", where=archive, why=f"{value} and {wide}")
    count, size, offset = large
    return count, size, offset, end
