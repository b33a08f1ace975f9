"""A file of the store in every damaged state, for those who read it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def damaged(path: Path, *, cuts: int = 64) -> Iterator[str]:
    """Damage a file in one way after the other, and say how; afterwards it is whole again.

    Each byte is flipped once, in one of its bits, and the file is cut off at `cuts` lengths, also at the first and the
    last.
    """
    whole = path.read_bytes()
    os.chmod(path, 0o644)
    try:
        for position in range(len(whole)):
            changed = bytearray(whole)
            changed[position] ^= 1 << (position % 8)
            path.write_bytes(changed)
            yield f"byte {position} of {len(whole)} flipped"
        for length in {len(whole) * n // cuts for n in range(cuts)} | {len(whole) - 1}:
            path.write_bytes(whole[:length])
            yield f"cut off after {length} of {len(whole)} bytes"
    finally:
        path.write_bytes(whole)
