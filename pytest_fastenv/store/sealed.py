"""Values in sealed files: every record of the store, and what its entries say about themselves.

A file that is not as it was written, for any reason, counts as absent: its content is found out again.
"""

from __future__ import annotations

import os
from typing import Any, TypeVar

from pytest_fastenv.model.codec import decode, encode
from pytest_fastenv.model.regular_files import read_regular
from pytest_fastenv.runtime.sealed import seal, unseal

T = TypeVar("T")

#: Far more than anything that is kept has: what is larger was not written by us.
_MOST_BYTES = 256 << 20


def to_bytes(value: Any, kind: Any = None) -> bytes:
    """Return a value as a sealed file holds it: its digest in the first line, then JSON.

    :param kind: see `pytest_fastenv.model.codec.encode`.
    """
    import json  # a run that finds its environment by another way needs none

    return seal(json.dumps(encode(value, kind), separators=(",", ":")).encode())


def load(path: str | os.PathLike[str], kind: type[T]) -> T | None:
    """Return the value in a sealed file; ``None`` when it is not there, not whole, or of another shape."""
    import json

    try:
        return decode(kind, json.loads(unseal(read_regular(path, _MOST_BYTES))))
    except (OSError, ValueError):
        return None
