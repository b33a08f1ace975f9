"""Tar archives that programs could read in two ways; `tarfile` gives one reading, and a reader of this test another."""

from __future__ import annotations

import bz2
import gzip
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.raw_zip import Entry, write

from pytest_fastenv.archive.tar_archive import ArchiveOrder, unpack_archive
from pytest_fastenv.errors import ArchiveError

Headers = list[bytes]
_BLOCK = 512


def header(
    name: str, size: int | bytes = 0, kind: bytes = b"0", prefix: bytes = b"", magic: bytes = b"ustar\x0000"
) -> bytes:
    """Return a header with a good checksum, whatever its fields say."""
    digits = size if isinstance(size, bytes) else b"%011o\0" % size
    block = bytearray(name.encode().ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + digits + b"00000000000\0")
    block += b" " * 8 + kind + (b"target" if kind in b"12" else b"").ljust(100, b"\0") + magic
    block += bytes(80) + prefix.ljust(155, b"\0") + bytes(12)
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % _BLOCK)


def member(name: str, content: bytes = b"", size: int | bytes | None = None, **fields: bytes) -> bytes:
    return header(name, len(content) if size is None else size, **fields) + padded(content)


def pax(kind: bytes = b"x", **told: str) -> bytes:
    """Return an extended header."""
    records = b""
    for key, value in told.items():
        text = f" {key.replace('__', '.')}={value}\n"
        records += next(f"{n}{text}" for n in range(len(text), 999) if len(f"{n}{text}".encode()) == n).encode()
    return member("pax", records, kind=kind)


def tar(*parts: bytes) -> bytes:
    return b"".join(parts) + bytes(2 * _BLOCK)


def unpacked(into: Path, content: bytes, name: str = "it.tar.gz") -> dict[str, bytes]:
    """Unpack an archive into a fresh directory; return the files."""
    into.mkdir(parents=True)
    (into.parent / name).write_bytes(content)
    unpack_archive(ArchiveOrder(str(into.parent / name), str(into), name))
    return {str(path.relative_to(into)): path.read_bytes() for path in into.rglob("*") if path.is_file()}


def otherwise(data: bytes) -> dict[str, bytes]:
    """Read an archive as lenient programs do that are no `tarfile`.

    Numbers end at the first character that is no digit, prefixes are for ustar alone, headers for all members are left
    out, of two names the first counts, and whatever has a size has content.
    """
    found: dict[str, bytes] = {}
    position, told = 0, ""
    while len(block := data[position : position + _BLOCK]) == _BLOCK and block.strip(b"\0"):
        digits = block[124:136].lstrip(b" ")
        size = int(digits[: len(digits) - len(digits.lstrip(b"01234567"))] or b"0", 8)
        content = data[position + _BLOCK : position + _BLOCK + size]
        position += _BLOCK + -(-size // _BLOCK) * _BLOCK
        kind = block[156:157]
        if kind == b"x" and not told:
            told = next(
                (line.partition(b"path=")[2].decode() for line in content.split(b"\n") if b" path=" in line), ""
            )
        elif kind == b"L":
            told = told or content.rstrip(b"\0").decode()
        elif kind in (b"0", b"\0", b"7"):
            prefix = block[345:500].rstrip(b"\0").decode() if block[257:263] == b"ustar\0" else ""
            name = told or f"{prefix}/{block[:100].rstrip(chr(0).encode()).decode()}".lstrip("/")
            if not name.endswith("/"):
                found[name] = content
        told = "" if kind not in (b"x", b"g", b"L") else told
    return found


INNER = tar(member("top/evil.py", b"print('evil')"))


def part(chance: random.Random, name: str) -> bytes:
    content = chance.choice([b"", b"plain", INNER, INNER[:_BLOCK]])
    plain = member(name, content)
    long = member("long", f"{name}-long\0".encode(), kind=b"L")
    numbers = [b"00000000_10\0", b"0000000010x\0", b"        12 \0", b"\x80" + bytes(11)]
    forms = [
        pax(chance.choice([b"x", b"g"]), path=chance.choice([f"{name}x", "top/evil.py"])) + plain,
        pax(size=str(chance.choice([len(content), 0, 3]))) + plain,
        member(name, content, chance.choice(numbers)),
        member(name, content, prefix=b"top", magic=chance.choice([b"ustar\x0000", b"ustar  \0", bytes(8)])),
        member(name, content, kind=chance.choice([b"1", b"2", b"5", b"7", b"\0"])),
        chance.choice([long, long + long, pax(path=f"{name}x") + long]) + plain,
        member(f"{name}/", content, kind=chance.choice([b"0", b"\0", b"5"])),
        pax(comment="harmless", mtime="12.5") + plain,
        pax(b"g", comment="0" * 40) + plain,
    ]
    return chance.choice([*forms, plain, plain, plain])


@pytest.mark.parametrize("seed", range(3))
def test_what_is_accepted_reads_the_same_everywhere(seed: int, tmp_path: Path) -> None:
    chance, accepted = random.Random(seed), 0
    for number in range(200):
        names = chance.sample(["top/a", "top/b.py", "top/c/d"], chance.randint(1, 3))
        data = bytearray(tar(member("top/first", b"x"), *(part(chance, name) for name in names)))
        if chance.random() < 0.1:
            data[chance.randrange(len(data))] = chance.choice([0, 0x30, 0x5F, 0xFF])
        try:
            found = unpacked(tmp_path / str(number) / "into", bytes(data))
        except ArchiveError:
            continue
        accepted += 1
        assert otherwise(bytes(data)) == found, bytes(data)
    assert 20 < accepted < 180


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (tar(member("top/a", b"12345678", b"00000000_10\0")), "a size that is no octal number"),
        (tar(pax(b"g", path="top/b"), member("top/a")), "a header for all members that tells their path"),
        (tar(pax(b"g", size="0"), member("top/a")), "a header for all members that tells their size"),
        (tar(pax(path="top/b"), pax(path="top/c"), member("top/a")), "two extended headers for one member"),
        (tar(pax(path="top/b"), member("l", b"top/c\0", kind=b"L"), member("top/a")), "two extended headers"),
        (tar(member("top/a", INNER, kind=b"2")), "a link or a directory with a size"),
        (tar(member("top/a", INNER, kind=b"5")), "a link or a directory with a size"),
        (tar(member("top/a", prefix=b"top", magic=b"ustar  \0")), "a member whose name has two parts"),
        (tar(member("top/a/", b"x")), "a file to some programs"),
        (tar(member("l", b"top/a/\0", kind=b"L"), member("top/a", b"x")), "is a file with the name of a directory"),
        (tar(member("top/a", b"x", b"\xff" * 12), member("top/b")), "a size that no file has"),
        (tar(member("top/a", b"x", b"\x80" + b"\x7f" * 11), member("top/b")), "a size that no file has"),
        (tar(pax(size="-1024"), member("top/a", b"x")), "a size that no file has"),
        (tar(pax(size="9" * 30), member("top/a", b"x"), member("top/b")), "a size that no file has"),
        (tar(pax(path="top/cut/off"), member("top/cut/", kind=b"\0")), "a file to some programs"),
        (tar(pax(GNU__sparse__name="top/b"), member("top/a")), "sparse files"),
        (tar(pax(size="3"), member("top/a", b"12345678")), "two different sizes"),
    ],
)
def test_second_readings_are_refused(content: bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError) as caught:
        unpacked(tmp_path / "into", content)
    assert why in caught.value.what


