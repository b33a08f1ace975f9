"""Decompresses a source distribution's outer layer within bounds."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from typing import IO

from pytest_fastenv.archive.limits import Limits
from pytest_fastenv.errors import SdistError

_PIECE_BYTES = 1024 * 1024
_XZ_MEMORY_BYTES = 256 * 1024 * 1024
_GZIP, _BZIP2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"


def decompress(source: IO[bytes], into: IO[bytes], archive: str, limits: Limits) -> None:
    """Write what an archive's outer layer holds; what has none is copied.

    The format is told by the first bytes, not by the file's name.

    :param archive: its name, for messages.
    :raises BombError: it expands out of proportion; at most a mebibyte beyond the limit was written.
    :raises SdistError: it is damaged.
    """
    head = source.read(6)
    source.seek(0)
    written = 0
    try:
        for piece in _pieces(source, head):
            written += len(piece)
            limits.check_expansion(archive, source.tell(), written)
            into.write(piece)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise SdistError(f"{archive} cannot be decompressed", where=archive, why=str(error)) from None
    except OSError as error:
        if error.errno is not None:  # bz2 reports damage as an error of the system without a number
            raise
        raise SdistError(f"{archive} cannot be decompressed", where=archive, why=str(error)) from None
    into.seek(0)


def _pieces(source: IO[bytes], head: bytes) -> Iterator[bytes]:
    if head.startswith(_XZ):
        yield from _xz_pieces(source)
        return
    stream: IO[bytes] = source
    if head.startswith(_GZIP):
        stream = gzip.GzipFile(fileobj=source, mode="rb")  # type: ignore[assignment]
    elif head.startswith(_BZIP2):
        stream = bz2.BZ2File(source)
    while piece := stream.read(_PIECE_BYTES):
        yield piece


def _xz_pieces(source: IO[bytes]) -> Iterator[bytes]:
    """Read xz with a limit on its memory, which the file object of the standard library does not have."""
    engine = lzma.LZMADecompressor(memlimit=_XZ_MEMORY_BYTES)
    while not engine.eof:
        packed = source.read(_PIECE_BYTES // 16) if engine.needs_input else b""
        if engine.needs_input and not packed:
            raise EOFError("the compressed data ends too early")
        if piece := engine.decompress(packed, _PIECE_BYTES):
            yield piece
    if (engine.unused_data + source.read()).strip(b"\0"):
        raise lzma.LZMAError("data follows the end of the archive")
