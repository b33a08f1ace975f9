"""What the entry of an unpacked wheel says of itself: facts about the wheel, and every file with size, digest and time.

::

    wheels-v3/ab/<sha256 of the wheel>/tree/            its files
    wheels-v3/ab/<sha256 of the wheel>/manifest.json    what is known of each, so that a change is noticed later
    wheels-v3/ab/<sha256 of the wheel>/wheel.json       the facts

The manifest is a sealed file of columns. Reading it is a matter of a few milliseconds for a thousand files.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from pytest_fastenv.archive.member_paths import paths_below
from pytest_fastenv.filesystem.tree import access
from pytest_fastenv.store.sealed import load, to_bytes
from pytest_fastenv.wheel.entry_points import Script
from pytest_fastenv.wheel.record import encode, quote

if TYPE_CHECKING:
    from pathlib import Path  # this module is imported by processes that unpack and link

TREE, MANIFEST, SUMMARY = "tree", "manifest.json", "wheel.json"
"""Names inside an entry: the files, what is known of each, and the facts about the wheel."""


class WheelFacts(NamedTuple):
    """What unpacking found out about a wheel; kept beside it, so that cached bytes get the same verdict.

    :ivar name: as METADATA writes it, not normalized.
    :ivar version: as METADATA writes it.
    :ivar dist_info: name of the ``.dist-info`` directory.
    :ivar data: name of the ``.data`` directory; empty when the wheel has none.
    :ivar files: number of files in the tree.
    :ivar size_bytes: of all files together.
    :ivar metadata_sha256: of METADATA; compared with what an index announced (PEP 658).
    :ivar warnings: what is odd but accepted; told to the user each time the wheel is used.
    :ivar pth_code: what runs code whenever the interpreter starts: ``.pth`` files, and modules that `site` imports.
    :ivar record_fault: why RECORD was not accepted, when the project is exempt from the check; else empty.
    :ivar label: the name that the texts call the wheel; see `told_of`.
    """

    name: str
    version: str
    dist_info: str
    root_is_purelib: bool
    data: str
    files: int
    size_bytes: int
    metadata_sha256: str
    warnings: tuple[str, ...] = ()
    pth_code: tuple[str, ...] = ()
    record_fault: str = ""
    label: str = ""

    def told_of(self, filename: str) -> WheelFacts:
        """Return the same facts in the words for another file: its bytes were unpacked under a name of their own."""
        if self.label in {"", filename}:
            return self
        warnings = tuple(warning.replace(self.label, filename) for warning in self.warnings)
        fault = self.record_fault.replace(self.label, filename)
        return self._replace(warnings=warnings, record_fault=fault, label=filename)

    @property
    def accepted(self) -> tuple[str, ...]:
        """What is told to those who use the wheel."""
        if not self.record_fault:
            return self.warnings
        return (f"{self.record_fault} (accepted: {self.name} is exempt from the check)", *self.warnings)

    def save(self, path: str) -> None:
        """Write them to a new file."""
        with open(path, "xb") as file:
            file.write(to_bytes(self))

    @classmethod
    def load(cls, path: Path) -> WheelFacts | None:
        """Read the facts of a store entry; ``None`` when they are not there or not whole."""
        return load(path, cls)


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
    :ivar plain_access: mode and owner of files without the execute bits (`pytest_fastenv.filesystem.tree.access`); 0
        where there are none.
    :ivar executable_access: likewise of those with them.
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
    plain_access: int
    executable_access: int

    def save(self, path: str) -> None:
        """Write it to a new file."""
        with open(path, "xb") as file:
            file.write(to_bytes(self))

    @classmethod
    def load(cls, path: str) -> Manifest | None:
        """Read it; ``None`` when it is not there or not whole."""
        return load(path, cls)

    @classmethod
    def load_naming(cls, path: str, names: Collection[str]) -> Manifest | None:
        """Read it, if some file in it may have one of some names; most have none, and reading them takes time."""
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError:
            return None
        written = (json.dumps(name)[1:-1].encode() for name in names)
        return cls.load(path) if any(name in content for name in written) else None

    def files(self) -> Iterator[ManifestFile]:
        """Yield every file with its digest."""
        for path, size, mtime_ns, line in zip(self.paths, self.sizes, self.mtimes_ns, self.lines, strict=True):
            digest = line[len(quote(path)) + 1 :].rpartition(",")[0].removeprefix("sha256=")
            yield ManifestFile(path, size, mtime_ns, digest)

    def changed(self, tree: str) -> list[str]:
        """Return the files whose size, modification time, mode or owner is not what it was, or that are gone.

        What reached the store through a hard link shows here, and so does what a power cut took.
        """
        changed = []
        allowed = [self.plain_access] * len(self.paths)
        for index in self.executable:
            allowed[index] = self.executable_access
        try:
            with paths_below(tree) as (before, options):
                for path, *known in zip(self.paths, self.sizes, self.mtimes_ns, allowed, strict=True):
                    try:
                        found = os.stat(before + path, follow_symlinks=False, **options)
                    except OSError:
                        changed.append(path)
                        continue
                    if [found.st_size, found.st_mtime_ns, access(found)] != known:
                        changed.append(path)
        except FileNotFoundError:
            return list(self.paths) or [TREE]
        return changed

    def really_changed(self, tree: str, *, heals: bool = False) -> list[str]:
        """Return the files that are not what they were, by their content where only a time is another.

        Archives that keep whole seconds, or none, give a store back with other times: those of a CI service, mostly.

        :param heals: what is as it was gets its time back, and so do the environments that it is linked into.
        """
        suspects = self.changed(tree)
        if not suspects:
            return []
        known = {file.path: file for file in self.files()}
        executable = {self.paths[index] for index in self.executable}
        changed = []
        for path in suspects:
            file = known.get(path)
            allowed = self.executable_access if path in executable else self.plain_access
            if file is None or not _has_content(f"{tree}/{path}", file, allowed):
                changed.append(path)
            elif heals:
                with suppress(OSError):  # a store that cannot be written: looked at again the next time
                    os.utime(f"{tree}/{path}", ns=(file.mtime_ns, file.mtime_ns), follow_symlinks=False)
        return changed


def _has_content(path: str, file: ManifestFile, allowed: int) -> bool:
    """Tell whether a file is what it was but for its time: type, mode, owner, and every byte."""
    try:
        status = os.stat(path, follow_symlinks=False)
        if status.st_size != file.size or access(status) != allowed:
            return False
        with open(path, "rb") as content:
            return encode(hashlib.file_digest(content, "sha256").digest()) == file.digest
    except OSError:
        return False


def check(entry: Path) -> str | None:
    """Say how an entry differs from what was unpacked, by every byte of it; ``None`` when it does not."""
    known = Manifest.load(str(entry / MANIFEST))
    if known is None or WheelFacts.load(entry / SUMMARY) is None:
        return "what is known of its files is damaged"
    tree = entry / TREE
    for path in known.really_changed(str(tree)):
        return f"{path} changed"
    for file in known.files():
        with open(tree / file.path, "rb") as content:
            if encode(hashlib.file_digest(content, "sha256").digest()) != file.digest:
                return f"{file.path} has other content"
    return None
