"""Archives that programs could read in two ways: what is accepted here reads the same everywhere.

Archives are generated, most of them with a second one hidden in them. Whatever is accepted is read by `zipfile`, by a
reader that goes forward through local headers as readers of streams do, and by one that takes the first end record
that fits. All of them must see the same files.
"""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable

import pytest
from kit.raw_zip import Entry, write

from pytest_fastenv.archive.inflate import inflate
from pytest_fastenv.archive.limits import Limits
from pytest_fastenv.archive.zip_directory import read_directory
from pytest_fastenv.errors import ArchiveError

Files = dict[str, bytes]
_END64_MAGIC, _LOCATOR_MAGIC, _END_MAGIC, _DESCRIPTOR_MAGIC = b"PK\6\6", b"PK\6\7", b"PK\5\6", b"PK\7\x08"


class UnreadableError(Exception):
    """This reader gives up."""


def ours(data: bytes) -> Files:
    directory = read_directory(data, "x.whl", Limits())
    view = memoryview(data)
    return {member.path: bytes(inflate(view, member, "x.whl")) for member in directory.members}


def by_zipfile(data: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}


def by_first_end(data: bytes) -> Files:
    """Read the directory that the first end record names which reaches to the end of the file."""
    position = data.find(_END_MAGIC)
    while position >= 0:
        length = int.from_bytes(data[position + 20 : position + 22], "little")
        if position + 22 + length in (len(data), len(data.rstrip(b"\0"))):
            return by_zipfile(data[: position + 20] + b"\0\0")
        position = data.find(_END_MAGIC, position + 1)
    raise UnreadableError


def by_stream(data: bytes) -> Files:
    """Read one local header after the other, and nothing else."""
    found, position = {}, 0
    while data[position : position + 4] == b"PK\3\4":
        fields = struct.unpack_from("<4s5H3L2H", data, position)
        flags, method, packed, size, name_len, extra_len = *fields[2:4], *fields[7:]
        raw = data[position + 30 : position + 30 + name_len]
        name = raw.decode("utf-8" if flags & 0x800 else "cp437")
        position += 30 + name_len + extra_len
        wide = extra_len and struct.unpack_from("<H", data, position - extra_len)[0] == 1
        if wide and packed == size == 0xFFFFFFFF:
            size, packed = struct.unpack_from("<QQ", data, position - extra_len + 4)
        content = data[position : position + packed]
        if method == 8:
            engine = zlib.decompressobj(-15)
            content = engine.decompress(data[position:])
            if not engine.eof:
                raise UnreadableError
            packed = len(data) - position - len(engine.unused_data)
        elif flags & 8 and not packed:
            packed = data.find(_DESCRIPTOR_MAGIC, position) - position
            content = data[position : position + packed]
        position += packed
        if flags & 8:
            position += 4 * (data[position : position + 4] == _DESCRIPTOR_MAGIC) + (20 if wide else 12)
        if not name.endswith("/"):
            found[name] = content
    if data[position : position + 4] not in (b"PK\1\2", _END_MAGIC):
        raise UnreadableError
    return found


READERS = (by_zipfile, by_first_end, by_stream)
HIDDEN = write([Entry("good.txt", b"something else"), Entry("evil.py", b"print('evil')")])


def record64(length: int, count: int, size: int, offset: int) -> bytes:
    return struct.pack("<4sQ2H2L4Q", _END64_MAGIC, length, 45, 45, 0, 0, count, count, size, offset)


def smuggled() -> bytes:
    """Return extensible data that ends in a ZIP64 end record of its own, with the archive that it is of before it."""
    _, _, _, count, _, size, offset, _ = struct.unpack("<4s4H2LH", HIDDEN[-22:])
    return HIDDEN[:-22] + record64(44, count, size, offset)


def with_zip64(data: bytes, extensible: bytes = b"", **changed: int) -> bytes:
    """Return an archive with a ZIP64 end record before its end record."""
    head, end = data[:-22], data[-22:]
    _, _, _, count, _, size, offset, _ = struct.unpack("<4s4H2LH", end)
    values = {"count": count, "size": size, "offset": offset, "length": 44 + len(extensible)} | changed
    record = record64(**values) + extensible
    return head + record + struct.pack("<4sLQL", _LOCATOR_MAGIC, 0, len(head), 1) + end


def descriptor(data: bytes, method: int, *, magic: bool = True, wide: bool = False) -> bytes:
    packed = len(Entry("x", data, method).payload())
    return _DESCRIPTOR_MAGIC * magic + struct.pack("<LQQ" if wide else "<LLL", zlib.crc32(data), packed, len(data))


def streamed(name: str, data: bytes, method: int, **form: bool) -> Entry:
    """Make a member whose sizes stand behind it alone."""
    zeros = {"crc": 0, "packed": 0, "size": 0}
    return Entry(name, data, method, 0x0808, local=zeros, descriptor=descriptor(data, method, **form))