def test_headers_that_all_programs_read_alike(tmp_path: Path) -> None:
    long = f"top/{'n' * 120}"
    parts = [
        pax(b"g", comment="0" * 40),
        member("@LongLink", f"{long}\0".encode(), kind=b"L") + member("top/n", b"one"),
        pax(path="top/p", size="3", mtime="1.5") + member("top/x", b"two"),
        member("b", b"three", prefix=b"top"),
        pax(path="top/cut/off") + member("top/cut/", b"five"),
        member("top/old/", kind=b"\0", magic=bytes(8)),
        member("top/spaced", b"four", b"         4 \0"),
    ]
    expected = {long: b"one", "top/p": b"two", "top/b": b"three", "top/cut/off": b"five", "top/spaced": b"four"}
    assert unpacked(tmp_path / "into", tar(*parts)) == expected


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_one_stream_is_read_and_a_second_one_refused(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    first, second = member("top/a", b"one"), tar(member("top/b", b"two"))
    assert set(unpacked(tmp_path / "1" / "into", pack(first + second) + bytes(100))) == {"top/a", "top/b"}
    with pytest.raises(ArchiveError) as caught:
        unpacked(tmp_path / "2" / "into", pack(first) + pack(second))
    assert "data follows the end of the archive" in str(caught.value.why)


def test_an_archive_that_ends_as_another_kind_of_archive_is_refused(tmp_path: Path) -> None:
    hidden = write([Entry("top/evil.py", b"print('evil')")])
    for number, content in enumerate(
        (
            gzip.compress(tar(member("top/a", b"one")), 0) + hidden,
            tar(member("top/a", b"one"), member("top/b", hidden)),
            gzip.compress(tar(member("top/a", b"one"), member("top/b", hidden)), 0),  # stored: a valid file
        )
    ):
        with pytest.raises(ArchiveError, match="both a zip and a tar archive"):
            unpacked(tmp_path / str(number) / "into", content)


def test_a_zip_archive_that_begins_as_tar_is_refused(tmp_path: Path) -> None:
    """The header is a zip member's name: its other fields are those of tar, with a good checksum."""
    fields = bytearray(write([Entry("n" * 470, b"")]))
    fields[100:_BLOCK] = header("")[100:]
    fields[148:156] = b" " * 8
    fields[148:156] = b"%06o\0 " % sum(fields[:_BLOCK])
    with pytest.raises(ArchiveError, match="both a zip and a tar archive"):
        unpacked(tmp_path / "into", bytes(fields))
