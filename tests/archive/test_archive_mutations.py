"""Thousands of mutations of archives: refused with a diagnosis, or read as `zipfile` and `tarfile` read them."""

from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit.mutations import COUNT, bounded, mutated, seeds
from kit.raw_zip import Entry, entries, wheel_files, write

from pytest_fastenv.archive.limits import Limits
from pytest_fastenv.archive.tar_archive import ArchiveOrder, unpack_sdist
from pytest_fastenv.errors import FastenvError
from pytest_fastenv.installer.manifest import TREE
from pytest_fastenv.installer.unpack import Order, unpack

pytestmark = pytest.mark.slow

#: Small, so that what would be a bomb is one here, too.
LIMITS = Limits(expanded_bytes=1 << 20, members=500, text_bytes=1 << 16)
_BLOCK = 512
_FIELDS = ("name", "flags", "method", "crc", "packed", "size")
_ZIP_PIECES = (
    b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\7\x08", b"../", b"/", b"\\", b"\0", b"./",
    b"demo/__init__.py", b"\xff" * 4, b"\xff" * 8, b"\1\0\x10\0", b"demo-1.0.data/", b"RECORD", b"\xc3\xa4", b"\r\n",
    b",,\n",
)  # fmt: skip
_TAR_PIECES = (
    b"../", b"/", b"\\", b"\0", b"./", b"0", b"1", b"2", b"5", b"7", b"x", b"g", b"L", b"K", b"S",
    b"ustar\x0000", b"ustar  \0", b"00000000010\0", b"\x80\0\0\0", b"\xff", b"19 path=demo-1.0/a\n", b"12 size=900\n",
    b"demo-1.0/pkg/one.py",
    b"30 GNU.sparse.name=demo-1.0/x\n", bytes(_BLOCK),
)  # fmt: skip


def wheels() -> Iterator[bytes]:
    """Yield a wheel field by field, as `zipfile` writes it, and as that streams it with ZIP64 fields."""
    files = wheel_files(
        {"demo/one.py": b"one = 1\n" * 40, "demo/data/two.txt": b"", "demo-1.0.data/data/share/x": b"x"}
    )
    yield write(entries(files))
    for streamed in (False, True):
        target = io.BytesIO()
        sink = _Stream(target) if streamed else target
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
            for name, data in files.items():
                with archive.open(name, "w", force_zip64=streamed) as member:
                    member.write(data)
        yield target.getvalue()


class _Stream:
    """What cannot be rewound, so that sizes stand behind the data."""

    def __init__(self, target: io.BytesIO) -> None:
        self.write = target.write
        self.flush = target.flush