def entry(chance: random.Random, name: str) -> Entry:
    data = chance.choice([b"", b"x" * 300, HIDDEN, _DESCRIPTOR_MAGIC + b"\0" * 12 + HIDDEN, chance.randbytes(40)])
    method = chance.choice([0, 8])
    match chance.randrange(6):
        case 0:
            return streamed(name, data, method, magic=chance.random() < 0.7, wide=chance.random() < 0.2)
        case 1:
            return Entry(f"{name}/", chance.choice([b"", b"", HIDDEN]), method, mode=0o40755)
        case 2:
            extra = struct.pack("<HH", chance.choice([0x7075, 0x5455, 0xCAFE]), len(HIDDEN)) + HIDDEN
            return Entry(name, data, method, local_extra=extra, central_extra=chance.choice([b"", extra]))
        case 3:
            sizes = struct.pack("<HHQQ", 1, 16, len(data), len(Entry(name, data, method).payload()))
            return Entry(name, data, method, local={"size": 2**32 - 1, "packed": 2**32 - 1}, local_extra=sizes)
        case 4:
            return Entry(name, data, method, central={"attributes": chance.choice([0x10, 0x20, 0, 0o100644 << 16])})
    return Entry(name, data, method)


def archive(chance: random.Random) -> bytes:
    """Return an archive, in most cases with another one somewhere in it."""
    names = ["good.txt", "b/c.txt", "d", "e.py"]
    members = [entry(chance, name) for name in names[: chance.randint(1, 4)]]
    hidden = {"comment": HIDDEN, "before": HIDDEN, "after": chance.choice([HIDDEN, b"\0" * 30])}
    match chance.randrange(9):
        case 0 | 1 | 2:
            place = chance.choice(list(hidden))
            return write(members, **{place: hidden[place]})
        case 3:
            return with_zip64(write(members), chance.choice([b"", HIDDEN, smuggled()]))
        case 4:
            return with_zip64(write(members), **{chance.choice(["count", "size", "offset"]): chance.randrange(200)})
        case 5:
            members[-1].gap = HIDDEN
            return write(members)
        case 6:
            # A member holds an archive, and the comment of its end record all that follows.
            whole = bytearray(write([Entry("good.txt", HIDDEN, 0), *members[1:]]))
            end = whole.index(HIDDEN) + len(HIDDEN)
            whole[end - 2 : end] = struct.pack("<H", len(whole) - end)
            crc = struct.pack("<L", zlib.crc32(HIDDEN))
            return bytes(whole).replace(crc, struct.pack("<L", zlib.crc32(whole[end - len(HIDDEN) : end])))
    return write(members)


def damaged(chance: random.Random, data: bytes) -> bytes:
    """Return it with some bytes changed, most of them in its directory or its end."""
    changed = bytearray(data)
    for _ in range(chance.choice([0, 0, 1, 1, 2])):
        place = chance.randrange(len(changed)) if chance.random() < 0.4 else len(changed) - chance.randint(1, 120)
        changed[max(place, 0)] = chance.choice([0, 1, 8, 0x10, 0x7F, 0xFF, chance.randrange(256)])
    return bytes(changed)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_accepted_reads_the_same_everywhere(seed: int) -> None:
    chance = random.Random(seed)
    accepted = 0
    for _ in range(700):
        data = damaged(chance, archive(chance))
        try:
            found = ours(data)
        except ArchiveError:
            continue
        accepted += 1
        for reader in READERS:
            try:
                other = reader(data)
            except (UnreadableError, zipfile.BadZipFile, NotImplementedError, zlib.error, struct.error, ValueError):
                continue  # it sees no other files
            assert other == found, (reader, data)
    assert 40 < accepted < 600


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda good: with_zip64(good, smuggled()), "ZIP64 end record has data of an unknown kind"),
        (lambda good: with_zip64(good, b"\0"), "ZIP64 end record has data of an unknown kind"),
        (lambda good: with_zip64(good, length=43), "ZIP64 end record has data of an unknown kind"),
        (lambda good: good[:-2] + struct.pack("<H", len(HIDDEN)) + HIDDEN, "two end records"),
        (lambda _: write([streamed("x", _DESCRIPTOR_MAGIC + b"more", 0)]), "x seems to end in several places"),
        (lambda _: write([Entry("y/", packed=HIDDEN, mode=0)]), "y/ is a directory with content"),
        (lambda _: write([Entry("x", b"data", central={"attributes": 0x10})]), "x is both a file and a directory"),
    ],
)
def test_second_readings_are_refused(make: Callable[[bytes], bytes], why: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        ours(make(write([Entry("good.txt", b"good")])))
    assert why in caught.value.what


def test_a_zip64_end_record_of_the_usual_length_is_read() -> None:
    assert ours(with_zip64(write([Entry("good.txt", b"good")]))) == {"good.txt": b"good"}


def test_directories_may_be_deflated_and_stored_members_streamed() -> None:
    members = [Entry("x/", b"", 8, mode=0o40755), streamed("x/y", b"data", 0), streamed("x/z", b"data", 8, magic=False)]
    assert ours(write(members)) == {"x/y": b"data", "x/z": b"data"}
