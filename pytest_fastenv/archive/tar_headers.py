"""Walks over the headers of a tar archive, and refuses those that programs read in different ways.

`tarfile` is lenient where others are lenient in other ways: numbers with underscores, a prefix where old GNU archives
have times, extended headers for all members. Of what it reads, only what a strict reader sees too is accepted.

Format: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html (ustar and pax interchange formats), and
https://www.gnu.org/software/tar/manual/html_node/Standard.html for what GNU tar makes of it.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

_BLOCK_BYTES = 512
_SIZE, _TYPE, _MAGIC, _PREFIX = slice(124, 136), slice(156, 157), slice(257, 263), slice(345, 500)
_NUMBER = re.compile(rb" *([0-7]*)[ \0]*")
#: Types of files, and of links and directories; before ustar, a file's name said with a slash that it is a directory.
_FILES, _WITHOUT_CONTENT = (b"0", b"7"), (b"1", b"2", b"5")
_EXTENDED, _GLOBAL, _GNU_NAMES = (b"x", b"X"), b"g", (b"L", b"K")
#: What a header for all members must not say: programs differ in whether it holds for them.
_OF_ONE_MEMBER = ("path", "linkpath", "size", "hdrcharset")
_SPARSE = "GNU.sparse."
#: No file is larger; what goes beyond is a number that is wrong.
LARGEST_BYTES = 1 << 62


class TwoReadingsError(Exception):
    """A header that can be read in several ways; the argument continues a sentence that begins with the archive."""


def content_places(plain: IO[bytes]) -> list[int]:
    """Return where the content of each member begins, as a strict reader finds them.

    :raises TwoReadingsError: another reader could find others.
    """
    found: list[int] = []
    extended: set[bytes] = set()
    position = 0
    for header in _headers(plain):
        size, kind = _number(header[_SIZE]), header[_TYPE]
        position = plain.tell()
        if kind in _EXTENDED or kind in _GNU_NAMES:
            # A long name may be told in one way: in a pax header, or in GNU tar's own, once each.
            if extended and {kind} | extended != set(_GNU_NAMES):
                raise TwoReadingsError("has two extended headers for one member")
            extended.add(kind)
        elif kind != _GLOBAL:
            _check_member(header, size, kind, is_named_elsewhere=bool(extended))
            found.append(position)
            extended.clear()
        plain.seek(position + -(-size // _BLOCK_BYTES) * _BLOCK_BYTES)
    return found


def is_tar(file: IO[bytes]) -> bool:
    """Tell whether a file begins with the header of a tar archive."""
    file.seek(0)
    try:
        tarfile.TarInfo.frombuf(file.read(_BLOCK_BYTES), "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _headers(plain: IO[bytes]) -> Iterator[bytes]:
    plain.seek(0)
    while len(header := plain.read(_BLOCK_BYTES)) == _BLOCK_BYTES and header.strip(b"\0"):
        yield header


def _check_member(header: bytes, size: int, kind: bytes, *, is_named_elsewhere: bool) -> None:
    is_slashed = header[:100].partition(b"\0")[0].endswith(b"/")
    if size and (kind in _WITHOUT_CONTENT or (kind == b"\0" and is_slashed)):
        raise TwoReadingsError("has a link or a directory with a size, which is content to some programs")
    if header[_MAGIC] != b"ustar\0" and header[_PREFIX].strip(b"\0"):
        raise TwoReadingsError("has a member whose name has two parts, which its format does not have")
    # Where the whole name stands in an extended header, what is cut off here may end anywhere.
    if is_slashed and (kind == b"\0" if is_named_elsewhere else kind in _FILES):
        raise TwoReadingsError("has a member that is a file to some programs and a directory to others")


def _number(field: bytes) -> int:
    if field[0] & 0x80:  # GNU tar's form for what octal digits cannot hold
        size = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:])
        if size > LARGEST_BYTES:  # negative ones, too: their second bit is set
            raise TwoReadingsError("has a size that no file has")
        return size
    number = _NUMBER.fullmatch(field)
    if number is None:
        raise TwoReadingsError("has a size that is no octal number")
    return int(number[1] or b"0", 8)


def check_extended(of_all: Mapping[str, str], of_each: Sequence[Mapping[str, str]]) -> None:
    """Refuse what extended headers must not say.

    :param of_all: of headers that hold for all members.
    :param of_each: all that holds for each member, that of all members with it.
    :raises TwoReadingsError: programs differ in whether they heed it.
    """
    told = sorted(set(of_all).intersection(_OF_ONE_MEMBER))
    if told:
        raise TwoReadingsError(f"has a header for all members that tells their {told[0]}")
    if any(key.startswith(_SPARSE) for one in of_each for key in one):
        raise TwoReadingsError("has sparse files")
