"""Inflates members within the bounds they declare.

``isal`` inflates about twice as fast as zlib and checks checksums at memory speed; zlib does where it is missing.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

from pytest_fastenv.archive.member_paths import shown
from pytest_fastenv.archive.zip_directory import STORED, Member
from pytest_fastenv.errors import ArchiveError

#: Members above this size are handled in pieces, so that memory stays bounded.
WHOLE_BYTES = 16 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024

crc32: Callable[[Any, int], int]
_decompressor: Callable[[], Any]  # as zlib's decompression objects
_whole_decompressor: Callable[[], Any]  # the same in one call with all the data, faster
_errors: tuple[type[Exception], ...]
try:
    from isal import igzip_lib, isal_zlib
except ImportError:  # PyPy, and platforms without a wheel of isal
    crc32, _errors = zlib.crc32, (zlib.error,)
    _decompressor = _whole_decompressor = partial(zlib.decompressobj, -zlib.MAX_WBITS)
else:
    crc32, _errors = isal_zlib.crc32, (cast("type[Exception]", isal_zlib.error), EOFError)
    _decompressor = partial(isal_zlib.decompressobj, -zlib.MAX_WBITS)
    _whole_decompressor = partial(igzip_lib.IgzipDecompressor, igzip_lib.DECOMP_DEFLATE)


def inflate(data: memoryview, member: Member, archive: str) -> bytes | memoryview:
    """Return a member's content whole; at most its declared size and one byte are produced.

    :param data: the archive.
    :raises ArchiveError: size or checksum are not as declared, or the data is damaged.
    """
    start, size = member.start, member.size
    content: bytes | memoryview = data[start : start + member.packed]
    if member.method != STORED:
        engine = _whole_decompressor()
        try:
            content = engine.decompress(content, size + 1)
        except _errors as error:
            raise _damaged(archive, member, str(error)) from None
        if not engine.eof or engine.unused_data or len(content) != size:
            raise _other_size(archive, member)
    if crc32(content, 0) != member.crc:
        raise _other_checksum(archive, member)
    return content


def inflate_pieces(data: memoryview, member: Member, archive: str) -> Iterator[bytes | memoryview]:
    """Yield a member's content in pieces of about a mebibyte; the same checks, made when the last piece is taken.

    :raises ArchiveError: see `inflate`.
    """
    checksum, size = 0, 0
    for piece in _pieces(data[member.start : member.start + member.packed], member, archive):
        size += len(piece)
        if size > member.size:
            raise _other_size(archive, member)
        checksum = crc32(piece, checksum)
        yield piece
    if size != member.size:
        raise _other_size(archive, member)
    if checksum != member.crc:
        raise _other_checksum(archive, member)


def _pieces(packed: memoryview, member: Member, archive: str) -> Iterator[bytes | memoryview]:
    if member.method == STORED:
        for start in range(0, len(packed), _PIECE_BYTES):
            yield packed[start : start + _PIECE_BYTES]
        return
    engine = _decompressor()
    try:
        for start in range(0, len(packed), _PIECE_BYTES):
            pending: Any = packed[start : start + _PIECE_BYTES]
            while len(pending) and not engine.eof:
                piece = engine.decompress(pending, _PIECE_BYTES)
                pending = engine.unconsumed_tail
                if piece:
                    yield piece
            if engine.eof and (len(pending) or start + _PIECE_BYTES < len(packed)):
                break
        while not engine.eof and (piece := engine.decompress(engine.unconsumed_tail, _PIECE_BYTES)):
            yield piece
    except _errors as error:
        raise _damaged(archive, member, str(error)) from None
    if not engine.eof or engine.unused_data:
        raise _other_size(archive, member)


def _damaged(archive: str, member: Member, reason: str) -> ArchiveError:
    return ArchiveError(f"{archive}: {shown(member.path)} cannot be inflated", where=archive, why=reason)


def _other_size(archive: str, member: Member) -> ArchiveError:
    return ArchiveError(
        f"{archive}: {shown(member.path)} does not have the {member.size:,} bytes that it declares", where=archive
    )


def _other_checksum(archive: str, member: Member) -> ArchiveError:
    return ArchiveError(f"{archive}: {shown(member.path)} does not have the checksum that it declares", where=archive)
