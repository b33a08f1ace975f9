"""Decompresses an archive's outer layer within bounds."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, Any, cast

from pytest_fastenv.archive.limits import Limits
from pytest_fastenv.errors import ArchiveError


class _Gunzip:
    """Decompresses with zlib as the classes of `bz2` and `lzma` do, for where isal is missing."""

    def __init__(self) -> None:
        self._engine = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    @property
    def needs_input(self) -> bool:
        return not self._engine.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self._engine.eof

    @property
    def unused_data(self) -> bytes:
        return self._engine.unused_data

    def decompress(self, packed: bytes, most: int) -> bytes:
        return self._engine.decompress(self._engine.unconsumed_tail + packed, most)


_new_gunzip: Callable[[], Any]
_gzip_error: type[Exception]
try:
    from isal import igzip_lib, isal_zlib
except ImportError:  # PyPy, and platforms without a wheel of isal
    _new_gunzip, _gzip_error = _Gunzip, zlib.error
else:  # two to three times as fast
    _new_gunzip = partial(igzip_lib.IgzipDecompressor, igzip_lib.DECOMP_GZIP)
    _gzip_error = cast("type[Exception]", isal_zlib.error)

_PIECE_BYTES = 1024 * 1024
_XZ_MEMORY_BYTES = 256 * 1024 * 1024
_GZIP, _BZIP2, _XZ, _ZSTD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"


def decompress(source: IO[bytes], into: IO[bytes], archive: str, limits: Limits) -> None:
    """Write what an archive's outer layer holds; what has none is copied.

    The format is told by the first bytes, not by the file's name.

    :param archive: its name, for messages.
    :raises BombError: it expands out of proportion; at most a mebibyte beyond the limit was written.
    :raises ArchiveError: it is damaged.
    """
    head = source.read(6)
    source.seek(0)
    written = 0
    try:
        for piece in _pieces(source, head):
            written += len(piece)
            limits.check_expansion(archive, source.tell(), written)
            into.write(piece)
    except (EOFError, zlib.error, _gzip_error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise ArchiveError(f"{archive} cannot be decompressed", where=archive, why=str(error)) from None
    except OSError as error:
        if error.errno is not None:  # bz2 reports damage as an error of the system without a number
            raise
        raise ArchiveError(f"{archive} cannot be decompressed", where=archive, why=str(error)) from None
    into.seek(0)


def _pieces(source: IO[bytes], head: bytes) -> Iterator[bytes]:
    if head.startswith(_ZSTD):
        yield from _zstd_pieces(source)
        return
    for magic, new_engine in (
        (_XZ, partial(lzma.LZMADecompressor, memlimit=_XZ_MEMORY_BYTES)),  # its file object has no limit
        (_GZIP, _new_gunzip),
        (_BZIP2, bz2.BZ2Decompressor),
    ):
        if head.startswith(magic):
            yield from _one_stream(source, new_engine())
            return
    while piece := source.read(_PIECE_BYTES):
        yield piece


def _zstd_pieces(source: IO[bytes]) -> Iterator[bytes]:
    """Read Zstandard, whose windows are limited to 128 MiB by default (RFC 8878, section 3.1.1.1.2)."""
    # Imported here: of what is unpacked only some interpreters are packed so.
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    try:
        with zstd.ZstdFile(source) as stream:
            while piece := stream.read(_PIECE_BYTES):
                yield piece
    except zstd.ZstdError as error:
        raise EOFError(str(error)) from None


def _one_stream(source: IO[bytes], engine: Any) -> Iterator[bytes]:
    """Read the one stream that a file is: of several, programs read all, or the first."""
    while not engine.eof:
        packed = source.read(_PIECE_BYTES // 16) if engine.needs_input else b""
        if engine.needs_input and not packed:
            raise EOFError("the compressed data ends too early")
        if piece := engine.decompress(packed, _PIECE_BYTES):
            yield piece
    if (engine.unused_data + source.read()).strip(b"\0"):
        raise EOFError("data follows the end of the archive")
