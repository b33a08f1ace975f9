"""The METADATA member of a wheel, from the file or from as few of its bytes as it takes."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from typing import IO, cast

from pytest_fastenv.errors import ArchiveError, LimitError, MetadataError
from pytest_fastenv.wheel.core_metadata import LARGEST_METADATA
from pytest_fastenv.wheel.filenames import normalized

_MEMBER = re.compile(r"(?:\./)*([^/]+)\.dist-info/METADATA")
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


class MissingBytes(Exception):
    """Bytes of the archive that are needed and not there yet: ``[begin, end)``."""

    def __init__(self, begin: int, end: int) -> None:
        super().__init__(begin, end)
        self.begin = begin
        self.end = end


class Pieces(io.RawIOBase):
    """A file of which some pieces are there; reading others raises `MissingBytes`."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__()
        self._size = size_bytes
        self._position = 0
        self._pieces: list[tuple[int, bytes]] = []

    def put(self, begin: int, content: bytes) -> None:
        """Add a piece."""
        self._pieces.append((begin, content))

    def seekable(self) -> bool:
        """Any position can be gone to."""
        return True

    def readable(self) -> bool:
        """What is there can be read."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position, whether or not its bytes are there."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError("seek before the beginning")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Return bytes of one piece; fewer than asked for only at the end of the file."""
        begin = self._position
        end = self._size if size is None or size < 0 else min(begin + size, self._size)
        if begin >= end:
            return b""
        for start, content in self._pieces:
            if start <= begin and end <= start + len(content):
                self._position = end
                return content[begin - start : end - start]
        raise MissingBytes(begin, end)


def read_metadata(file: IO[bytes] | Pieces, *, name: str, source: str) -> bytes:
    """Return the METADATA of the wheel's one dist-info directory.

    :param file: the wheel; `MissingBytes` passes when it is a `Pieces`.
    :param name: normalized project name, to choose where a wheel carries dist-info directories of others.
    :raises MetadataError: it has none, or several.
    :raises ArchiveError: it is no archive that can be read.
    :raises OSError: the file cannot be read, which says nothing of the archive.
    """
    try:
        with zipfile.ZipFile(cast("IO[bytes]", file)) as archive:
            member = _member(archive, name, source)
            if member.file_size > LARGEST_METADATA:
                raise LimitError(f"METADATA of {member.file_size} bytes; at most 8 MiB are read", where=source)
            if member.compress_type not in _METHODS or member.flag_bits & 1:
                raise ArchiveError("METADATA is encrypted or compressed in a way wheels may not be", where=source)
            if isinstance(file, Pieces):
                # The whole member at once instead of one request for each of the reader's small steps. A local header
                # is 30 bytes, its name and its extra field, of which only the name's length is known before.
                span = 30 + len(member.orig_filename.encode()) + 256 + member.compress_size
                file.seek(member.header_offset)
                file.read(span)
            return archive.read(member)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, UnicodeError) as error:
        # For zipfile a file that cannot be read at this moment is none of its format: the first bytes tell.
        head = b"" if isinstance(file, Pieces) else _head(file)
        raise ArchiveError("the wheel is no archive that can be read", where=source, why=_why(error, head)) from error


def _head(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read(20)


def _why(error: Exception, head: bytes) -> str:
    return f"{error}; it begins with {head!r}" if head and not head.startswith(b"PK") else str(error)


def _member(archive: zipfile.ZipFile, name: str, source: str) -> zipfile.ZipInfo:
    found = [(match[1], info) for info in archive.infolist() if (match := _MEMBER.fullmatch(info.filename))]
    ours = [info for stem, info in found if normalized(stem.partition("-")[0]) == name]
    if len(ours) == 1:
        return ours[0]
    if not ours and len(found) == 1:
        return found[0][1]
    names = ", ".join(sorted(info.filename for _, info in found)) or "none"
    raise MetadataError("the wheel has no single METADATA", where=source, why=f"found: {names}")
