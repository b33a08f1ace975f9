"""The manifest of an unpacked wheel: every file with size, digest and time, so that a change is noticed later.

One JSON file of columns, with its checksum in the first line. Reading it is a matter of a few milliseconds for a
thousand files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from pytest_fastenv.archive.member_paths import paths_below
from pytest_fastenv.store.sealed import seal, unseal
from pytest_fastenv.wheel.entry_points import Script
from pytest_fastenv.wheel.record import quote

TREE, MANIFEST, SUMMARY = "tree", "manifest.json", "wheel.json"
"""Names inside an entry of `Bucket.WHEELS`: the files, what is known of each, and the facts about the wheel."""

_FORMAT = 1


class ManifestFile(NamedTuple):
    """One file of the tree.

    :ivar digest: SHA-256 as RECORD has it: URL-safe base64 without padding.
    """

    path: str
    size: int
    mtime_ns: int
    digest: str


class Manifest(NamedTuple):
    """All files of one tree, column by column.

    :ivar directories: parents first.
    :ivar paths: of files, relative to the tree, forward slashes; those of ``.data`` last.
    :ivar data_from: index of the first path below ``.data``.
    :ivar lines: each file's line in RECORD, without the end.
    :ivar executable: indexes of files with the execute bits set.
    :ivar rewritten: indexes of scripts that begin with ``#!python`` and get the environment's interpreter.
    :ivar scripts: console and GUI scripts.
    """

    directories: list[str]
    paths: list[str]
    sizes: list[int]
    mtimes_ns: list[int]
    lines: list[str]
    data_from: int
    executable: list[int]
    rewritten: list[int]
    scripts: list[Script]

    def save(self, path: str) -> None:
        """Write it to a new file."""
        text = json.dumps([_FORMAT, *self], separators=(",", ":"), ensure_ascii=True)
        with open(path, "xb") as file:
            file.write(seal(text))

    @classmethod
    def load(cls, path: str) -> Manifest | None:
        """Read it; ``None`` when it is not there or not whole."""
        try:
            with open(path, "rb") as file:
                form, *columns = json.loads(unseal(file.read()))
            manifest = cls(*columns)
            counts = {len(column) for column in (manifest.paths, manifest.sizes, manifest.mtimes_ns, manifest.lines)}
        except (OSError, ValueError, TypeError):
            return None
        if form != _FORMAT or len(counts) != 1:
            return None
        return manifest._replace(scripts=[Script(*script) for script in manifest.scripts])

    def files(self) -> Iterator[ManifestFile]:
        """Yield every file with its digest."""
        for path, size, mtime_ns, line in zip(self.paths, self.sizes, self.mtimes_ns, self.lines, strict=True):
            digest = line[len(quote(path)) + 1 :].rpartition(",")[0].removeprefix("sha256=")
            yield ManifestFile(path, size, mtime_ns, digest)

    def changed(self, tree: str) -> list[str]:
        """Return the files whose size or modification time is not what it was, or that are gone.

        An edit that reached the store through a hard link shows here, and so does what a power cut took.
        """
        changed = []
        try:
            with paths_below(tree) as (before, options):
                for path, size, mtime_ns in zip(self.paths, self.sizes, self.mtimes_ns, strict=True):
                    try:
                        found = os.stat(before + path, follow_symlinks=False, **options)
                    except OSError:
                        changed.append(path)
                        continue
                    if found.st_size != size or found.st_mtime_ns != mtime_ns:
                        changed.append(path)
        except FileNotFoundError:
            return list(self.paths) or [TREE]
        return changed


def facts_text(facts: dict[str, Any]) -> bytes:
    """Return facts about a wheel as they are kept beside its manifest."""
    return seal(json.dumps(facts, separators=(",", ":")))
