"""Archives of interpreters in all their shapes end up in the same one."""

from __future__ import annotations

import io
import os
import stat
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.interpreter_bench import installing, offer_of
from kit.interpreters import Found
from kit.python_archives import pack_interpreter, sha256

from pytest_fastenv.errors import ArchiveError
from pytest_fastenv.interpreter_downloads.offer import Offer
from pytest_fastenv.interpreter_downloads.unpack import InterpreterOrder, unpack_interpreter
from pytest_fastenv.store.store import Store

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SHAPES = {
    "cpython-install_only.tar.gz": ("w:gz", "python/", ()),
    "cpython-install_only.tar.xz": ("w:xz", "python/", ()),
    "cpython-full.tar": ("w", "python/install/", ("python/PYTHON.json", "python/build/core.o", "python/licenses/x")),
    "pypy3.10-v7.3.17-linux64.tar.bz2": ("w:bz2", "pypy3.10-v7.3.17-linux64/", ()),
}
FILES = {"bin/python3.12": b"program", "lib/python3.12/os.py": b"# os\n", "lib/python3.12/EXTERNALLY-MANAGED": b""}


def shaped(path: Path, mode: str, top: str, beside: tuple[str, ...]) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name in beside:
            archive.addfile(tarfile.TarInfo(name))
        for name, content in FILES.items():
            member = tarfile.TarInfo(top + name)
            member.size, member.mode = len(content), 0o755 if name.startswith("bin/") else 0o644
            archive.addfile(member, io.BytesIO(content))
        member = tarfile.TarInfo(f"{top}bin/python3")
        member.type, member.linkname = tarfile.SYMTYPE, "python3.12"
        archive.addfile(member)
    return path


def unpack(archive: Path, tmp_path: Path, python: str = "bin/python3.12") -> Path:
    place = tmp_path / "place"
    place.mkdir(exist_ok=True)
    unpack_interpreter(InterpreterOrder(str(archive), str(place), "/final/python", python, archive.name))
    assert os.listdir(place) == ["python"]
    assert not archive.exists()
    return place / "python"


def check(installation: Path) -> None:
    found = sorted(str(path.relative_to(installation)) for path in installation.rglob("*") if not path.is_dir())
    assert found == ["bin/python3", "bin/python3.12", "lib/python3.12/os.py"]
    assert stat.S_IMODE((installation / "bin/python3.12").stat().st_mode) == 0o755
    assert stat.S_IMODE((installation / "lib/python3.12/os.py").stat().st_mode) == 0o644
    assert os.readlink(installation / "bin/python3") == "python3.12"


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape(name: str, tmp_path: Path) -> None:
    check(unpack(shaped(tmp_path / name, *SHAPES[name]), tmp_path))


def test_full_archives_are_packed_with_zstandard(tmp_path: Path) -> None:
    archive = shaped(tmp_path / "cpython-full.tar.zst", *SHAPES["cpython-full.tar"])
    archive.write_bytes(zstd.compress(archive.read_bytes()))
    check(unpack(archive, tmp_path))


def test_archives_for_windows_are_zip_files(tmp_path: Path) -> None:
    archive = tmp_path / "pypy3.10-v7.3.17-win64.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("pypy3.10-v7.3.17-win64/python.exe", b"MZ")
        target.writestr("pypy3.10-v7.3.17-win64/Lib/os.py", b"# os\n")
    installation = unpack(archive, tmp_path, "python.exe")
    assert (installation / "Lib/os.py").read_bytes() == b"# os\n"


def test_variables_that_are_no_text(tmp_path: Path) -> None:
    files = {"bin/python3.12": b"", "lib/python3.12/_sysconfigdata__x.py": b"\xff\xfe"}
    archive = tmp_path / "it.tar"
    with tarfile.open(archive, "w") as target:
        for name, content in files.items():
            member = tarfile.TarInfo(f"python/{name}")
            member.size = len(content)
            target.addfile(member, io.BytesIO(content))
    with pytest.raises(ArchiveError, match="no text"):
        unpack(archive, tmp_path)


linux = pytest.mark.skipif(sys.platform != "linux", reason="archives are packed from interpreters of Linux")


def as_full(archive: Path, path: Path) -> Path:
    """Write an ``install_only`` archive as one with everything, packed with Zstandard."""
    plain = io.BytesIO()
    with tarfile.open(archive) as source, tarfile.open(fileobj=plain, mode="w") as target:
        for member in source:
            content = source.extractfile(member) if member.isreg() else None
            member.name = member.name.replace("python/", "python/install/", 1)
            target.addfile(member, content)
        target.addfile(tarfile.TarInfo("python/PYTHON.json"))
    path.write_bytes(zstd.compress(plain.getvalue(), level=1))
    return path


@linux
@pytest.mark.slow
def test_a_real_interpreter_out_of_a_full_archive(interpreters: list[Found], tmp_path: Path, store: Store) -> None:
    archive = pack_interpreter(interpreters[-1][1], tmp_path)
    full = as_full(archive, tmp_path / archive.name.replace("install_only.tar.gz", "pgo+lto-full.tar.zst"))
    offer: Offer = offer_of(full)
    assert installing(store, offer).version == offer.version
    assert sha256(full) == offer.sha256, "the mirror's own file is left alone"


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


@linux
@pytest.mark.slow
def test_all_the_care_takes_no_longer_than_tarfile(interpreters: list[Found], tmp_path: Path) -> None:
    """It takes half of its time; the best of three, as machines have other things to do."""
    archive = pack_interpreter(interpreters[-1][1], tmp_path)
    ours, plain = [], []
    for number in range(3):
        into, place = tmp_path / f"plain{number}", tmp_path / f"place{number}"
        place.mkdir()
        copy = place / "archive"
        copy.write_bytes(archive.read_bytes())
        python = f"bin/{interpreters[-1][1].resolve().name}"
        order = InterpreterOrder(str(copy), str(place), "/final/python", python, archive.name)
        with tarfile.open(archive) as source:
            plain.append(_seconds(lambda source=source, into=into: source.extractall(into, filter="data")))
        ours.append(_seconds(lambda order=order: unpack_interpreter(order)))
    assert min(ours) < 1.5 * min(plain), (ours, plain)
