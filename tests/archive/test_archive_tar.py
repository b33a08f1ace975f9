"""Tar archives: every way to pack them, parts of them, what links and modes become."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv.archive.limits import Limits
from pytest_fastenv.archive.tar_archive import ArchiveOrder, unpack_archive
from pytest_fastenv.errors import ArchiveError, BombError, LimitError, SdistError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMITS = Limits()
Member = tuple[tarfile.TarInfo, bytes]


def info(name: str, content: bytes = b"", **fields: Any) -> Member:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in fields.items():
        setattr(member, key, value)
    return member, content


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Member:
    return info(name, type=kind, linkname=target)


def tar(*members: Member) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def unpacked(tmp_path: Path, content: bytes, part: str = "", limits: Limits = LIMITS) -> Path:
    archive, into = tmp_path / "archive", tmp_path / "into"
    archive.write_bytes(content)
    into.mkdir()
    return Path(unpack_archive(ArchiveOrder(str(archive), str(into), "it.tar", limits, part)))


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_symlink() or path.is_file())


PLAIN = (info("top/a", b"a" * 3000, mode=0o755), info("top/b/c", bytes(range(256)) * 999))
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    # As the command of that name does: without it, its format does not notice changes.
    "zstd": lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}),
}


@pytest.mark.parametrize("how", PACKERS)
def test_however_it_is_packed(how: str, tmp_path: Path) -> None:
    top = unpacked(tmp_path, PACKERS[how](tar(*PLAIN)))
    assert files(top) == ["a", "b/c"]
    assert (top / "b/c").read_bytes() == bytes(range(256)) * 999
    assert stat.S_IMODE((top / "a").stat().st_mode) == 0o755


@pytest.mark.parametrize("how", [how for how in PACKERS if how != "plain"])
@pytest.mark.parametrize("damage", ["cut", "changed", "head only"])
def test_a_damaged_packing_is_a_diagnosis(how: str, damage: str, tmp_path: Path) -> None:
    packed = PACKERS[how](tar(*PLAIN, info("top/noise", os.urandom(9000))))
    if damage == "changed":
        packed = packed[:-4000] + bytes(100) + packed[-3900:]
    else:
        packed = packed[:-30] if damage == "cut" else packed[:7]
    with pytest.raises(ArchiveError, match="cannot be decompressed"):
        unpacked(tmp_path, packed)
    assert os.listdir(tmp_path / "into") == []


@pytest.mark.parametrize("how", [how for how in PACKERS if how != "plain"])
def test_a_bomb_is_noticed_while_it_expands(how: str, tmp_path: Path) -> None:
    with pytest.raises(BombError):
        unpacked(tmp_path, PACKERS[how](bytes(6 << 20)), limits=Limits(expanded_bytes=1 << 20))


def test_a_bomb_of_many_names_for_one_file_is_noticed(tmp_path: Path) -> None:
    names = [link(f"top/{number}", "top/a", tarfile.LNKTYPE) for number in range(200)]
    limits = Limits(expanded_bytes=1 << 20, ratio=5)
    with pytest.raises(BombError):
        unpacked(tmp_path, tar(info("top/a", os.urandom(100_000)), *names), limits=limits)
    assert os.listdir(tmp_path / "into") == []


def test_windows_that_need_too_much_memory_are_refused(tmp_path: Path) -> None:
    """A Zstandard frame may ask for a window of terabytes (RFC 8878, 3.1.1.1.2)."""
    packed = bytearray(zstd.compress(os.urandom(1 << 20), options={zstd.CompressionParameter.window_log: 20}))
    packed[4:6] = b"\0\xf8"  # no content size, so that the window's descriptor is there and counts
    with pytest.raises(ArchiveError, match="cannot be decompressed"):
        unpacked(tmp_path, bytes(packed))


@pytest.mark.parametrize("damage", ["", "cut"])
def test_without_isal_the_standard_library_does_it(damage: str, tmp_path: Path, without_isal: None) -> None:
    packed = gzip.compress(tar(*PLAIN))
    if damage:
        with pytest.raises(ArchiveError, match="cannot be decompressed"):
            unpacked(tmp_path, packed[:-30])
    else:
        assert files(unpacked(tmp_path, packed)) == ["a", "b/c"]


PARTED = (
    info("top/NOTES", b"x"),
    info("top/build/lib.a", b"object"),
    info("top/install/bin/run", b"run", mode=0o755),
    link("top/install/bin/start", "run"),
    link("top/install/up", "../install/bin/run"),
    link("top/install/same", "top/build/lib.a", tarfile.LNKTYPE),
    info("top/install-notes", b"x"),
)


def test_only_a_part_is_written(tmp_path: Path) -> None:
    root = unpacked(tmp_path, tar(*PARTED), "install")
    assert root == tmp_path / "into/top/install"
    assert files(tmp_path / "into") == [f"top/install/{name}" for name in ("bin/run", "bin/start", "same", "up")]
    assert sorted(os.listdir(tmp_path / "into/top")) == ["install"]
    assert (root / "same").read_bytes() == b"object"
    assert (root / "bin/start").read_bytes() == b"run"


def test_where_there_is_no_such_part_everything_is_written(tmp_path: Path) -> None:
    root = unpacked(tmp_path, tar(*PLAIN, info("top/b/install/x")), "install")
    assert files(root) == ["a", "b/c", "b/install/x"]


@pytest.mark.parametrize(
    ("member", "text"),
    [
        (link("top/install/out", "../build/lib.a"), "leaves the archive's root"),
        (link("top/build/out", "../../../etc"), "leaves the archive's root"),
        (info("top/build/../../x"), "leaves the archive's root"),
        (link("top/build/out", ""), "a link that no file system can hold"),
        (link("top/build/out", "../" + "a" * 5000), "a link that no file system can hold"),
        (info("top/build/null", type=tarfile.CHRTYPE), "is a device"),
    ],
)
def test_a_part_is_judged_with_all_that_is_beside_it(member: Member, text: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=text) as caught:
        unpacked(tmp_path, tar(*PARTED, member), "install")
    assert not isinstance(caught.value, SdistError)
    assert os.listdir(tmp_path / "into") == []


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LimitError):
        unpacked(tmp_path, tar(*PARTED), limits=Limits(members=3))


def test_a_file_that_ends_before_its_size_is_refused(tmp_path: Path) -> None:
    whole = tar(info("top/a", b"x" * 5000))
    with pytest.raises(ArchiveError):
        unpacked(tmp_path, whole[:3000])
