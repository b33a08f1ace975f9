"""Archives: forms of zip that are valid and read, damage of any kind, limits."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from kit.raw_zip import Entry, entries, wheel_files, write

from pytest_fastenv.archive import inflate as engines
from pytest_fastenv.archive.inflate import inflate, inflate_pieces
from pytest_fastenv.archive.limits import Limits
from pytest_fastenv.archive.member_paths import check_paths, shown
from pytest_fastenv.archive.zip_directory import Member, read_directory
from pytest_fastenv.errors import ArchiveError, BombError, FastenvError, LimitError
from pytest_fastenv.installer.unpack import Order, unpack


def read(archive: bytes) -> dict[str, bytes]:
    """Return the contents of all members, inflated in both ways."""
    directory = read_directory(archive, "x.whl", Limits())
    view = memoryview(archive)
    found = {}
    for member in directory.members:
        found[member.path] = bytes(inflate(view, member, "x.whl"))
        assert b"".join(inflate_pieces(view, member, "x.whl")) == found[member.path]
    return found


FILES = {"a/one.txt": b"one " * 1000, "a/empty": b"", "b.txt": b"two"}


class Unseekable(io.RawIOBase):
    """What zipfile writes sizes behind the data for."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.parts.append(bytes(data))
        return len(data)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("zip64", [False, True])
def test_what_zipfile_writes_is_read(method: int, streamed: bool, zip64: bool) -> None:
    target: Any = Unseekable() if streamed else io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in FILES.items():
            with archive.open(name, "w", force_zip64=zip64) as member:
                member.write(data)
    content = b"".join(target.parts) if streamed else target.getvalue()
    assert read(content) == FILES


def test_directories_and_old_names_are_read() -> None:
    archive = write([Entry("a/", b"", method=0, mode=0o040755), Entry(b"a/\x81", b"x", flags=0)])
    directory = read_directory(archive, "x.whl", Limits())
    assert directory.directories == ["a/"]
    assert [member.path for member in directory.members] == ["a/ü"]  # code page 437, as the format has it


