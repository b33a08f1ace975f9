"""Reads the directory of a zip archive, and refuses archives that can be read in more than one way.

Zip archives say everything twice: once in front of each member, once in the central directory at the end. Programs
that trust different places see different files. Here both must agree, members must follow each other without gaps
from the first byte on, and the directory must end the file: then there is one way to read it.

Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (sections 4.3 and 4.5).
"""

from __future__ import annotations

import mmap
import stat
import struct
from typing import NamedTuple

from pytest_fastenv.archive.limits import Limits
from pytest_fastenv.archive.member_paths import shown, without_dots
from pytest_fastenv.archive.zip64 import resolve_central, resolve_local
from pytest_fastenv.archive.zip_end import locate_directory
from pytest_fastenv.errors import ArchiveError

_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL_MAGIC, _LOCAL_MAGIC, _DESCRIPTOR_MAGIC = b"PK\1\2", b"PK\3\4", b"PK\7\x08"

_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_DESCRIPTOR, _UTF8 = 0x0008, 0x0800
_KNOWN_FLAGS = 0x0006 | _DESCRIPTOR | _UTF8 | _ENCRYPTED
STORED, DEFLATED = 0, 8
#: The last version of the format is 6.3 (4.4.3.2); some programs refuse members that need a later one.
_NEWEST_NEEDED = 63
_SLASH, _UNSET = 0x2F, 0xFFFFFFFF
_DOS_DIRECTORY = 0x10
#: What deflate makes of nothing: the most that a directory may have.
_NOTHING_DEFLATED = b"\3\0"


class Member(NamedTuple):
    """One file of an archive.

    :ivar path: as written but for ``./`` in front; forward slashes.
    :ivar start: offset of its packed bytes.
    :ivar executable: whether any execute bit is set; no other permission is kept.
    """

    path: str
    start: int
    packed: int
    size: int
    crc: int
    method: int
    executable: bool


class Directory(NamedTuple):
    """What an archive holds, in the order of its central directory.

    :ivar members: files.
    :ivar directories: paths of its explicit directory entries, each with its slash.
    """

    members: list[Member]
    directories: list[str]
    warnings: list[str]


def read_directory(data: mmap.mmap | bytes, archive: str, limits: Limits) -> Directory:
    """Read and check the whole directory; nothing is inflated yet, and paths are not judged.

    :param data: the archive.
    :param archive: its name, for messages.
    :raises ArchiveError: it is damaged, encrypted, ambiguous or uses an unknown method.
    :raises LimitError: it has too many members.
    :raises BombError: its members would expand out of proportion.
    """
    warnings: list[str] = []
    count, start, end = locate_directory(data, archive, warnings)
    limits.check_members(archive, count)
    members, directories, extents = _Reader(data, archive).read(count, start, end)
    _check_gapless(archive, extents, start)
    limits.check_expansion(archive, len(data), sum(member.size for member in members))
    if any(member.path.startswith("./") for member in members):
        warnings.append(f"{archive} has paths that begin with ./")
        members = [member._replace(path=without_dots(member.path)) for member in members]
    directories = [path for path in map(without_dots, directories) if path]
    return Directory(members, directories, warnings)