def sdists() -> Iterator[bytes]:
    """Yield tar archives in each of the formats that `tarfile` writes, with links and long names."""
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
            for name, data in {
                "PKG-INFO": b"Name: demo\n",
                "pkg/one.py": b"1\n" * 300,
                f"pkg/{'n' * 60}/{'m' * 50}.py": b"",
            }.items():
                member = tarfile.TarInfo(f"demo-1.0/{name}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
            for name, kind, target in (
                ("soft", tarfile.SYMTYPE, "pkg/one.py"),
                ("hard", tarfile.LNKTYPE, "demo-1.0/PKG-INFO"),
            ):
                member = tarfile.TarInfo(f"demo-1.0/{name}")
                member.type, member.linkname = kind, target
                archive.addfile(member)
        yield buffer.getvalue()


def mutated_wheel(chance: random.Random, originals: list[bytes]) -> bytes:
    if chance.random() < 0.3:
        return _wheel_with_other_fields(chance)
    original = chance.choice(originals)
    places = [
        at + offset
        for magic in (b"PK\1\2", b"PK\3\4", b"PK\5\6")
        for at in _all(original, magic)
        for offset in range(4, 60, 2)
    ]
    return mutated(chance, original, _ZIP_PIECES, places)


def _all(content: bytes, magic: bytes) -> Iterator[int]:
    at = content.find(magic)
    while at >= 0:
        yield at
        at = content.find(magic, at + 1)


def _wheel_with_other_fields(chance: random.Random) -> bytes:
    """Return a wheel whose headers differ in fields, or whose texts have slips; the rest fits."""
    files = wheel_files({"demo/one.py": b"one = 1\n" * 40})
    if chance.random() < 0.6:
        name = chance.choice([name for name in files if ".dist-info/" in name])
        key = name.rpartition("/")[2]
        text = mutated(
            chance,
            files[name],
            (b"../x,,\n", b"demo/one.py,,\n", b"Name: x\n", b"\n", b"Version: 2\n", b"\xff", b"Requires-Dist: a ; \n"),
        )
        return write(entries(wheel_files({"demo/one.py": files["demo/one.py"]}, **{key: text})))
    made = entries(files)
    entry = chance.choice(made)
    match chance.randrange(4):
        case 0:
            entry.name = mutated(chance, str(entry.name).encode(), _ZIP_PIECES)
        case 1:
            entry.local_extra = entry.central_extra = mutated(chance, b"\1\0\x10\0" + bytes(16), _ZIP_PIECES)
        case 2:
            field = chance.choice(_FIELDS[1:])
            told = {
                field: chance.choice((0, 1, 8, 2048, 0xFFFF))
                if field != "flags"
                else chance.choice((0, 1, 8, 2, 2048, 2056))
            }
            entry.local = told
            entry.central = told if chance.random() < 0.7 else {}
        case _:
            made.insert(
                chance.randrange(len(made) + 1),
                Entry(
                    entry.name,
                    chance.choice((entry.data, b"other")),
                    mode=chance.choice((0o100644, 0o40755, 0o120777, 0)),
                ),
            )
    return write(made)


def mutated_sdist(chance: random.Random, originals: list[bytes]) -> bytes:
    original = chance.choice(originals)
    places = [
        at + offset
        for at in range(0, len(original), _BLOCK)
        for offset in (0, 9, 100, 124, 135, 148, 156, 157, 257, 263, 345)
    ]
    changed = mutated(chance, original, _TAR_PIECES, places)
    if chance.random() < 0.8:
        changed = _with_checksums(changed)
    packed = gzip.compress(changed, 1, mtime=0)
    return mutated(chance, packed, _TAR_PIECES) if chance.random() < 0.1 else packed


def _with_checksums(content: bytes) -> bytes:
    """Return a tar archive whose headers have the right checksums again, so that more than these is looked at."""
    made = bytearray(content)
    for at in range(0, len(made) - _BLOCK + 1, _BLOCK):
        block = made[at : at + _BLOCK]
        if block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            made[at + 148 : at + 156] = b"%06o\0 " % sum(block)
    return bytes(made)


def tree(root: Path) -> dict[str, bytes | str]:
    """Return what lies in a directory: contents of files, targets of links."""
    found: dict[str, bytes | str] = {}
    for directory, directories, names in os.walk(root):
        for name in [*names, *directories]:
            path = os.path.join(directory, name)
            inner = os.path.relpath(path, root)
            if os.path.islink(path):
                found[inner] = os.readlink(path)
            elif os.path.isfile(path):
                found[inner] = Path(path).read_bytes()
    return found


def wheel_elsewhere(archive: Path) -> dict[str, bytes | str]:
    with zipfile.ZipFile(archive) as opened:
        return {os.path.normpath(one.filename): opened.read(one) for one in opened.infolist() if not one.is_dir()}


def sdist_elsewhere(archive: Path) -> dict[str, bytes | str]:
    found: dict[str, bytes | str] = {}
    with tarfile.open(archive) as opened:
        for one in opened:
            content = opened.extractfile(one) if one.isreg() or one.islnk() else None
            if content is not None:
                found[os.path.normpath(one.name)] = content.read()
            elif one.issym():
                found[os.path.normpath(one.name)] = one.linkname
    return found


#: Files of dist-info that are written anew for each environment.
_OURS = ("INSTALLER", "REQUESTED", "direct_url.json", "RECORD", "RECORD.jws", "RECORD.p7s")


def read_wheel(archive: Path, into: Path) -> dict[str, bytes | str]:
    unpack(Order(str(archive), str(into), "demo-1.0-py3-none-any.whl", stays=True, limits=LIMITS))
    return tree(into / TREE)


def read_sdist(archive: Path, into: Path) -> dict[str, bytes | str]:
    unpack_sdist(ArchiveOrder(str(archive), str(into), "demo-1.0.tar.gz", LIMITS))
    return tree(into)


KINDS = {
    "wheel": (wheels, mutated_wheel, read_wheel, wheel_elsewhere),
    "sdist": (sdists, mutated_sdist, read_sdist, sdist_elsewhere),
}


@pytest.mark.parametrize("seed", seeds())
@pytest.mark.parametrize("kind", KINDS)
def test_mutated_archives_are_refused_or_read_as_elsewhere(kind: str, seed: int, tmp_path: Path) -> None:
    make, mutate, read, elsewhere = KINDS[kind]
    chance, originals, counts = random.Random(f"{kind} {seed}"), list(make()), Counter[str]()
    archive, into = tmp_path / "archive", tmp_path / "place" / "into"
    with bounded() as begin:
        for number in range(COUNT):
            content = mutate(chance, originals)
            archive.write_bytes(content)
            into.mkdir(parents=True)
            begin()
            try:
                found = read(archive, into)
            except FastenvError as error:
                counts["refused" if error.what else "said nothing"] += 1
            except BaseException as error:
                raise AssertionError(f"{kind}, seed {seed}, number {number}: {content!r}") from error
            else:
                counts["read"] += 1
                theirs = elsewhere(archive)
                if kind == "wheel":
                    theirs = {path: data for path, data in theirs.items() if path.rpartition("/")[2] not in _OURS}
                assert found == theirs, f"seed {seed}, number {number}: {content!r}"
            assert os.listdir(tmp_path / "place") == ["into"], number
            shutil.rmtree(tmp_path / "place")
    assert sorted(os.listdir(tmp_path)) == ["archive", "pip.conf"]
    # The mutations are worth something: some are still archives, most are not.
    assert counts["said nothing"] == 0
    assert counts["read"] > COUNT // 50
    assert counts["refused"] > COUNT // 4
