"""Writes a wheel's files into a tree, hashing them on the way: the part of unpacking that takes the time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from pytest_fastenv.archive.inflate import WHOLE_BYTES, inflate, inflate_pieces
from pytest_fastenv.archive.member_paths import NEW_FILE, paths_below, shown
from pytest_fastenv.archive.zip_directory import Member
from pytest_fastenv.errors import ArchiveError
from pytest_fastenv.filesystem.tree import access
from pytest_fastenv.installer.manifest import Manifest
from pytest_fastenv.wheel.entry_points import Script
from pytest_fastenv.wheel.record import content_digest, encode, line
from pytest_fastenv.wheel.startup import imported_at_start, is_pth, runs_code


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

    :ivar lines: the line in RECORD of every file of the archive, dropped files included.
    :ivar pth_code: what runs code whenever the interpreter starts: ``.pth`` files, and modules that `site` imports.
    """

    paths: list[str]
    sizes: list[int]
    mtimes_ns: list[int]
    lines: dict[str, str]
    data_from: int
    executable: list[int]
    rewritten: list[int]
    pth_code: list[str]
    plain_access: int
    executable_access: int

    def manifest(self, directories: Sequence[str], scripts: list[Script]) -> Manifest:
        """Return the manifest of the tree."""
        kept = [self.lines[path] for path in self.paths]
        return Manifest(
            list(directories), self.paths, self.sizes, self.mtimes_ns, kept, self.data_from, self.executable,
            self.rewritten, scripts, self.plain_access, self.executable_access,
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
    writer = _Writer(archive, layout)
    writer.write_all(root)
    data_from = len(writer.paths)
    writer.write_all(data)
    return writer.written(data_from)


class _Writer:
    """Writes one file after the other."""

    def __init__(self, archive: OpenArchive, layout: Layout) -> None:
        self._archive = archive
        self._layout = layout
        self._scripts = f"{layout.data}/scripts/" if layout.data else "\0"
        self._lines: dict[str, str] = {}
        self.paths: list[str] = []
        self._sizes: list[int] = []
        self._mtimes_ns: list[int] = []
        self._executable: list[int] = []
        self._rewritten: list[int] = []
        self._pth_code: list[str] = []
        self._access = [0, 0]  # of plain files, of executable ones

    def write_all(self, members: Sequence[Member]) -> None:
        """Write files; this loop is where installing spends its time."""
        with paths_below(self._layout.tree) as (before, options):
            self._write_all(members, before, options)

    def _write_all(self, members: Sequence[Member], before: str, options: dict[str, int]) -> None:
        (data, _, label), dropped, scripts = self._archive, self._layout.dropped, self._scripts
        paths, sizes, mtimes_ns, lines = self.paths, self._sizes, self._mtimes_ns, self._lines
        for member in members:
            path, _, _, size, _, _, executable = member
            if size > WHOLE_BYTES or path in dropped or path.startswith(scripts):
                self._write_special(member)
                continue
            content = inflate(data, member, label)
            file = os.open(before + path, NEW_FILE, 0o777 if executable else 0o666, **options)
            try:
                if os.write(file, content) != size:
                    os.lseek(file, 0, os.SEEK_SET)
                    _write_all(file, content)
                status = os.fstat(file)
            finally:
                os.close(file)
            if executable:
                self._executable.append(len(paths))
            self._access[executable] = access(status)
            paths.append(path)
            sizes.append(size)
            mtimes_ns.append(status.st_mtime_ns)
            lines[path] = line(path, encode(sha256(content).digest()), size)
            if path.endswith(".pth") and is_pth(path, self._layout.data) and runs_code(content):
                self._pth_code.append(path)

    def _write_special(self, member: Member) -> None:
        """Write what is large or a script; what is dropped is only read."""
        path = member.path
        pieces = inflate_pieces(self._archive.data, member, self._archive.label)
        if path in self._layout.dropped:
            self._lines[path] = line(path, encode(content_digest(pieces, "sha256")), member.size)
            return
        is_script = path.startswith(self._scripts)
        executable = member.executable or is_script
        hasher, head = sha256(), b""
        file = os.open(f"{self._layout.tree}/{path}", NEW_FILE, 0o777 if executable else 0o666)
        try:
            for piece in pieces:
                head = head or bytes(piece[:8])
                hasher.update(piece)
                _write_all(file, piece)
            status = os.fstat(file)
        finally:
            os.close(file)
        self._access[executable] = access(status)
        if is_script and head == b"#!python":
            self._rewritten.append(len(self.paths))
        if executable:
            self._executable.append(len(self.paths))
        self.paths.append(path)
        self._sizes.append(member.size)
        self._mtimes_ns.append(status.st_mtime_ns)
        self._lines[path] = line(path, encode(hasher.digest()), member.size)
        if is_pth(path, self._layout.data):  # no list of paths is that long
            self._pth_code.append(path)

    def written(self, data_from: int) -> Written:
        return Written(
            self.paths,
            self._sizes,
            self._mtimes_ns,
            self._lines,
            data_from,
            self._executable,
            self._rewritten,
            [*self._pth_code, *imported_at_start(self.paths, self._layout.data)],
            *self._access,
        )


def _write_all(file: int, content: bytes | memoryview) -> None:
    done = os.write(file, content)
    while done < len(content):
        done += os.write(file, content[done:])
