"""What is known of a file before it is transferred, what came, and the comparison of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_fastenv.errors import HashError, SizeMismatchError
from pytest_fastenv.index.urls import shown
from pytest_fastenv.model.artifact import Hashes


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known of a file before it is transferred."""

    hashes: Hashes = Hashes()
    size_bytes: int | None = None

    def limit(self, received_bytes: int, url: str) -> None:
        """Stop a transfer that brings more than was announced.

        :raises SizeMismatchError: it does.
        """
        if self.size_bytes is not None and received_bytes > self.size_bytes:
            raise SizeMismatchError(f"{shown(url)} has more than the {self.size_bytes} bytes that were announced")


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What a transfer brought.

    :ivar digests: hexadecimal, by algorithm: SHA-256 always, and those that were demanded.
    :ivar validators: headers to ask with whether the file is still the same (``If-None-Match``, ...).
    """

    digests: dict[str, str]
    size_bytes: int
    validators: Mapping[str, str] = field(default_factory=dict)


def check(downloaded: Downloaded, expected: Expected, url: str) -> None:
    """Compare what came with what was announced.

    :raises IntegrityError: it differs; all digests are named.
    """
    if expected.size_bytes is not None and downloaded.size_bytes != expected.size_bytes:
        raise SizeMismatchError(
            f"{shown(url)} has {downloaded.size_bytes} bytes, {expected.size_bytes} were announced",
            hint="the index or a proxy answers with another file; nothing of it was kept",
        )
    check_hashes(downloaded.digests, expected.hashes, shown(url))


def check_hashes(digests: Mapping[str, str], hashes: Hashes, what: str) -> None:
    """Compare digests with those that are demanded.

    :param digests: what was computed, of all algorithms that are needed.
    :param what: the file, for messages.
    :raises HashError: they are others; all of them are named.
    """
    if hashes.accept(digests):
        return
    unmet = (demand for demand in hashes.demands if not any(digests.get(a) == digest for a, digest in demand))
    lines = [f"expected {algorithm} {digest}" for demand in unmet for algorithm, digest in demand]
    algorithms = dict.fromkeys(line.split()[1] for line in lines)
    lines += [f"got      {algorithm} {digests[algorithm]}" for algorithm in algorithms]
    raise HashError(
        f"{what} is not the file that was announced",
        why="\n".join(lines),
        hint="it was changed since, or something on the way answers in its place: try again later; nothing was kept",
    )
