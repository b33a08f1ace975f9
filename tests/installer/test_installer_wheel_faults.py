"""Faults of wheels: each is refused by its name on every route, and leaves environment and store as they were."""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from installing import SomeStaging, artifact, contents, engine, run
from kit.archives import wheel_metadata
from kit.raw_zip import SYMLINK, Entry, entries, wheel_files, write
from kit.release import core_metadata

from pytest_fastenv.errors import (
    ArchiveError,
    BombError,
    FastenvError,
    LimitError,
    MetadataError,
    RecordError,
    SchemeError,
    ScriptError,
    UnsupportedWheelError,
)
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store.store import Store

Fault = tuple[str, Callable[[], bytes], type[FastenvError], str]

INFO = "demo-1.0.dist-info"
FILES = wheel_files()
EXTRA = {"demo/data.txt": b"some data that can be packed, packed, packed\n" * 4}


def plus(*more: Entry) -> bytes:
    """Return a valid wheel with further members in front, listed in RECORD where that can be."""
    listed = {e.name: e.data for e in more if isinstance(e.name, str) and "\n" not in e.name}
    return write([*more, *(e for e in entries(wheel_files(listed)) if e.name not in listed)])


def first(**attributes: Any) -> bytes:
    """Return a valid wheel whose first member has other attributes."""
    files = {**EXTRA, **wheel_files(EXTRA)}
    return write(entries(files, first=attributes))


def info(**changed: bytes | None) -> bytes:
    """Return a wheel with files of dist-info changed or left out."""
    return write(entries(wheel_files(**changed)))


def rows(*, drop: str = "", add: str = "", replace: tuple[str, str] | None = None) -> bytes:
    """Return a wheel whose RECORD has lines too few, too many, or other ones."""
    files = wheel_files()
    lines = [line for line in files[f"{INFO}/RECORD"].decode().splitlines() if not drop or drop not in line]
    text = "\n".join([*lines, *([add] if add else [])]) + "\n"
    return info(RECORD=(text.replace(*replace) if replace else text).encode())


def zip64_liar() -> bytes:
    data = EXTRA["demo/data.txt"]
    packed = len(Entry("x", data).payload())
    lie = struct.pack("<HHQQ", 1, 16, len(data) + 1, packed)
    return first(central_extra=lie)


def local_zip64_liar() -> bytes:
    data = EXTRA["demo/data.txt"]
    packed = len(Entry("x", data).payload())
    truth, lie = (struct.pack("<HHQQ", 1, 16, len(data) + off, packed) for off in (0, 7))
    unset = {"size": 0xFFFFFFFF, "packed": 0xFFFFFFFF}
    return first(local=unset, central=unset, local_extra=lie, central_extra=truth)


def longer_than_declared() -> bytes:
    data = b"a" * 1000
    entry = Entry("demo/a.txt", data)
    told = {"size": 10, "crc": zlib.crc32(data[:10])}
    entry.local = entry.central = told
    files = wheel_files({"demo/a.txt": data[:10]})
    return write([entry, *(e for e in entries(files) if e.name != "demo/a.txt")])


def a_newer_zip() -> bytes:
    """Return a valid wheel whose first member says that it needs version 10.9 of the format."""
    content = bytearray(write(entries(FILES)))
    for at in (content.index(b"PK\3\4") + 4, content.index(b"PK\1\2") + 6):
        content[at] = 109
    return bytes(content)


def inner_archive() -> bytes:
    return write(entries(wheel_files({"evil.py": b"evil"})))


def requirement(line: bytes) -> bytes:
    return info(METADATA=core_metadata("demo", "1.0").rstrip("\n").encode() + b"\nRequires-Dist: " + line + b"\n\n")


def metadata(name: str = "demo", version: str = "1.0") -> bytes:
    return info(METADATA=core_metadata(name, version).encode())


