"""Unpacks source distributions, and other archives with one top directory, after looking at every member.

The extraction filters of `tarfile` are not relied upon: patch releases of Python differ in what they let through, and
what is refused here is refused before anything is written.

https://packaging.python.org/en/latest/specifications/source-distribution-format/#source-distribution-archive-features
"""

from __future__ import annotations

import os
import posixpath
import tarfile
import tempfile
from collections.abc import Sequence
from typing import IO, NamedTuple

from pytest_fastenv.archive.decompress import decompress
from pytest_fastenv.archive.limits import Limits
from pytest_fastenv.archive.member_paths import NEW_FILE, check_one_top, check_paths, folds_case, shown, without_dots
from pytest_fastenv.archive.tar_headers import LARGEST_BYTES, TwoReadingsError, check_extended, content_places, is_tar
from pytest_fastenv.archive.zip_archive import unpack_zip
from pytest_fastenv.archive.zip_end import ends_as_zip
from pytest_fastenv.errors import ArchiveError, BombError, LimitError, SdistError

_IN_MEMORY_BYTES = 16 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024
_BLOCK_BYTES = 512
_TARGET_BYTES = 1024
#: What `tarfile` raises over headers that are wrong: not only its own errors.
_DAMAGE = (tarfile.TarError, EOFError, ValueError, OverflowError)
#: What a file in a wheel can have, 1980-01-02 to 2107-12-30; times that are none (flit writes 0) become one of them.
_EARLIEST, _LATEST = 315_619_200, 4_354_646_400


class ArchiveOrder(NamedTuple):
    """What to unpack.

    :ivar archive: path of the archive.
    :ivar into: an existing empty directory that no other work uses.
    :ivar label: its name for messages.
    :ivar may_be_flat: it need not have a top directory.
    :ivar part: a directory below the top one: of a tar archive that has it, only what lies in it is written. All else
        is judged by the same rules.
    """

    archive: str
    into: str
    label: str
    limits: Limits = Limits()
    part: str = ""
    may_be_flat: bool = False


def unpack_sdist(order: ArchiveOrder) -> str:
    """Unpack a source distribution and return its one top directory; that of the order where the archive has none.

    :raises SdistError: the archive is damaged, or has a member that may not be there.
    :raises BombError: it expands out of proportion.
    """
    try:
        return unpack_archive(order._replace(may_be_flat=True))
    except (BombError, LimitError):
        raise
    except ArchiveError as error:
        raise SdistError(error.what, where=error.where, why=error.why, hint=error.hint) from None


def unpack_archive(order: ArchiveOrder) -> str:
    """Unpack an archive, tar or zip, packed in any way that `decompress` knows; return its one top directory.

    Files get mode 0644 or 0755 and the times of the archive, whatever its owners, modes and this process's umask are.

    :returns: the directory of the order's part, where the archive has it.
    :raises ArchiveError: the archive is damaged, has a member that may not be there, or not exactly one top directory.
    :raises BombError: it expands out of proportion.
    """
    with open(order.archive, "rb") as file:
        is_zip = file.read(4) in (b"PK\3\4", b"PK\5\6")
        if is_tar(file) if is_zip else ends_as_zip(file):
            why = "some programs look at its name or its end, others at its beginning"
            raise ArchiveError(f"{order.label} is both a zip and a tar archive", where=order.label, why=why)
        file.seek(0)
        if is_zip:
            return unpack_zip(file, order.into, order.label, order.limits, may_be_flat=order.may_be_flat)
        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, dir=os.path.dirname(order.into)) as plain:
            decompress(file, plain, order.label, order.limits)
            return _Extraction(plain, order).run()


