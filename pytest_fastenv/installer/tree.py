"""Writes a wheel's files into a tree, hashing them on the way: the part of unpacking that takes the time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import NamedTuple

from pytest_fastenv.errors import ArchiveError
from pytest_fastenv.installer.archive.inflate import WHOLE_BYTES, inflate, inflate_pieces
from pytest_fastenv.installer.archive.member_paths import NEW_FILE, shown
from pytest_fastenv.installer.archive.zip_directory import Member
from pytest_fastenv.installer.entry_points import Script
from pytest_fastenv.installer.manifest import Manifest
from pytest_fastenv.installer.record import content_digest, encode, line

_PTH_CODE = ("import ", "import\t")


class OpenArchive(NamedTuple):
    """An archive whose directory was read: its bytes, its files by path, its name for messages."""

    data: memoryview
    members: dict[str, Member]
    label: str

    def read(self, member: Member) -> bytes | memoryview:
        """Return a file's content; see `inflate`."""
        return inflate(self.data, member, self.label)

    def digest(self, path: str, algorithm: str) -> bytes:
        """Return a digest of a file's content."""
        return content_digest(inflate_pieces(self.data, self.members[path], self.label), algorithm)


def unique_members(data: memoryview, members: Sequence[Member], label: str) -> dict[str, Member]:
    """Return files by path; a path may come twice only with the same content.

    :raises ArchiveError: it comes with different contents.
    """
    unique = {member.path: member for member in members}
    if len(unique) != len(members):
        archive = OpenArchive(data, unique, label)
        for member in members:
            other = unique[member.path]
            if other is not member and not _same(archive, member, other):
                raise ArchiveError(f"{label}: {shown(member.path)} comes twice, with different contents", where=label)
    return unique


def _same(archive: OpenArchive, one: Member, other: Member) -> bool:
    if (one.size, one.crc) != (other.size, other.crc):
        return False
    first, second = (content_digest(inflate_pieces(archive.data, m, archive.label), "sha256") for m in (one, other))
    return first == second


class Layout(NamedTuple):
    """Where files go, and which are not kept.

    :ivar tree: an existing empty directory.
    :ivar directories: to be made in it, parents first.
    :ivar dropped: files that are checked but not written.
    :ivar data: name of the ``.data`` directory; empty when there is none.
    """

    tree: str
    directories: Sequence[str]
    dropped: frozenset[str]
    data: str


class Written(NamedTuple):
    """What was written.

    :ivar lines: the line in RECORD of every file of the archive, also of those that were dropped.
    :ivar pth_code: ``.pth`` files that run code.
    """

    paths: list[str]
    sizes: list[int]
    mtimes_ns: list[int]
    lines: dict[str, str]
    data_from: int
    executable: list[int]
    rewritten: list[int]
    pth_code: list[str]

    def manifest(self, directories: Sequence[str], scripts: list[Script]) -> Manifest:
        """Return the manifest of the tree."""
        kept = [self.lines[path] for path in self.paths]
        return Manifest(
            list(directories), self.paths, self.sizes, self.mtimes_ns, kept, self.data_from, self.executable,
            self.rewritten, scripts,
        )  # fmt: skip


def write_tree(archive: OpenArchive, layout: Layout) -> Written:
    """Write all files of a wheel.

    Modes follow the process's umask; scripts and what the archive marks as such are executable, nothing else of an
    archive's permissions is kept.

    :raises ArchiveError: a member's data is damaged.
    """
    for directory in layout.directories:
        os.mkdir(f"{layout.tree}/{directory}")
    below_data = f"{layout.data}/" if layout.data else "\0"
    members = archive.members.values()
    root = [member for member in members if not member.path.startswith(below_data)]
    data = [member for member in members if member.path.startswith(below_data)]
    written = Written([], [], [], {}, 0, [], [], [])
    writer = _Writer(archive, layout, written)
    for member in root:
        writer.write(member, executable=member.executable)
    written = written._replace(data_from=len(written.paths))
    scripts = f"{below_data}scripts/"
    for member in data:
        is_script = member.path.startswith(scripts)
        content = writer.write(member, executable=member.executable or is_script)
        if is_script and bytes(content[:8]) == b"#!python":
            written.rewritten.append(len(written.paths) - 1)
    return written


class _Writer:
    """Writes one file after the other."""

    def __init__(self, archive: OpenArchive, layout: Layout, written: Written) -> None:
        self._archive = archive
        self._layout = layout
        self._written = written
        libraries = ("", *(f"{layout.data}/{lib}" for lib in ("purelib", "platlib") if layout.data))
        self._library_roots = frozenset(libraries)

    def write(self, member: Member, *, executable: bool) -> bytes | memoryview:
        """Write a file and return its content, or the beginning of it when it is large."""
        path, written = member.path, self._written
        if path in self._layout.dropped:
            written.lines[path] = line(path, encode(self._archive.digest(path, "sha256")), member.size)
            return b""
        file = os.open(f"{self._layout.tree}/{path}", NEW_FILE, 0o777 if executable else 0o666)
        try:
            if member.size <= WHOLE_BYTES:
                content = self._archive.read(member)
                digest = hashlib.sha256(content).digest()
                _write_all(file, content)
            else:
                content, digest = self._write_pieces(file, member)
            mtime_ns = os.fstat(file).st_mtime_ns
        finally:
            os.close(file)
        if executable:
            written.executable.append(len(written.paths))
        written.paths.append(path)
        written.sizes.append(member.size)
        written.mtimes_ns.append(mtime_ns)
        written.lines[path] = line(path, encode(digest), member.size)
        if path.endswith(".pth") and path.rpartition("/")[0] in self._library_roots and _runs_code(content):
            written.pth_code.append(path)
        return content

    def _write_pieces(self, file: int, member: Member) -> tuple[bytes | memoryview, bytes]:
        hasher = hashlib.sha256()
        head: bytes | memoryview = b""
        for piece in inflate_pieces(self._archive.data, member, self._archive.label):
            head = head or piece
            hasher.update(piece)
            _write_all(file, piece)
        return head, hasher.digest()


def _write_all(file: int, content: bytes | memoryview) -> None:
    done = os.write(file, content)
    while done < len(content):
        done += os.write(file, content[done:])


def _runs_code(content: bytes | memoryview) -> bool:
    """Tell whether ``site`` would execute a line of a ``.pth`` file."""
    return any(line.startswith(_PTH_CODE) for line in bytes(content).decode("utf-8", "replace").splitlines())