FAULTS: list[Fault] = [
    ("1 leaves the root", lambda: plus(Entry("../evil.py", b"x")), ArchiveError, "leaves the archive's root"),
    ("1 in the middle", lambda: plus(Entry("demo/../../evil.py", b"x")), ArchiveError, "leaves the archive's root"),
    ("2 absolute", lambda: plus(Entry("/tmp/evil.py", b"x")), ArchiveError, "absolute path"),
    ("2 drive", lambda: plus(Entry("C:/evil.py", b"x")), ArchiveError, "absolute path"),
    ("3 backslash", lambda: plus(Entry("..\\evil.py", b"x")), ArchiveError, "backslash"),
    ("4 symlink", lambda: plus(Entry("demo/link", b"/etc/passwd", mode=SYMLINK)), ArchiveError, "symbolic link"),
    ("4 device", lambda: plus(Entry("demo/fifo", b"", mode=0o010644)), ArchiveError, "neither a file"),
    (
        "5 twice, different",
        lambda: write([Entry("demo/__init__.py", b"other"), *entries(FILES)]),
        ArchiveError,
        "comes twice",
    ),
    ("6 data behind", lambda: write(entries(FILES), after=b"more"), ArchiveError, "data after"),
    ("7 data before", lambda: write(entries(FILES), before=b"#!/bin/sh\n"), ArchiveError, "belongs to no member"),
    ("7 data before, offsets not moved", lambda: b"MZ" + write(entries(FILES)), ArchiveError, "belongs to no member"),
    ("7 data between", lambda: first(gap=b"PK\3\4hidden"), ArchiveError, "belongs to no member"),
    ("8 archive in the comment", lambda: write(entries(FILES), comment=inner_archive()), ArchiveError, "two end"),
    ("9 names differ", lambda: first(local={"name": b"demo/dATA.txt"}), ArchiveError, "another name"),
    ("9 sizes differ", lambda: first(local={"size": 5}), ArchiveError, "other sizes"),
    ("9 checksums differ", lambda: first(local={"crc": 5}), ArchiveError, "other sizes or another checksum"),
    ("9 methods differ", lambda: first(local={"method": 0}), ArchiveError, "another method"),
    ("9 header elsewhere", lambda: first(central={"offset": 7}), ArchiveError, "no local header"),
    ("9 descriptor differs", lambda: first(flags=8, descriptor=b"\0" * 12), ArchiveError, "behind its data"),
    (
        "9 Unicode path",
        lambda: first(central_extra=struct.pack("<HHBL", 0x7075, 9, 1, zlib.crc32(b"demo/data.txt")) + b"evil"),
        ArchiveError,
        "Unicode path",
    ),
    (
        "10 bad CRC",
        lambda: first(local={"crc": 5}, central={"crc": 5}),
        ArchiveError,
        "demo/data.txt does not have the ch",
    ),
    ("10 damaged data", lambda: first(packed=b"\xff" * 20), ArchiveError, "demo/data.txt cannot be inflated"),
    ("11 encrypted", lambda: first(flags=0x0801), ArchiveError, "demo/data.txt is encrypted"),
    ("12 ZIP64 that lies", zip64_liar, ArchiveError, "ZIP64 field that contradicts"),
    ("12 local ZIP64 that lies", local_zip64_liar, ArchiveError, "local header"),
    ("12 ZIP64 missing", lambda: first(central={"size": 0xFFFFFFFF}), ArchiveError, "which is missing"),
    ("12 two ZIP64", lambda: first(central_extra=struct.pack("<HH", 1, 0) * 2), ArchiveError, "two ZIP64"),
    ("13 NUL in a name", lambda: plus(Entry("demo/a\0.py", b"x")), ArchiveError, "NUL"),
    (
        "14 control character",
        lambda: plus(Entry("demo/a\x1b[31m.py", b"x")),
        ArchiveError,
        "demo/a\\x1b[31m.py has a control",
    ),
    ("14 newline", lambda: plus(Entry("demo/a\n.py", b"x")), ArchiveError, "control character"),
    ("15 long name", lambda: plus(Entry(f"demo/{'a' * 256}", b"x")), ArchiveError, "more than 255 bytes"),
    ("15 long in bytes", lambda: plus(Entry(f"demo/{'ä' * 128}", b"x")), ArchiveError, "more than 255 bytes"),
    ("16 deep path", lambda: plus(Entry("a/" * 2500 + "b", b"x")), ArchiveError, "directories deep"),
    ("17 bomb", lambda: plus(Entry("demo/zeros", b"\0" * (65 << 20))), BombError, "expands beyond"),
    ("18 longer than declared", longer_than_declared, ArchiveError, "does not have the 10 bytes"),
    (
        "18 shorter than declared",
        lambda: first(local={"size": 999}, central={"size": 999}),
        ArchiveError,
        "the 999 bytes",
    ),
    ("19 too many members", lambda: write(entries(FILES), count=1_000_000), LimitError, "too many"),
    ("21 file and directory", lambda: plus(Entry("demo", b"x")), ArchiveError, "both a file and a directory"),
    ("21 file under a file", lambda: plus(Entry("demo/__init__.py/x", b"x")), ArchiveError, "both a file and a dir"),
    ("24 a newer zip", a_newer_zip, ArchiveError, "needs a newer version"),
    ("24 LZMA", lambda: first(method=14), ArchiveError, "compression method 14"),
    ("25 truncated", lambda: write(entries(FILES))[:-30], ArchiveError, "cut short"),
    ("25 HTML", lambda: b"<!DOCTYPE html><title>Log in</title>", ArchiveError, "<!DOCTYPE html><title>Log in"),
    ("25 empty", lambda: b"", ArchiveError, "empty"),
    ("26 RECORD hash", lambda: rows(replace=("sha256=", "sha256=A")), RecordError, "is not the file that RECORD lists"),
    ("26 weak hash", lambda: rows(replace=("sha256=", "md5=")), RecordError, "is not the file that RECORD lists"),
    ("26 size", lambda: rows(replace=(",10\n", ",11\n")), RecordError, "demo/__init__.py has 10 bytes"),
    ("27 not in RECORD", lambda: rows(drop="demo/__init__.py"), RecordError, "demo/__init__.py is missing from RECORD"),
    ("28 not in the wheel", lambda: rows(add="demo/gone.py,sha256=AAA,1"), RecordError, "demo/gone.py, which is not"),
    ("29 RECORD leaves", lambda: rows(add="../evil.py,sha256=AAA,1"), RecordError, "../evil.py, which is outside"),
    ("30 no RECORD", lambda: info(RECORD=None), RecordError, "no RECORD"),
    ("30 binary RECORD", lambda: info(RECORD=b"\xff\xfe\0"), RecordError, "RECORD is no text"),
    ("30 garbage RECORD", lambda: info(RECORD=b"what,is\nthis"), RecordError, "which is not there"),
    ("30 RECORD of four columns", lambda: info(RECORD=b"a,b,c,d\n"), RecordError, "RECORD cannot be read"),
    (
        "31 Wheel-Version 2",
        lambda: info(WHEEL=wheel_metadata("py3-none-any").replace("1.0", "2.0").encode()),
        UnsupportedWheelError,
        "version 2.0 of the wheel format",
    ),
    ("33 no WHEEL", lambda: info(WHEEL=None), MetadataError, "has no WHEEL"),
    ("33 WHEEL unreadable", lambda: info(WHEEL=b"\xff\xff"), MetadataError, "WHEEL is no text"),
    ("33 WHEEL says nothing", lambda: info(WHEEL=b"Generator: x\n"), MetadataError, "WHEEL cannot be read"),
    ("34 no METADATA", lambda: info(METADATA=None), MetadataError, "has no METADATA"),
    (
        "35 other name",
        lambda: write(entries(wheel_files(name="other"))),
        MetadataError,
        "'demo', METADATA says 'other'",
    ),
    (
        "36 other version",
        lambda: write(entries(wheel_files(version="2.0"))),
        MetadataError,
        "'1.0', METADATA says '2.0'",
    ),
    ("37 name is no UTF-8", lambda: info(METADATA=b"Name: d\xff\nVersion: 1.0\n\n"), MetadataError, "no usable name"),
    ("37 version is none", lambda: metadata(version="one"), MetadataError, "no usable version"),
    ("37 requirement is no UTF-8", lambda: requirement(b"caf\xff"), MetadataError, "requirement that cannot be read"),
    ("38 METADATA too large", lambda: info(METADATA=b"Name: demo\n" * 800_000), LimitError, "METADATA is too large"),
    (
        "39 two dist-info",
        lambda: write(entries(wheel_files({"other-1.0.dist-info/METADATA": b""}))),
        MetadataError,
        "exactly one dist-info",
    ),
    ("39 no dist-info", lambda: write([Entry("demo.py", b"x")]), MetadataError, "exactly one dist-info"),
    ("39 another project's", lambda: metadata(name="other"), MetadataError, "belongs to another release"),
    (
        "40 entry point leaves",
        lambda: info(**{"entry_points.txt": b"[console_scripts]\n../x = demo:main\n"}),
        ScriptError,
        "../x does not do as the name",
    ),
    (
        "41 entry point with code",
        lambda: info(**{"entry_points.txt": b"[console_scripts]\nx = demo:main;import os\n"}),
        ScriptError,
        "not module:function",
    ),
    (
        "42 entry point python",
        lambda: info(**{"entry_points.txt": b"[gui_scripts]\npython3 = demo:main\n"}),
        ScriptError,
        "may not be named python3",
    ),
    ("42 script python", lambda: plus(Entry("demo-1.0.data/scripts/python", b"#!x")), ScriptError, "named python"),
    ("43 unknown scheme", lambda: plus(Entry("demo-1.0.data/etc/x", b"x")), SchemeError, "'etc', which does not exist"),
    ("43 no scheme", lambda: plus(Entry("demo-1.0.data/scripts", b"x")), SchemeError, "outside any scheme"),
    ("43 another's data", lambda: plus(Entry("other-1.0.data/data/x", b"x")), SchemeError, "not its own"),
    ("44 data leaves", lambda: plus(Entry("demo-1.0.data/scripts/../../x", b"x")), SchemeError, "leaves its scheme"),
    ("49 requirement", lambda: requirement(b"foo (>1.x)"), MetadataError, "requirement that cannot be read"),
]
SLOW = {"17 bomb", "38 METADATA too large"}


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [pytest.param(*rest, id=name, marks=[pytest.mark.slow] if name in SLOW else []) for name, *rest in FAULTS],
)
def test_fault_is_refused_on_every_route_and_leaves_nothing(
    make: Callable[[], bytes],
    error: type[FastenvError],
    text: str,
    store: Store,
    recorder: Recorder,
    artifacts: Path,
    index_server: Any,
    tmp_path: Path,
) -> None:
    wheel = artifacts / "demo-1.0-py3-none-any.whl"
    wheel.write_bytes(make())
    server = index_server()
    prefix = tmp_path / "env"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "python").write_text("the interpreter")

    async def by_all_routes() -> list[FastenvError]:
        errors = []
        async with engine(store) as parts:

            async def from_file() -> None:
                built = tmp_path / "built" / wheel.name
                built.parent.mkdir()
                shutil.copyfile(wheel, built)
                try:
                    await parts.wheels.from_file(built, ("demo", "1.0"), provenance="built")
                finally:
                    assert built.exists()

            remote = artifact(wheel, server.url.replace("/simple/", f"/files/{wheel.name}"))
            draft = SomeStaging(prefix, tmp_path / "final")
            for route in (
                parts.install([remote], draft),
                parts.wheels.from_artifact(artifact(wheel)),
                from_file(),
            ):
                with pytest.raises(error) as caught:
                    await route
                errors.append(caught.value)
        return errors

    errors = run(by_all_routes())
    assert len({e.diagnosis() for e in errors}) == 1, "the same bytes get the same verdict by every route"
    assert text in errors[0].diagnosis()
    assert type(errors[0]) is error
    assert contents(prefix) == {"bin/python": 15}
    assert contents(store.root) == {}
