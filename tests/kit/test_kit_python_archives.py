"""The kit's archives are what those of python-build-standalone are, and what is in them runs from anywhere."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from kit.interpreters import Found
from kit.python_archives import pack_interpreter, sha256, write_sums

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="archives are packed from interpreters of Linux"),
]


def test_an_archive_has_the_name_and_the_layout(interpreters: list[Found], tmp_path: Path) -> None:
    version, python = interpreters[-1]
    archive = pack_interpreter(python, tmp_path, tag="20240203")
    full, minor = ".".join(map(str, version)), "{}.{}".format(*version)
    assert archive.name.startswith(f"cpython-{full}+20240203-")
    assert archive.name.endswith("-install_only.tar.gz")
    assert archive.stat().st_size < 30 << 20
    with tarfile.open(archive) as members:
        names = members.getnames()
        assert {name.partition("/")[0] for name in names} == {"python"}
        assert members.getmember("python/bin/python3").linkname == f"python{minor}"
        assert members.getmember(f"python/bin/python{minor}").mode == 0o755
    assert {f"python/lib/python{minor}/os.py", f"python/include/python{minor}/Python.h"} <= set(names)
    assert any(name.startswith("python/lib/pkgconfig/") for name in names)


def test_packing_twice_gives_the_same_and_damage_stays_local(interpreters: list[Found], tmp_path: Path) -> None:
    python = interpreters[-1][1]
    first = pack_interpreter(python, tmp_path / "1")
    digest = sha256(first)
    first.write_bytes(b"damaged")
    assert sha256(pack_interpreter(python, tmp_path / "2")) == digest


def test_sums_are_what_sha256sum_reads(interpreters: list[Found], tmp_path: Path) -> None:
    archive = pack_interpreter(interpreters[-1][1], tmp_path)
    assert write_sums(tmp_path).read_text() == f"{sha256(archive)}  {archive.name}\n"


def test_it_runs_from_where_it_is_unpacked(interpreters: list[Found], tmp_path: Path) -> None:
    python = interpreters[-1][1]
    with tarfile.open(pack_interpreter(python, tmp_path)) as archive:
        archive.extractall(tmp_path / "some where", filter="tar")
    home = tmp_path / "some where" / "python"
    code = "import ssl, sqlite3, ctypes, sys; print(sys.prefix); print(open('/proc/self/maps').read())"
    done = subprocess.run([home / "bin/python3", "-I", "-B", "-c", code], capture_output=True, text=True, check=True)
    prefix, _, maps = done.stdout.partition("\n")
    assert prefix == str(home)
    assert f"{python.resolve().parents[1]}/" not in maps
