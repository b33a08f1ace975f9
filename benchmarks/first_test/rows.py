"""What is compared, with the figures that this project wants to reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.first_test.needs import Needs


class Row(NamedTuple):
    """A comparison of two ways.

    :ivar limit: the greatest ratio that is wanted; ``None`` where there is none.
    """

    text: str
    own: str
    other: str
    limit: float | None = None


def rows(needs: Needs) -> Iterator[Row]:
    """Return all rows of the page, most important first."""
    yield Row("nothing there, until the first test / uv", "cold test", "uv cold test", 0.65)
    yield Row("caches filled, new environment, until the first test / uv", "warm test", "uv warm test", 0.45)
    yield Row("the same with symbolic links / uv", "warm test symlink", "uv warm test", 0.35)
    yield Row("the same with symbolic links / uv with symbolic links", "warm test symlink", "uv warm test symlink")
    yield Row("nothing changed, until the first test / pytest in that environment", "unchanged test", "plain test", 1.6)
    yield Row("the same by `fastenv run` / pytest in that environment", "unchanged run", "plain test", 1.15)
    yield Row("another release of one requirement / uv's new environment", "changed", "uv warm", 0.3)
    yield Row("nothing there, the environment alone / uv", "cold", "uv cold", 1.0)
    yield Row("the same over a link of 40 ms and 100 Mbit/s / uv", "cold far", "uv cold far", 1.0)
    yield Row("caches filled, the environment alone / uv", "warm", "uv warm", 0.8)
    yield Row("the same with symbolic links / uv", "warm symlink", "uv warm", 0.15)
    yield Row("choosing versions, metadata in the cache / uv", "lock", "uv lock")
    for count in needs.growth:
        yield Row(f"{count} small distributions, caches filled / uv", f"grown {count}", f"uv grown {count}")
