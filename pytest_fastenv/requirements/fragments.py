"""The part of a requirement's URL behind ``#``: digest, name and subdirectory."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import unquote

from pytest_fastenv.model.artifact import ALGORITHMS, WEAK_ALGORITHMS, Hashes
from pytest_fastenv.model.digest import hasher
from pytest_fastenv.requirements.excerpt import Excerpt


@dataclass(frozen=True, slots=True)
class Fragment:
    """What a fragment says; `egg` is a name that may carry extras."""

    hashes: Hashes = Hashes()
    egg: str | None = None
    subdirectory: str | None = None


def parse_fragment(fragment: str, excerpt: Excerpt) -> Fragment:
    """Read ``sha256=...&egg=...&subdirectory=...``; other keys are of no meaning to us and pass.

    :raises RequirementsError: a digest or a subdirectory is not acceptable.
    """
    digests: list[tuple[str, str]] = []
    values: dict[str, str] = {}
    for pair in filter(None, re.split("[&#]", fragment)):  # a second # separates, too, as for pip
        key, _, value = pair.partition("=")
        offset = max(excerpt.text.find(pair), 0)
        if key in ALGORITHMS or key in WEAK_ALGORITHMS:
            _check_length(key, value, excerpt, offset)
            digests.append((key, value))
        elif key == "subdirectory":
            values[key] = _subdirectory(unquote(value), excerpt, offset)
        elif key == "egg":
            values[key] = unquote(value)
    return Fragment(Hashes.of(digests), values.get("egg") or None, values.get("subdirectory") or None)


def check_digest(algorithm: str, digest: str, excerpt: Excerpt) -> None:
    """Make sure that the digest of a ``--hash`` can identify a file.

    The weak algorithms do not, and pip takes them in the fragments of URLs alone.

    :raises RequirementsError: an algorithm that is unknown or too weak, or a value that is none of its digests.
    """
    if algorithm in WEAK_ALGORITHMS:
        raise excerpt.error(
            f"{algorithm} does not identify a file any more", hint="use sha256; pip hash FILE computes it"
        )
    if algorithm not in ALGORITHMS:
        raise excerpt.error(f"unknown hash algorithm {algorithm!r}", hint=f"use one of {', '.join(ALGORITHMS)}")
    _check_length(algorithm, digest, excerpt, 0)


def _check_length(algorithm: str, digest: str, excerpt: Excerpt, offset: int) -> None:
    expected = hasher(algorithm).digest_size * 2
    if len(digest) != expected or set(digest.lower()) - set("0123456789abcdef"):
        what = (
            f"this is no {algorithm} digest: {expected} hexadecimal digits are needed, {len(digest)} characters found"
        )
        raise excerpt.error(what, offset)


def _subdirectory(value: str, excerpt: Excerpt, offset: int) -> str:
    path = posixpath.normpath(value.replace("\\", "/").strip("/")) if value.strip("/") else "."
    if path == ".." or path.startswith("../"):
        what = f"subdirectory {value!r} leaves its source"
        raise excerpt.error(what, offset, hint="write the project's directory, as seen from the top of the source")
    return "" if path == "." else path
