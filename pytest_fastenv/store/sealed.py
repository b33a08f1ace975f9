"""Text with its own checksum, for files of an entry that say what is in it.

Their readers act on every word. What a power cut left of such a file, and a byte that flipped in it, must not be taken
for what was written.
"""

from __future__ import annotations

import zlib


def seal(text: str) -> bytes:
    """Return the text (ASCII) with its checksum in a line before it."""
    content = text.encode("ascii")
    return b"%08x\n%s" % (zlib.crc32(content), content)


def unseal(content: bytes) -> bytes:
    """Return the text that was sealed.

    :raises ValueError: it is not what was written, or was never sealed.
    """
    checksum, _, text = content.partition(b"\n")
    if checksum != b"%08x" % zlib.crc32(text):
        msg = "the checksum differs"
        raise ValueError(msg)
    return text
