"""Artifacts: files at an index, at a URL or in a directory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

#: Algorithms whose digests fix a content, strongest first. PEP 503 recommends one that hashlib guarantees.
ALGORITHMS = ("sha512", "sha384", "sha256", "sha3_512", "sha3_384", "sha3_256", "blake2b", "blake2s", "sha224")
#: Those for which two files with one digest can be made. They are checked where nothing better is said of a file.
WEAK_ALGORITHMS = ("md5", "sha1")

Demand = tuple[tuple[str, str], ...]
"""Digests of which bytes must have one, each as algorithm and hexadecimal value."""


@dataclass(frozen=True, slots=True)
class Hashes:
    """What the bytes of an artifact must be: every demand has to be met. Without demands, any bytes will do.

    One demand is what one party says, and demands of several parties hold together: an index's announcement of a
    file, a line of a requirements file with all its ``--hash``, the fragment of a URL.

    :ivar demands: sorted; none that another one implies.
    """

    demands: tuple[Demand, ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, str] | Iterable[tuple[str, str]]) -> Hashes:
        """Make a value of what is said about one file: ``{algorithm: hex}`` or pairs; a SHA-256 says it all.

        Without one, a digest of each algorithm is demanded; of the weak ones only where no other is named. Unknown
        algorithms are left out.
        """
        pairs = values.items() if isinstance(values, Mapping) else values
        named: dict[str, set[str]] = {}
        for algorithm, digest in pairs:
            named.setdefault(algorithm.lower(), set()).add(digest.lower())
        for accepted in (("sha256",), ALGORITHMS, WEAK_ALGORITHMS):
            known = [tuple(sorted((a, digest) for digest in named[a])) for a in accepted if a in named]
            if known:
                return cls(tuple(sorted(known)))
        return cls()

    @classmethod
    def one_of(cls, digests: Iterable[tuple[str, str]]) -> Hashes:
        """Make a value of alternatives: the ``--hash`` options of one line, as pip takes them."""
        demand = tuple(sorted({(algorithm.lower(), digest.lower()) for algorithm, digest in digests}))
        return cls((demand,)) if demand else cls()

    def __bool__(self) -> bool:
        return bool(self.demands)

    @property
    def sha256(self) -> str | None:
        """The SHA-256 that names the artifact in the store; ``None`` where anything else is to be checked, too."""
        if len(self.demands) == 1 and len(self.demands[0]) == 1 and self.demands[0][0][0] == "sha256":
            return self.demands[0][0][1]
        return None

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms to compute, each once."""
        return tuple(sorted({algorithm for demand in self.demands for algorithm, _ in demand}))

    def accept(self, digests: Mapping[str, str]) -> bool:
        """Tell whether computed digests satisfy this value; they are of all its `algorithms`."""
        return all(any(digests.get(a) == digest for a, digest in demand) for demand in self.demands)

    def may_accept(self, announced: Hashes) -> bool:
        """Tell whether bytes of which that much is known can satisfy this value."""
        if not self.demands:
            return True
        # What is known says of some algorithms which values are left.
        left = {
            demand[0][0]: {digest for _, digest in demand}
            for demand in announced.demands
            if len({algorithm for algorithm, _ in demand}) == 1
        }
        return all(any(a not in left or digest in left[a] for a, digest in demand) for demand in self.demands)

    def __and__(self, other: Hashes) -> Hashes:
        """Return what satisfies both."""
        demands = {*self.demands, *other.demands}
        implied = {one for one in demands if any(set(another) < set(one) for another in demands)}
        return Hashes(tuple(sorted(demands - implied)))


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
        sha256 = self.hashes.sha256
        if sha256:
            return [self.filename, sha256]
        return [self.filename, self.url, self.hashes.demands]