class _Extraction:
    """One tar archive on its way into a directory."""

    def __init__(self, plain: IO[bytes], order: ArchiveOrder) -> None:
        self._plain = plain
        self._order = order
        self._label = order.label
        self._regular: dict[str, tarfile.TarInfo] = {}

    def run(self) -> str:
        places = self._places()
        with self._open() as archive:
            try:
                members = self._members(archive)
                for member in members:
                    self._check_kind(member)
                self._check_readings(archive, places)
                self._check_ending(members)
                top, directories = self._check(members)
                root = self._root(top, directories)
                self._extract(
                    [member for member in members if _is_in(member.name, root)],
                    [path for path in directories if _is_in(path, root) or _is_in(root, path)],
                )
            except _DAMAGE as error:
                raise ArchiveError(f"{self._label} is damaged", where=self._label, why=str(error)) from None
        return os.path.join(self._order.into, root)

    def _places(self) -> list[int]:
        """Return where a strict reader finds content; asked first, since wrong numbers send `tarfile` astray."""
        try:
            return content_places(self._plain) if is_tar(self._plain) else []
        except TwoReadingsError as error:
            raise self._two_readings(error) from None

    def _two_readings(self, error: TwoReadingsError) -> ArchiveError:
        return ArchiveError(f"{self._label} {error}", where=self._label, hint="the archive is not used")

    def _open(self) -> tarfile.TarFile:
        self._plain.seek(0)
        try:
            return tarfile.open(fileobj=self._plain, mode="r:", errors="surrogateescape")
        except _DAMAGE as error:
            self._plain.seek(0)
            head = self._plain.read(60)
            raise ArchiveError(
                f"{self._label} is no archive that can be read",
                where=self._label,
                why=f"{error}; it begins with {head!r}" if head else "it is empty",
            ) from None

    def _members(self, archive: tarfile.TarFile) -> list[tarfile.TarInfo]:
        """Return members with plain paths; the same path twice only when nothing differs."""
        members: dict[str, tarfile.TarInfo] = {}
        for count, member in enumerate(archive, 1):
            self._order.limits.check_members(self._label, count)
            if not 0 <= member.size <= LARGEST_BYTES:  # else `tarfile` goes back, and finds members without end
                raise self._refused(member, "has a size that no file has")
            if member.isreg() and member.name.endswith("/"):
                raise self._refused(member, "is a file with the name of a directory")
            member.name = without_dots(member.name).rstrip("/")
            if member.name in {"", "."} and member.isdir():
                continue
            other = members.get(member.name)
            if other is not None and not (member.isdir() and other.isdir()) and not _same(archive, member, other):
                raise self._refused(member, "comes twice, with different contents")
            members[member.name] = member
        return list(members.values())

    def _check_readings(self, archive: tarfile.TarFile, places: Sequence[int]) -> None:
        """Refuse what a strict reader does not find, or finds elsewhere."""
        read = archive.getmembers()
        try:
            check_extended(archive.pax_headers, [member.pax_headers for member in read])
            if places != [member.offset_data for member in read]:
                raise TwoReadingsError("has members that a strict reader does not find")
        except TwoReadingsError as error:
            raise self._two_readings(error) from None

    def _check_ending(self, members: Sequence[tarfile.TarInfo]) -> None:
        """Refuse data behind the last member: `tarfile` stops in silence at a header that it cannot read."""
        last = max(members, key=lambda member: member.offset_data, default=None)
        if last is None:
            raise ArchiveError(f"{self._label} is empty", where=self._label)
        size = last.size if last.isreg() else 0
        self._plain.seek(last.offset_data + -(-size // _BLOCK_BYTES) * _BLOCK_BYTES)
        while piece := self._plain.read(_PIECE_BYTES):
            if piece.strip(b"\0"):
                raise ArchiveError(f"{self._label} is damaged, or has data behind its last member", where=self._label)

    def _check(self, members: Sequence[tarfile.TarInfo]) -> tuple[str, list[str]]:
        """Check paths and links; return the top directory and all directories."""
        paths = [f"{member.name}/" if member.isdir() else member.name for member in members]
        directories, _ = check_paths(self._label, paths, folds_case=lambda: folds_case(self._order.into))
        top = check_one_top(self._label, paths, may_be_flat=self._order.may_be_flat)
        self._regular = {member.name: member for member in members if member.isreg()}
        root = self._root(top, directories)
        symlinks = {member.name for member in members if member.issym()}
        beneath = sorted(symlinks.intersection(directories))
        if beneath:
            raise ArchiveError(f"{self._label}: {shown(beneath[0])} is both a link and a directory", where=self._label)
        for member in members:
            if member.issym():
                self._check_symlink(member, root if _is_in(member.name, root) else top, symlinks)
            elif member.islnk() and member.linkname.removeprefix("./") not in self._regular:
                raise self._refused(member, "is a link to a file that is not in the archive")
        self._check_written(members)
        return top, directories

    def _check_written(self, members: Sequence[tarfile.TarInfo]) -> None:
        """Refuse what becomes too much only when it is written: one large file under many names."""
        links = [self._regular[member.linkname.removeprefix("./")] for member in members if member.islnk()]
        size_bytes = sum(member.size for member in [*self._regular.values(), *links])
        self._order.limits.check_expansion(self._label, os.path.getsize(self._order.archive), size_bytes)

    def _root(self, top: str, directories: Sequence[str]) -> str:
        """Return the directory whose contents are wanted."""
        part = posixpath.join(top, self._order.part)
        return part if self._order.part and part in directories else top

    def _check_kind(self, member: tarfile.TarInfo) -> None:
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            raise self._refused(member, "is a device, a FIFO or something else that is no file")
        if member.isreg() and member.sparse is not None:
            raise self._refused(member, "is a sparse file")
        if not member.isreg():
            return
        self._plain.seek(member.offset_data - _BLOCK_BYTES)
        header = tarfile.TarInfo.frombuf(self._plain.read(_BLOCK_BYTES), "utf-8", "surrogateescape")
        if header.size != member.size:
            why = f"{header.size:,} bytes in one header, {member.size:,} in the other"
            raise self._refused(member, "has two different sizes", why)

    def _check_symlink(self, member: tarfile.TarInfo, root: str, symlinks: set[str]) -> None:
        """A link may go up and then down, inside the directory that is wanted and through no other link."""
        target = member.linkname
        if not target or "\0" in target or len(os.fsencode(target)) > _TARGET_BYTES:
            raise self._refused(member, "is a link that no file system can hold")
        parts = target.split("/")
        descends = next((n for n, part in enumerate(parts) if part != ".."), len(parts))
        path = posixpath.normpath(posixpath.join(posixpath.dirname(member.name), target))
        if target.startswith("/") or "\\" in target or ".." in parts[descends:] or not _is_in(path, root):
            raise self._refused(member, f"is a link that leaves the archive's root: {shown(target)}")
        ancestors = {path[:n] for n, letter in enumerate(path) if letter == "/"}
        if symlinks & ancestors:
            raise self._refused(member, f"is a link that leads through another link: {shown(target)}")

    def _extract(self, members: Sequence[tarfile.TarInfo], directories: Sequence[str]) -> None:
        """Write directories, then files, then links, so that nothing is ever written through a link."""
        into = self._order.into
        for directory in directories:
            os.mkdir(f"{into}/{directory}")
            os.chmod(f"{into}/{directory}", 0o755)  # noqa: S103 - in a private directory
        for member in members:
            if member.isreg():
                self._write(member, member)
        for member in members:
            if member.islnk():
                self._write(self._regular[member.linkname.removeprefix("./")], member)
        for member in members:
            if member.issym():
                self._symlink(member)

    def _write(self, source: tarfile.TarInfo, member: tarfile.TarInfo) -> None:
        """Write a file; a hard link's other name becomes a file of its own."""
        path = f"{self._order.into}/{member.name}"
        mode = 0o755 if source.mode & 0o100 else 0o644
        self._plain.seek(source.offset_data)
        with open(os.open(path, NEW_FILE, mode), "wb", 0) as file:
            rest = source.size
            while rest and (piece := self._plain.read(min(rest, _PIECE_BYTES))):
                rest -= len(piece)
                while piece:  # the system may take less than all of it
                    piece = piece[file.write(piece) :]
            if rest:
                raise self._refused(member, "is cut short")
        os.chmod(path, mode)
        # make and the like compare the times of generated files and their sources
        mtime = min(source.mtime, _LATEST) if source.mtime > _EARLIEST else _EARLIEST
        os.utime(path, (mtime, mtime))

    def _symlink(self, member: tarfile.TarInfo) -> None:
        path = f"{self._order.into}/{member.name}"
        try:
            os.symlink(member.linkname, path)
        except OSError as error:
            if os.name != "nt":
                raise
            raise self._refused(member, "is a link, which this Windows account may not make", str(error)) from None

    def _refused(self, member: tarfile.TarInfo, reason: str, why: str | None = None) -> ArchiveError:
        return ArchiveError(f"{self._label}: {shown(member.name)} {reason}", where=self._label, why=why)


def _is_in(path: str, directory: str) -> bool:
    """Tell whether a path is a directory or lies in it; everything lies in that without a name, the archive's root."""
    if not directory:
        return path.partition("/")[0] != ".."
    return path == directory or path.startswith(f"{directory}/")


def _same(archive: tarfile.TarFile, one: tarfile.TarInfo, other: tarfile.TarInfo) -> bool:
    if (one.type, one.size, one.linkname) != (other.type, other.size, other.linkname):
        return False
    first, second = archive.extractfile(one), archive.extractfile(other)
    return first is None or second is None or first.read() == second.read()
