"""The digests that name things: of values, of bytes, of files. All are SHA-256, as 64 hexadecimal digits.

Standard library only: this module is on the warm path.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from typing import Any

from pytest_fastenv.model.codec import encode_for_key

_CHUNK = 1 << 20


def key_of(*parts: Any) -> str:
    """Return the key of what some values decide: equal values give equal keys, and every field of each counts.

    A field that is added to a class is in the key from then on, also while it is at its default.

    :param parts: dataclasses, named tuples, enumerations, paths, and what JSON can hold.
    :raises TypeError: a part is none of these.
    """
    text = json.dumps([encode_for_key(part) for part in parts], sort_keys=True, separators=(",", ":"))
    return bytes_sha256(text.encode("utf-8", "surrogatepass"))


def bytes_sha256(content: bytes) -> str:
    """Return the digest of some bytes."""
    return hashlib.sha256(content).hexdigest()


def text_sha256(text: str) -> str:
    """Return the digest of a text; file names and variables that are not UTF-8 have one, too."""
    return bytes_sha256(text.encode("utf-8", "surrogateescape"))


def hasher(algorithm: str) -> hashlib._Hash:
    """Return what computes digests of an algorithm; of the weak ones, too, where policies keep them from ciphers."""
    return hashlib.new(algorithm, usedforsecurity=False)


def file_digests(path: str | os.PathLike[str], algorithms: Iterable[str]) -> dict[str, str]:
    """Return hexadecimal digests of a file's content by algorithm; it is read once. Blocks.

    :raises OSError: it cannot be read.
    """
    hashers = {algorithm: hasher(algorithm) for algorithm in algorithms}
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            for each in hashers.values():
                each.update(chunk)
    return {algorithm: each.hexdigest() for algorithm, each in hashers.items()}


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the digest of a file's content; blocks.

    :raises OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
