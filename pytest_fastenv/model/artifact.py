"""Artifacts: files at an index, at a URL or in a directory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

#: Algorithms accepted for artifacts, strongest first. PEP 503 recommends one that hashlib guarantees;
#: md5 and sha1 are refused because they no longer identify a file.
ALGORITHMS = ("sha512", "sha384", "sha256", "sha3_512", "sha3_384", "sha3_256", "blake2b", "blake2s", "sha224")


@dataclass(frozen=True, slots=True)
class Hashes:
    """Digests that an artifact must have: for each algorithm the accepted hexadecimal values.

    Several values for one algorithm mean "any of these" (pip's meaning of a repeated ``--hash``).
    An empty value accepts any bytes.
    """

    values: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, str] | Iterable[tuple[str, str]]) -> Hashes:
        """Make a value from ``{algorithm: hex}`` or pairs; algorithms not in `ALGORITHMS` are left out."""
        pairs = values.items() if isinstance(values, Mapping) else values
        kept = {(algorithm.lower(), digest.lower()) for algorithm, digest in pairs if algorithm.lower() in ALGORITHMS}
        return cls(tuple(sorted(kept)))

    def __bool__(self) -> bool:
        return bool(self.values)

    @property
    def sha256(self) -> str | None:
        """The SHA-256 when exactly one is accepted: it names the artifact in the store."""
        found = [digest for algorithm, digest in self.values if algorithm == "sha256"]
        return found[0] if len(found) == 1 else None

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms to compute, each once."""
        return tuple(sorted({algorithm for algorithm, _ in self.values}))

    def accept(self, digests: Mapping[str, str]) -> bool:
        """Tell whether computed digests satisfy this value: for every algorithm named, one of its digests."""
        return all(
            any(a == algorithm and d == digests.get(algorithm) for a, d in self.values) for algorithm in self.algorithms
        )

    def with_sha256(self, digest: str) -> Hashes:
        """Return the same demands with the one SHA-256 that the bytes were found to have."""
        return Hashes.of([*(value for value in self.values if value[0] != "sha256"), ("sha256", digest)])

    def __and__(self, other: Hashes) -> Hashes:
        """Combine what two parties demand: both must be satisfied (the narrower one wins per algorithm)."""
        if not self or not other:
            return self or other
        mine, theirs = set(self.algorithms), set(other.algorithms)
        kept = [v for v in self.values if v[0] not in theirs] + [v for v in other.values if v[0] not in mine]
        for algorithm in mine & theirs:
            both = [v for v in self.values if v[0] == algorithm and v in other.values]
            # Nothing in common: keep ours, so that the check fails and both sides are named then.
            kept += both or [v for v in self.values if v[0] == algorithm]
        return Hashes(tuple(sorted(kept)))


@dataclass(frozen=True, slots=True)
class Artifact:
    """A wheel or a source distribution, by where it lies and what is known of it before it is fetched.

    :ivar name: normalized project name (PEP 503).
    :ivar version: canonical version as text; empty when only the artifact itself can tell (a direct URL to an
        archive whose name does not say).
    :ivar filename: last segment of the URL's path, unquoted.
    :ivar url: absolute, without fragment; ``file:`` for local files. May carry no credentials.
    :ivar hashes: what the bytes must be (index fragment or JSON, and ``--hash``).
    :ivar size_bytes: as announced, or ``None``.
    :ivar requires_python: as announced by the index (PEP 345), or ``None``.
    :ivar yanked: the reason (PEP 592), empty when none was given; ``None`` when not yanked.
    :ivar metadata: digests of the metadata file beside a wheel (PEP 658, PEP 714); an empty value when it is there
        without a digest; ``None`` when there is none.
    :ivar index_url: the index or find-links location it was found at, without credentials; ``None`` for direct URLs.
    :ivar upload_time: RFC 3339 text (PEP 700), or ``None``.
    """

    name: str
    version: str
    filename: str
    url: str
    hashes: Hashes = Hashes()
    size_bytes: int | None = None
    requires_python: str | None = None
    yanked: str | None = None
    metadata: Hashes | None = None
    index_url: str | None = None
    upload_time: str | None = None

    @property
    def kind(self) -> Literal["wheel", "sdist"]:
        """What the file name says; everything that is no wheel is a source distribution."""
        return "wheel" if self.filename.endswith(".whl") else "sdist"

    @property
    def identity(self) -> list[Any]:
        """What stands for the bytes, as JSON can hold it: their digest, else all that is known about them."""
        if self.hashes.sha256:
            return [self.filename, self.hashes.sha256]
        return [self.filename, self.url, self.hashes.values]