def test_zip64_sizes_are_taken_from_their_field() -> None:
    data = b"data" * 100
    packed = len(Entry("x", data).payload())
    unset = {"size": 0xFFFFFFFF, "packed": 0xFFFFFFFF}
    extra = struct.pack("<HHQQ", 1, 16, len(data), packed)
    assert read(write([Entry("x", data, local=unset, central=unset, local_extra=extra, central_extra=extra)])) == {
        "x": data
    }


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (Entry("a/", b"x"), "directory with content"),
        (Entry("a", b"", mode=0o040755), "both a file and a directory"),
        (Entry("a", b"x", flags=0x0820), "not supported"),
        (Entry("a", b"xy", method=0, local={"packed": 1}, central={"packed": 1}), "two different sizes"),
        (Entry("", b"x"), "without a name"),
        (Entry(b"\xff", b"x"), "no UTF-8"),
        (Entry("a", b"x", local_extra=b"\1\0\xff\0"), "damaged extra field"),
        (Entry("a", b"x", central_extra=b"\1\0\3\0abc"), "damaged ZIP64 field"),
        (Entry("a", b"x", central={"packed": 1 << 20}, local={"packed": 1 << 20}), "ends beyond the archive"),
        (Entry("a", b"x", local={"flags": 0}), "other flags"),
    ],
)
def test_contradictions_are_refused(entry: Entry, text: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        read(write([entry]))
    assert text in caught.value.diagnosis()


@pytest.mark.parametrize("end", [{"count": 5}, {"count": 0}, {"size": 3}, {"offset": 3}])
def test_end_record_that_lies_is_refused(end: dict[str, int]) -> None:
    with pytest.raises(ArchiveError):
        read(write(entries(FILES), **end))


def test_overlapping_members_are_refused() -> None:
    """One member's data read under many names: how small files become huge ones."""
    first, second = Entry("a", b"a" * 100), Entry("b", b"b" * 100)
    archive = bytearray(write([first, second]))
    place = archive.rindex(b"PK\1\2") + 42
    archive[place : place + 4] = struct.pack("<L", 0)
    with pytest.raises(ArchiveError):
        read(bytes(archive))


def test_no_damage_escapes_as_another_error(tmp_path: Path) -> None:
    """Any byte may be any other: the answer is a diagnosis or a wheel, never a traceback."""
    chance = random.Random(54)
    good = write(entries(wheel_files({"demo/data": b"some data " * 50, "demo-1.0.data/scripts/x": b"#!python\n"})))
    refused = 0
    for number in range(150):
        damaged = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        if number % 5 == 0:
            del damaged[chance.randrange(len(damaged)) :]
        entry = tmp_path / str(number)
        entry.mkdir()
        (entry / "archive").write_bytes(damaged)
        try:
            unpack(Order(str(entry / "archive"), str(entry), "demo-1.0-py3-none-any.whl"))
        except FastenvError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("whole", [True, False])
def test_zlib_gives_the_same_verdicts(whole: bool, without_isal: None) -> None:
    """Where isal is not to be had zlib takes its place."""
    assert engines.crc32 is zlib.crc32
    assert read(write(entries(FILES))) == FILES
    data = b"some data " * 5000
    packed = Entry("x", data).payload()

    def take(archive: bytes, size: int, crc: int) -> bytes:
        member = Member("x", 0, len(archive), size, crc, 8, executable=False)
        if whole:
            return bytes(inflate(memoryview(archive), member, "x.whl"))
        return b"".join(inflate_pieces(memoryview(archive), member, "x.whl"))

    crc = zlib.crc32(data)
    assert take(packed, len(data), crc) == data
    for archive, size, checksum in (
        (packed, len(data) - 1, crc),
        (packed, len(data) + 1, crc),
        (packed, len(data), crc + 1),
        (packed[:-3], len(data), crc),
        (packed + b"more", len(data), crc),
        (b"\xff" * 30, len(data), crc),
    ):
        with pytest.raises(ArchiveError):
            take(archive, size, checksum)


def test_large_members_are_inflated_in_pieces() -> None:
    data = bytes(range(256)) * 4096 * 3
    archive = write([Entry("x", data)])
    (member,) = read_directory(archive, "x.whl", Limits()).members
    pieces = [len(piece) for piece in inflate_pieces(memoryview(archive), member, "x.whl")]
    assert sum(pieces) == len(data)
    assert max(pieces) <= 1 << 20


def test_limits() -> None:
    limits = Limits(expanded_bytes=1 << 20, ratio=10)
    limits.check_expansion("x.whl", 2 << 20, 20 << 20)
    limits.check_expansion("x.whl", 1, 1 << 20)
    with pytest.raises(BombError):
        limits.check_expansion("x.whl", 2 << 20, 21 << 20)
    with pytest.raises(LimitError):
        Limits(members=3).check_members("x.whl", 4)


def test_paths_for_display_are_escaped_and_short() -> None:
    assert shown("a\x1b[0m") == "a\\x1b[0m"
    assert shown("a/" * 500).startswith("a/a/a/")
    assert len(shown("a/" * 500)) < 130


@pytest.mark.parametrize("path", [".hidden", "a/.b", "a b/c", "ä", "a-1.0+x/y_z.py", "a/b.c.d", "a/", "...x"])
def test_unusual_paths_are_accepted(path: str) -> None:
    assert check_paths("x.whl", [path, "other"], folds_case=lambda: False)[1] == []


@pytest.mark.parametrize("path", ["", "a//b", "./a", "a/./b", "..", "a/..", "/", "a/b\u2028", "a\\b", "\ud800"])
def test_paths_that_mean_several_things_are_refused(path: str) -> None:
    with pytest.raises(ArchiveError):
        check_paths("x.whl", [path, "other"], folds_case=lambda: False)


def test_directories_come_parents_first() -> None:
    directories, _ = check_paths("x.whl", ["a/b/c/x", "a/y", "d/"], folds_case=lambda: False)
    assert directories == ["a", "a/b", "a/b/c", "d"]