class _Reader:
    """One walk over the central directory, with a look at each local header."""

    def __init__(self, data: mmap.mmap | bytes, archive: str) -> None:
        self._data = data
        self._archive = archive

    def read(self, count: int, start: int, end: int) -> tuple[list[Member], list[str], list[tuple[int, int]]]:
        """Return files, directory entries, and each entry's first and last byte."""
        central = bytes(self._data[start:end])
        if count * _CENTRAL.size > len(central):
            raise self._error("has a directory that is shorter than it says")
        members: list[Member] = []
        directories: list[str] = []
        extents: list[tuple[int, int]] = []
        position = 0
        for _ in range(count):
            member, extent, position = self._entry(central, position)
            extents.append(extent)
            if member.path[-1:] == "/":
                directories.append(member.path)
            else:
                members.append(member)
        if position != len(central):
            raise self._error("has a directory that is longer than it says")
        return members, directories, extents

    def _entry(self, central: bytes, position: int) -> tuple[Member, tuple[int, int], int]:
        if len(central) - position < _CENTRAL.size:
            raise self._error("has a directory that ends in the middle of an entry")
        (magic, _, needed, flags, method, _, _, crc, packed, size, name_len, extra_len, comment_len, disk, _,
         attributes, offset) = _CENTRAL.unpack_from(central, position)  # fmt: skip
        name_at = position + _CENTRAL.size
        raw = central[name_at : name_at + name_len]
        following = name_at + name_len + extra_len + comment_len
        plain = method == DEFLATED or (method == STORED and packed == size)
        if (
            plain
            and not flags & ~_UTF8
            and not extra_len
            and attributes >> 28 in (0, 8)
            and raw.isascii()
            and needed <= _NEWEST_NEEDED
            and not (disk or attributes & _DOS_DIRECTORY)
        ):
            # Nearly all members: nothing to interpret, and the local header must be the same but for its magic.
            start = offset + _LOCAL.size + name_len
            header = _LOCAL_MAGIC + central[position + 6 : position + 30] + b"\0\0" + raw
            if (
                self._data[offset:start] == header and magic == _CENTRAL_MAGIC and raw and raw[-1] != _SLASH
                and following <= len(central) and start + packed <= len(self._data) and _UNSET not in (packed, size)
            ):  # fmt: skip
                path = raw.decode()
                member = Member(path, start, packed, size, crc, method, attributes >> 16 & 0o111 != 0)
                return member, (offset, start + packed), following
        if magic != _CENTRAL_MAGIC or following > len(central) or disk:
            raise self._error("has a directory with a damaged entry")
        path = self._path(raw, flags)
        if extra_len or packed == 0xFFFFFFFF or size == 0xFFFFFFFF or offset == 0xFFFFFFFF:
            extra = central[name_at + name_len : name_at + name_len + extra_len]
            size, packed, offset = resolve_central(extra, (size, packed, offset), raw, self._named(path))
        if needed & 0xFF > _NEWEST_NEEDED:
            raise self._error(f"{shown(path)} needs a newer version of zip than there is", member=True)
        self._check_packing(path, flags, method, packed, size)
        if attributes >> 28 not in (0, 8) or path[-1:] == "/" or attributes & _DOS_DIRECTORY:  # 8: a regular file
            self._check_kind(path, size, attributes)
        start = self._check_local(path, offset, central[position + 6 : position + 30] + raw, (packed, size, crc))
        last = start + packed
        if path[-1:] == "/" and self._data[start:last] not in (b"", _NOTHING_DEFLATED):
            raise self._error(f"{shown(path)} is a directory with content", member=True)
        if flags & _DESCRIPTOR:
            if method == STORED and self._data.find(_DESCRIPTOR_MAGIC, start, last) >= 0:
                raise self._error(f"{shown(path)} seems to end in several places", member=True)
            last = self._check_descriptor(path, last, (crc, packed, size))
        member = Member(path, start, packed, size, crc, method, attributes >> 16 & 0o111 != 0)
        return member, (offset, last), following

    def _path(self, raw: bytes, flags: int) -> str:
        try:
            path = raw.decode("utf-8" if flags & _UTF8 or raw.isascii() else "cp437")
        except UnicodeDecodeError:
            raise self._error(f"has a member whose name is no UTF-8: {raw!r}") from None
        if not path:
            raise self._error("has a member without a name")
        return path

    def _check_packing(self, path: str, flags: int, method: int, packed: int, size: int) -> None:
        if flags & _ENCRYPTED:
            raise self._error(f"{shown(path)} is encrypted", member=True)
        if flags & ~_KNOWN_FLAGS:
            raise self._error(f"{shown(path)} uses a zip feature that is not supported", member=True)
        if method not in (STORED, DEFLATED):
            raise self._error(f"{shown(path)} uses compression method {method}; only deflate is supported", member=True)
        if method == STORED and packed != size:
            raise self._error(f"{shown(path)} is stored with two different sizes", member=True)

    def _check_kind(self, path: str, size: int, attributes: int) -> None:
        kind = stat.S_IFMT(attributes >> 16)
        if kind == stat.S_IFLNK:
            raise self._error(f"{shown(path)} is a symbolic link", member=True)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise self._error(f"{shown(path)} is neither a file nor a directory", member=True)
        if path[-1:] == "/" and size:
            raise self._error(f"{shown(path)} is a directory with content", member=True)
        if path[-1:] != "/" and (kind == stat.S_IFDIR or attributes & _DOS_DIRECTORY):
            raise self._error(f"{shown(path)} is both a file and a directory", member=True)

    def _check_local(self, path: str, offset: int, expected: bytes, sizes: tuple[int, int, int]) -> int:
        """Compare the header in front of the data with the directory; return where the data starts."""
        data = self._data
        end = offset + _LOCAL.size + len(expected) - 24
        header = data[offset:end]
        # Same fields in the same order in both headers, so one comparison does for nearly all members.
        if header != _LOCAL_MAGIC + expected[:24] + b"\0\0" + expected[24:]:
            self._check_local_slowly(path, offset, header, expected, sizes)
        extra_len = header[28] | header[29] << 8
        if end + extra_len + sizes[0] > len(data):
            raise self._error(f"{shown(path)} ends beyond the archive", member=True)
        return end + extra_len

    def _check_local_slowly(
        self, path: str, offset: int, header: bytes, expected: bytes, sizes: tuple[int, int, int]
    ) -> None:
        """Allow for what may differ: sizes in a descriptor behind the data, sizes in a ZIP64 field, version needed."""
        if len(header) < _LOCAL.size or header[:4] != _LOCAL_MAGIC:
            raise self._error(f"{shown(path)} has no local header", member=True)
        _, _, flags, method, _, _, crc, packed, size, name_len, extra_len = _LOCAL.unpack_from(header)
        flags_here, method_here = struct.unpack_from("<HH", expected, 2)
        if name_len != len(expected) - 24 or header[30:] != expected[24:]:
            raise self._error(f"{shown(path)} has another name in its local header", member=True)
        if flags != flags_here or method != method_here:
            raise self._error(f"{shown(path)} has another method or other flags in its local header", member=True)
        start = offset + _LOCAL.size + name_len
        extra = bytes(self._data[start : start + extra_len])
        size, packed = resolve_local(extra, (size, packed), expected[24:], self._named(path))
        allowed = {sizes, (0, 0, 0)} if flags & _DESCRIPTOR else {sizes}
        if (packed, size, crc) not in allowed:
            raise self._error(f"{shown(path)} has other sizes or another checksum in its local header", member=True)

    def _check_descriptor(self, path: str, position: int, values: tuple[int, int, int]) -> int:
        """Return where the descriptor behind a member's data ends.

        Its magic is optional, and its sizes have 4 or 8 bytes.
        """
        found = bytes(self._data[position : position + 24])
        for form in ("<LQQ", "<LLL"):
            if form == "<LLL" and max(values) > 0xFFFFFFFF:
                continue
            plain = struct.pack(form, *values)
            for text in (_DESCRIPTOR_MAGIC + plain, plain):
                if found.startswith(text):
                    return position + len(text)
        raise self._error(f"{shown(path)} has other sizes or another checksum behind its data", member=True)

    def _named(self, path: str) -> str:
        return f"{self._archive}: {shown(path)}"

    def _error(self, text: str, *, member: bool = False) -> ArchiveError:
        return ArchiveError(f"{self._archive}{':' if member else ''} {text}", where=self._archive)


def _check_gapless(archive: str, extents: list[tuple[int, int]], end: int) -> None:
    """Members must cover the file from its first byte to the directory, none twice and nothing between them."""
    position = 0
    for first, last in sorted(extents):
        if first != position:
            trouble = "members that overlap" if first < position else "data that belongs to no member"
            raise ArchiveError(f"{archive} has {trouble}", where=archive, why=f"at byte {min(first, position):,}")
        position = last
    if position != end:
        raise ArchiveError(f"{archive} has data that belongs to no member", where=archive, why=f"at byte {position:,}")
