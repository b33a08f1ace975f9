from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest
from kit.archives import make_wheel, write_zip

from pytest_fastenv.errors import ArchiveError, LimitError, MetadataError
from pytest_fastenv.index.wheel_metadata import MissingBytes, Pieces, read_metadata

META = "Metadata-Version: 2.1\nName: a\nVersion: 1.0\n"


def read(path: Path, name: str = "a") -> bytes:
    with path.open("rb") as file:
        return read_metadata(file, name=name, source=path.name)


def test_a_whole_wheel(tmp_path: Path) -> None:
    assert b"Name: a" in read(make_wheel(tmp_path, "a"))


@pytest.mark.parametrize("tail", [22, 200, 600])
def test_a_wheel_in_pieces(tmp_path: Path, tail: int) -> None:
    path = make_wheel(tmp_path, "a", files={"a/data.bin": bytes(range(256)) * 400})
    content = path.read_bytes()
    pieces = Pieces(len(content))
    pieces.put(len(content) - tail, content[-tail:])
    asked = 0
    while True:
        try:
            metadata = read_metadata(pieces, name="a", source="a")
            break
        except MissingBytes as missing:
            asked += 1
            pieces.put(missing.begin, content[missing.begin : missing.end])
    assert metadata == read(path)
    assert asked <= 4


def test_another_project_s_directory_does_not_confuse(tmp_path: Path) -> None:
    path = write_zip(
        tmp_path / "a-1.0-py3-none-any.whl",
        {"a-1.0.dist-info/METADATA": META, "b-2.0.dist-info/METADATA": "x", "a/_vendor/c-1.dist-info/METADATA": "x"},
    )
    assert read(path) == META.encode()
    with pytest.raises(MetadataError, match=r"a-1\.0\.dist-info/METADATA, b-2\.0"):
        read(path, "c")


def test_no_metadata(tmp_path: Path) -> None:
    with pytest.raises(MetadataError, match="found: none"):
        read(write_zip(tmp_path / "a.whl", {"a/__init__.py": ""}))


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x05\x06" + b"\xff" * 18])
def test_no_archive(content: bytes) -> None:
    with pytest.raises(ArchiveError):
        read_metadata(io.BytesIO(content), name="a", source="a.whl")


def test_an_archive_of_nothing() -> None:
    """What follows its end is found when the whole wheel is there."""
    with pytest.raises(MetadataError, match="found: none"):
        read_metadata(io.BytesIO(b"PK\x05\x06" + b"\0" * 18 + b"x"), name="a", source="a.whl")


def test_a_damaged_member(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.whl", {"a-1.0.dist-info/METADATA": META * 50})
    content = bytearray(path.read_bytes())
    content[80] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ArchiveError):
        read(path)


def test_other_compressions(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a-1.0.dist-info/METADATA", META)
    with pytest.raises(ArchiveError, match="compressed"):
        read(tmp_path / "a.whl")


def test_more_than_8_mib(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("a-1.0.dist-info/METADATA", b"\0" * (8 << 20) + b"x")
    with pytest.raises(LimitError):
        read(tmp_path / "a.whl")


def test_a_file_that_cannot_be_read_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "a")
    with path.open("rb") as file:
        os.dup2(os.open(tmp_path, os.O_RDONLY), file.fileno())  # its descriptor means a directory now
        with pytest.raises(IsADirectoryError):
            read_metadata(file, name="a", source="a.whl")
