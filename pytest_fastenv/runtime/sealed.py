"""Content with its own digest before it: the one form of everything that is written to be believed later.

Readers of records act on every word. What a power cut left of a file, and a bit that flipped in it, must not be taken
for what was written. Standard library only: this module is on the warm path, and is copied into environments.
"""

from __future__ import annotations

import hashlib


def seal(content: bytes) -> bytes:
    """Return the content with its SHA-256 in a line before it."""
    return hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def unseal(sealed: bytes) -> bytes:
    """Return the content that was sealed.

    :raises ValueError: it is not what was written, or was never sealed.
    """
    _, _, content = sealed.partition(b"\n")
    if sealed != seal(content):
        msg = "the digest differs"
        raise ValueError(msg)
    return content
