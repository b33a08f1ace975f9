"""Source distributions: fetched once, unpacked by strict rules."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from installing import artifact, contents, engine, run
from kit.archives import make_sdist
from kit.raw_zip import Entry, write

from pytest_fastenv.archive.tar_archive import ArchiveOrder, unpack_sdist
from pytest_fastenv.errors import BombError, SdistError
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store


def info(name: str, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in fields.items():
        setattr(member, key, value)
    return member, content


PROJECT = [info("demo-1.0/setup.py", b"# setup\n"), info("demo-1.0/PKG-INFO", b"Name: demo\n")]


def tar(*members: tuple[tarfile.TarInfo, bytes], project: bool = True) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member, content in [*(PROJECT if project else []), *members]:
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return info(name, type=kind, linkname=target)


def two_sizes() -> bytes:
    """Return an archive whose extended header says another size than the plain one."""
    member, content = info("demo-1.0/data", b"x" * 700)
    member.pax_headers = {"size": "100"}
    return tar((member, content))


FAULTS: list[tuple[str, Callable[[], bytes], str]] = [
    ("50 two sizes", two_sizes, "has two different sizes"),
    ("51 link up", lambda: tar(link("demo-1.0/x", "../../etc")), "leaves the archive's root"),
    ("51 absolute link", lambda: tar(link("demo-1.0/x", "/etc/passwd")), "leaves the archive's root"),
    ("51 link up and down", lambda: tar(link("demo-1.0/x", "a/../../../b")), "leaves the archive's root"),
    ("51 link to another top", lambda: tar(link("demo-1.0/x", "../other/y")), "leaves the archive's root"),
    (
        "51 link through a link",
        lambda: tar(link("demo-1.0/a", "."), link("demo-1.0/b", "a/setup.py")),
        "leads through another link",
    ),
    (
        "51 file through a link",
        lambda: tar(link("demo-1.0/a", "b"), info("demo-1.0/a/evil", b"x")),
        "both a file and a directory",
    ),
    ("51 hard link out", lambda: tar(link("demo-1.0/x", "/etc/passwd", tarfile.LNKTYPE)), "not in the archive"),
    ("52 device", lambda: tar(info("demo-1.0/null", type=tarfile.CHRTYPE)), "is a device"),
    ("52 FIFO", lambda: tar(info("demo-1.0/pipe", type=tarfile.FIFOTYPE)), "is a device, a FIFO"),
    ("53 nothing", lambda: tar(project=False), "is empty"),
    ("53 no top, link up", lambda: tar(info("setup.py", b"x"), link("x", "../y")), "leaves the archive's root"),
    (
        "53 no top, link to the root's parent",
        lambda: tar(info("a", b"x"), link("x", "..")),
        "leaves the archive's root",
    ),
    ("leaves the root", lambda: tar(info("demo-1.0/../../evil", b"x")), "leaves the archive's root"),
    ("absolute", lambda: tar(info("/tmp/evil", b"x")), "absolute path"),
    ("twice", lambda: tar(info("demo-1.0/setup.py", b"other")), "comes twice"),
    ("data behind", lambda: tar() + b"hidden" * 100, "data behind its last member"),
    ("cut short", lambda: tar(info("demo-1.0/data", b"x" * 5000))[:3000], "damaged"),
    ("no archive", lambda: b"<!DOCTYPE html>", "begins with b'<!DOCTYPE html>'"),
    ("damaged gzip", lambda: gzip.compress(tar())[:-20], "cannot be decompressed"),
    ("damaged bzip2", lambda: bz2.compress(tar())[:-20], "cannot be decompressed"),
    ("damaged xz", lambda: lzma.compress(tar())[:-20], "cannot be decompressed"),
    ("zip that leaves", lambda: write([Entry("demo-1.0/../../x", b"x")]), "leaves the archive's root"),
]


@pytest.mark.parametrize(("make", "text"), [pytest.param(*rest, id=name) for name, *rest in FAULTS])
def test_fault_is_refused_before_anything_is_written(make: Callable[[], bytes], text: str, tmp_path: Path) -> None:
    archive, into = tmp_path / "demo-1.0.tar.gz", tmp_path / "into"
    archive.write_bytes(make())
    into.mkdir()
    with pytest.raises(SdistError) as caught:
        unpack_sdist(ArchiveOrder(str(archive), str(into), archive.name))
    assert text in caught.value.diagnosis()
    assert os.listdir(into) == []
    assert set(os.listdir(tmp_path)) <= {"demo-1.0.tar.gz", "into", "pip.conf"}


@pytest.mark.slow
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_bomb_is_noticed_while_it_expands(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    archive, into = tmp_path / "demo-1.0.tar", tmp_path / "into"
    archive.write_bytes(pack(b"\0" * (80 << 20)))
    into.mkdir()
    with pytest.raises(BombError, match="expands beyond what is permitted"):
        unpack_sdist(ArchiveOrder(str(archive), str(into), archive.name))
    assert os.listdir(into) == []


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("demo-1.0.tar.gz", gzip.compress),
        ("demo-1.0.tgz", gzip.compress),
        ("demo-1.0.tar.bz2", bz2.compress),
        ("demo-1.0.tar.xz", lzma.compress),
        ("demo-1.0.tar", bytes),
        ("demo-1.0.zip", None),
    ],
)
def test_every_format_is_unpacked(name: str, pack: Any, tmp_path: Path) -> None:
    archive, into = tmp_path / name, tmp_path / "into"
    plain = write([Entry("demo-1.0/setup.py", b"# setup\n"), Entry("demo-1.0/PKG-INFO", b"Name: demo\n")])
    archive.write_bytes(pack(tar()) if pack else plain)
    into.mkdir()
    top = Path(unpack_sdist(ArchiveOrder(str(archive), str(into), name)))
    assert top == into / "demo-1.0"
    assert (top / "setup.py").read_bytes() == b"# setup\n"


@pytest.mark.parametrize("is_zip", [False, True])
@pytest.mark.parametrize("dot", ["", "./"])
def test_there_need_not_be_a_top_directory(is_zip: bool, dot: str, tmp_path: Path) -> None:
    archive, into = tmp_path / "demo-1.0.tar", tmp_path / "into"
    paths = (f"{dot}setup.py", f"{dot}demo/__init__.py")
    if is_zip:
        archive.write_bytes(write([Entry(path, b"# code\n") for path in paths]))
    else:
        links = (link("readme", "setup.py"), link("demo/docs", "../demo"))
        archive.write_bytes(tar(*(info(path, b"# code\n") for path in paths), *links, project=False))
    into.mkdir()
    assert Path(unpack_sdist(ArchiveOrder(str(archive), str(into), archive.name))) == into
    assert (into / "setup.py").read_bytes() == (into / "demo" / "__init__.py").read_bytes() == b"# code\n"


@pytest.mark.parametrize("mtime", [0, -5, 1, 2**33, 2**40, float("nan"), float("inf")])
def test_times_that_a_wheel_cannot_have_become_some_that_it_can(mtime: float, tmp_path: Path) -> None:
    archive, into = tmp_path / "demo-1.0.tar", tmp_path / "into"
    member, content = info("demo-1.0/old.py", b"x")
    if mtime in {0, 1}:
        member.mtime = mtime
    else:
        member.pax_headers = {"mtime": str(mtime)}
    archive.write_bytes(tar((member, content)))
    into.mkdir()
    top = Path(unpack_sdist(ArchiveOrder(str(archive), str(into), archive.name)))
    with zipfile.ZipFile(tmp_path / "built.whl", "w") as wheel:  # as most backends do it: strict about times
        wheel.write(top / "old.py")
    assert 1980 <= zipfile.ZipFile(tmp_path / "built.whl").infolist()[0].date_time[0] <= 2107


def test_links_modes_and_times_are_deterministic(tmp_path: Path) -> None:
    archive, into = tmp_path / "demo-1.0.tar", tmp_path / "into"
    archive.write_bytes(
        tar(
            info("./demo-1.0/run.sh", b"#!/bin/sh\n", mode=0o6777, mtime=1_000_000_000),
            info("demo-1.0/docs", type=tarfile.DIRTYPE, mode=0o700),
            link("demo-1.0/docs/readme", "../PKG-INFO"),
            link("demo-1.0/nowhere", "not/there"),
            link("demo-1.0/copy", "demo-1.0/setup.py", tarfile.LNKTYPE),
            info("demo-1.0/setup.py", b"# setup\n"),
        )
    )
    into.mkdir()
    old = os.umask(0o077)
    try:
        top = Path(unpack_sdist(ArchiveOrder(str(archive), str(into), archive.name)))
    finally:
        os.umask(old)
    assert stat.S_IMODE((top / "run.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE((top / "setup.py").stat().st_mode) == 0o644
    assert stat.S_IMODE((top / "docs").stat().st_mode) == 0o755
    assert (top / "run.sh").stat().st_mtime == 1_000_000_000
    assert (top / "docs" / "readme").read_bytes() == b"Name: demo\n"
    assert os.readlink(top / "nowhere") == "not/there"
    assert (top / "copy").read_bytes() == b"# setup\n"
    assert not (top / "copy").is_symlink()


def test_archive_is_fetched_once_checked_each_time_and_unpacked(
    store: Store, artifacts: Path, index_server: Any, tmp_path: Path
) -> None:
    path = make_sdist(artifacts, "demo")
    server = index_server()
    wanted = artifact(path, server.url.replace("/simple/", f"/files/{path.name}"))

    async def work() -> tuple[Path, Path, list[str]]:
        recorder = Recorder()
        async with engine(store, Settings(), recorder=recorder) as parts:
            sdist = await parts.sdists.fetch(wanted)
            top = await parts.sdists.unpack(sdist, tmp_path / f"work{len(os.listdir(tmp_path))}")
            return sdist.path, top, [notice.text for notice in recorder.notices]

    def fetches() -> int:
        return len([request for request in server.requests if request.path.endswith(".tar.gz")])

    kept, top, _ = run(work())
    assert kept.name == path.name
    assert (top / "pyproject.toml").exists()
    run(work())
    assert fetches() == 1
    kept.write_bytes(b"changed")
    _, _, notices = run(work())
    assert fetches() == 2
    assert notices == [f"the store's copy of {path.name} was damaged: made anew"]


def test_a_directory_in_place_of_the_stores_archive_is_damage(store: Store, artifacts: Path) -> None:
    path = make_sdist(artifacts, "demo")

    async def work() -> tuple[Path, list[str]]:
        recorder = Recorder()
        async with engine(store, Settings(), recorder=recorder) as parts:
            found = await parts.sdists.fetch(artifact(path))
        return found.path, [notice.text for notice in recorder.notices]

    kept, _ = run(work())
    kept.unlink()
    (kept / "inside").mkdir(parents=True)
    assert run(work()) == (kept, [f"the store's copy of {path.name} was damaged: made anew"])
    assert kept.read_bytes() == path.read_bytes()


def test_archive_by_url_alone_is_fetched_once(store: Store, artifacts: Path, index_server: Any) -> None:
    path = make_sdist(artifacts, "demo")
    server = index_server()
    wanted = artifact(path, server.url.replace("/simple/", f"/files/{path.name}"), hashed=False)

    async def work() -> str:
        import asyncio

        async with engine(store, Settings()) as parts:
            found = await asyncio.gather(*(parts.sdists.fetch(wanted) for _ in range(3)))
            assert len({sdist.path for sdist in found}) == 1
            return found[0].sha256

    assert run(work()) == run(work())
    assert len([request for request in server.requests if request.path.endswith(".tar.gz")]) == 1


def test_bad_archive_leaves_nothing_behind_where_it_was_to_go(store: Store, artifacts: Path, tmp_path: Path) -> None:
    path = artifacts / "demo-1.0.tar.gz"
    path.write_bytes(gzip.compress(tar(link("demo-1.0/x", "/etc"))))

    async def work() -> None:
        async with engine(store, Settings()) as parts:
            await parts.sdists.unpack(await parts.sdists.fetch(artifact(path)), tmp_path / "work")

    with pytest.raises(SdistError, match="leaves the archive's root"):
        run(work())
    assert contents(tmp_path / "work") == {}


def test_an_error_names_the_file_that_was_asked_for(store: Store, artifacts: Path, tmp_path: Path) -> None:
    """The store has the archive under the name that it was fetched by first."""
    bad = gzip.compress(tar(link("demo-1.0/x", "/etc")))
    for number, name in enumerate(("first-1.0.tar.gz", "second-1.0.tar.gz")):
        (artifacts / name).write_bytes(bad)

        async def work(path: Path = artifacts / name, into: Path = tmp_path / str(number)) -> None:
            async with engine(store, Settings()) as parts:
                await parts.sdists.unpack(await parts.sdists.fetch(artifact(path)), into)

        with pytest.raises(SdistError, match=f"^{name}"):
            run(work())
