"""What a server answers, its body decoded."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_fastenv.errors import IndexAnswerError, NetworkError
from pytest_fastenv.index.retry import Passing
from pytest_fastenv.index.urls import shown

LARGEST_BODY = 256 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, body decoded.

    :ivar headers: names in lower case; several values of one name joined by a comma.
    :ivar url: where it came from after redirects, without credentials.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str

    @property
    def content_type(self) -> str:
        """The media type, lower case, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def decoded(content: bytes, encoding: str, url: str) -> bytes:
    """Undo the content codings that were offered (RFC 9110 8.4.1).

    :raises Passing: the body is damaged.
    :raises IndexAnswerError: it is in another coding, or has more than 256 MiB.
    """
    coding = encoding.strip().lower()
    if coding in {"", "identity"}:
        return content
    wbits = {"gzip": 31, "x-gzip": 31, "deflate": 15}.get(coding)
    if wbits is None:
        raise IndexAnswerError(f"{shown(url)} answers in the coding {coding!r}, which was not offered")
    try:
        reader = zlib.decompressobj(wbits)
        decoded = reader.decompress(content, LARGEST_BODY)
    except zlib.error as error:
        raise Passing(NetworkError(f"{shown(url)}: the {coding} body is damaged", why=str(error))) from error
    if reader.unconsumed_tail:
        raise IndexAnswerError(f"{shown(url)} answers more than {LARGEST_BODY >> 20} MiB")
    return decoded
