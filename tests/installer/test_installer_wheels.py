"""Wheels that are odd but accepted, what settings change about it, and what is kept between runs."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from installing import artifact, contents, engine, run
from kit.archives import make_wheel, wheel_metadata
from kit.raw_zip import Entry, entries, wheel_files, write
from kit.release import core_metadata

from pytest_fastenv.archive.inflate import WHOLE_BYTES
from pytest_fastenv.archive.member_paths import check_paths
from pytest_fastenv.errors import (
    ArchiveError,
    FastenvError,
    HashError,
    MetadataError,
    NotFoundError,
    RecordError,
    UnsupportedWheelError,
    WheelError,
)
from pytest_fastenv.installer.unpacked_wheel import UnpackedWheel
from pytest_fastenv.model.artifact import Hashes
from pytest_fastenv.model.digest import file_digests
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store
from pytest_fastenv.wheel.names import parse_wheel_name

NAME = "demo-1.0-py3-none-any.whl"


def use(store: Store, path: Path, settings: Settings | None = None, **options: Any) -> tuple[UnpackedWheel, list[str]]:
    """Take a wheel into use and return it with the notices given."""
    recorder = Recorder()

    async def work() -> UnpackedWheel:
        async with engine(store, settings, recorder=recorder) as parts:
            wheel = await parts.wheels.from_artifact(artifact(path, **options))
            parts.wheels.accept(wheel)
            return wheel

    return run(work()), [notice.text for notice in recorder.notices]


def raw(directory: Path, content: bytes) -> Path:
    path = directory / NAME
    path.write_bytes(content)
    return path


ODD = [
    ("6 NULs behind", lambda: write(entries(wheel_files()), after=b"\0" * 40), "40 NUL bytes follow the archive"),
    ("23 CON", lambda: write(entries(wheel_files({"demo/CON.txt": b"x"}))), "CON.txt cannot be written on Windows"),
    ("23 aux directory", lambda: write(entries(wheel_files({"aux/x": b"x"}))), "aux cannot be written on Windows"),
    ("23 colon", lambda: write(entries(wheel_files({"demo/a:b": b"x"}))), "demo/a:b cannot be written on Windows"),
    (
        "20 case",
        lambda: write(entries(wheel_files({"demo/A": b"x", "demo/a": b"y"}))),
        "demo/A and demo/a are one file",
    ),
    (
        "32 Wheel-Version 1.9",
        lambda: write(entries(wheel_files(WHEEL=wheel_metadata("py3-none-any").replace("1.0", "1.9").encode()))),
        "version 1.9 of the wheel format",
    ),
    (
        "45 .pth with code",
        lambda: write(entries(wheel_files({"demo.pth": b"import os\n"}))),
        "demo runs code whenever the interpreter starts: demo.pth",
    ),
]


@pytest.mark.parametrize(("make", "text"), [pytest.param(*rest, id=name) for name, *rest in ODD])
def test_odd_wheel_is_accepted_with_one_notice_each_time(make: Any, text: str, store: Store, artifacts: Path) -> None:
    path = raw(artifacts, make())
    for provenance in ("network", "cache"):
        wheel, notices = use(store, path)
        assert wheel.provenance == provenance
        assert len([n for n in notices if text in n]) == 1, notices


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(
            write([Entry("demo/__init__.py", b"value = 1\n"), *entries(wheel_files())]), id="5 twice, the same"
        ),
        pytest.param(write(entries(wheel_files()), comment=b"made by hand"), id="a comment"),
        pytest.param(
            write(entries(wheel_files(METADATA=core_metadata("demo", "1.0").encode() + b"caf\xe9 in Latin-1\n"))),
            id="37 free text is no UTF-8",
        ),
        pytest.param(
            write(entries(wheel_files(METADATA=core_metadata("Demo", "1.0.0").encode() + b"\n"))), id="another spelling"
        ),
        pytest.param(write(entries(wheel_files(**{"RECORD.jws": b"{}", "RECORD.p7s": b""}))), id="27 signatures"),
    ],
)  # fmt: skip
def test_harmless_wheel_is_accepted_in_silence(content: bytes, store: Store, artifacts: Path) -> None:
    wheel, notices = use(store, raw(artifacts, content))
    assert (wheel.tree / "demo" / "__init__.py").read_text() == "value = 1\n"
    assert notices == []


def test_modes_are_reduced_to_the_execute_bit(store: Store, artifacts: Path) -> None:
    files = wheel_files({"demo/tool": b"#!/bin/sh\n"})
    members = entries(files)
    members[1].mode = 0o106777  # setuid, setgid, writable by all
    wheel, _ = use(store, raw(artifacts, write(members)))
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((wheel.tree / "demo" / "tool").stat().st_mode) == 0o777 & ~umask
    assert stat.S_IMODE((wheel.tree / "demo" / "__init__.py").stat().st_mode) == 0o666 & ~umask


def test_what_the_file_system_decides() -> None:
    with pytest.raises(ArchiveError, match="cannot be told from"):
        check_paths("x.whl", ["demo/A", "demo/a"], folds_case=lambda: True)
    for path in ("demo/aux.py", "CON", "demo/a:b", "demo/end."):
        with pytest.raises(ArchiveError, match="Windows does not accept"):
            check_paths("x.whl", [path], folds_case=lambda: False, windows=True)


@pytest.mark.parametrize("path", ["sitecustomize.py", "demo-1.0.data/data/lib/python3.11/site-packages/demo.pth"])
def test_whatever_runs_code_at_start_is_told_and_an_error_in_strict_mode(
    path: str, store: Store, artifacts: Path
) -> None:
    archive = raw(artifacts, write(entries(wheel_files({path: b"import os\n"}))))
    _, notices = use(store, archive)
    assert f"demo runs code whenever the interpreter starts: {path}" in notices
    with pytest.raises(WheelError, match="runs code whenever the interpreter starts"):
        use(store, archive, Settings(strict=True))


def test_no_size_keeps_a_pth_file_from_being_looked_at(store: Store, artifacts: Path) -> None:
    content = b"#" * (WHOLE_BYTES + 1) + b"\nimport os\n"
    archive = raw(artifacts, write(entries(wheel_files({"demo.pth": content}))))
    _, notices = use(store, archive)
    assert "demo runs code whenever the interpreter starts: demo.pth" in notices


def test_code_in_pth_files_is_an_error_in_strict_mode_for_kept_wheels_too(store: Store, artifacts: Path) -> None:
    path = raw(artifacts, write(entries(wheel_files({"demo-1.0.data/purelib/demo.pth": b"x\nimport os\n"}))))
    use(store, path)
    with pytest.raises(WheelError, match="runs code whenever the interpreter starts"):
        use(store, path, Settings(strict=True))


def test_record_check_can_be_waived_by_project_and_is_not_waived_for_others(store: Store, artifacts: Path) -> None:
    files = wheel_files()
    files["demo/__init__.py"] = b"changed\n"
    path = raw(artifacts, write(entries(files)))
    with pytest.raises(RecordError):
        use(store, path, Settings(unchecked_records=frozenset({"other"})))
    wheel, notices = use(store, path, Settings(unchecked_records=frozenset({"demo"})))
    assert (wheel.tree / "demo" / "__init__.py").read_text() == "changed\n"
    assert any("is not the file that RECORD lists" in notice for notice in notices)
    with pytest.raises(RecordError, match="is not the file that RECORD lists"):
        use(store, path)  # it is in the store now, and refused all the same


@pytest.mark.parametrize(
    ("filename", "part"),
    [
        ("demo-1.0.whl", "it should read"),
        ("demo-1.0-py3-none-any.zip", "it should read"),
        ("de mo-1.0-py3-none-any.whl", "'de mo' is not the name of a project"),
        ("demo-one-py3-none-any.whl", "'one' is not a version"),
        ("demo-1.0-x1-py3-none-any.whl", "build tag 'x1' does not begin with a digit"),
        ("demo-1.0-py 3-none-any.whl", "Python tag 'py 3' is not one"),
        ("demo-1.0-py3-none-.whl", "platform tag '' is not one"),
    ],
)
def test_malformed_file_name_is_refused_and_the_part_named(filename: str, part: str) -> None:
    with pytest.raises(UnsupportedWheelError) as caught:
        parse_wheel_name(filename)
    assert part in caught.value.diagnosis()


def test_misnamed_file_is_refused_before_it_is_fetched(store: Store, artifacts: Path) -> None:
    with pytest.raises(UnsupportedWheelError):
        use(store, raw(artifacts, b"").rename(artifacts / "demo-1.0.whl"))


def test_same_bytes_under_another_name_are_refused_from_the_store_too(store: Store, artifacts: Path) -> None:
    path = make_wheel(artifacts, "demo")
    use(store, path)
    other = Path(shutil.copyfile(path, artifacts / "demo-2.0-py3-none-any.whl"))
    with pytest.raises(MetadataError) as caught:
        use(store, other)
    assert "'2.0', METADATA says '1.0'" in caught.value.diagnosis()


def test_what_is_told_of_a_wheel_names_the_file_that_was_asked_for(store: Store, artifacts: Path) -> None:
    path = raw(artifacts, write(entries(wheel_files({"demo/CON.txt": b"x"}))))
    other = Path(shutil.copyfile(path, artifacts / "demo-1.0-7-py3-none-any.whl"))
    for asked in (path, other):
        _, notices = use(store, asked)
        assert [notice.partition(":")[0] for notice in notices if "CON.txt" in notice] == [asked.name]


def test_metadata_other_than_the_index_announced_is_refused(store: Store, artifacts: Path, recorder: Recorder) -> None:
    announced = replace(artifact(make_wheel(artifacts, "demo")), metadata=Hashes.of({"sha256": "0" * 64}))

    async def work() -> None:
        async with engine(store) as parts:
            await parts.wheels.from_artifact(announced)

    for _ in range(2):
        with pytest.raises(MetadataError, match="other metadata than its index announced"):
            run(work())


def test_local_file_is_checked_against_its_hashes(store: Store, artifacts: Path, recorder: Recorder) -> None:
    path = make_wheel(artifacts, "demo")
    for hashes in ({"sha256": "0" * 64}, {"sha512": "0" * 128}):

        async def work(demanded: dict[str, str] = hashes) -> None:
            async with engine(store) as parts:
                await parts.wheels.from_artifact(replace(artifact(path), hashes=Hashes.of(demanded)))

        with pytest.raises(HashError):
            run(work())
    assert contents(store.root) == {}


def test_missing_local_file_is_named(store: Store, artifacts: Path) -> None:
    path = make_wheel(artifacts, "demo")
    known = artifact(path, hashed=False)
    path.unlink()

    async def work() -> None:
        async with engine(store) as parts:
            await parts.wheels.from_artifact(known)

    with pytest.raises(NotFoundError) as caught:
        run(work())
    assert str(path) in caught.value.diagnosis()


def test_wheel_without_a_known_digest_is_asked_for_again_when_its_age_demands_it(
    store: Store, artifacts: Path, index_server: Any
) -> None:
    path = make_wheel(artifacts, "demo")
    server = index_server()
    url = server.url.replace("/simple/", f"/files/{path.name}")
    provenances = []
    for settings in (Settings(), Settings(), Settings(upgrade=True), Settings(max_age_s=0.0), Settings(offline=True)):
        wheel, _ = use(store, path, settings, url=url, hashed=False)
        provenances.append(wheel.provenance)
    assert provenances == ["network", "cache", "cache", "cache", "cache"]
    asked = [request for request in server.requests if request.path.endswith(path.name)]
    assert ["if-none-match" in request.headers for request in asked] == [False, True, True]  # nothing is sent again


@pytest.mark.parametrize("algorithm", ["sha512", "md5", "sha1"])
def test_other_hashes_than_sha256_are_checked_and_remembered(
    algorithm: str, store: Store, artifacts: Path, index_server: Any
) -> None:
    path = make_wheel(artifacts, "demo")
    server = index_server()
    url = server.url.replace("/simple/", f"/files/{path.name}")
    (digest,) = file_digests(path, [algorithm]).values()

    async def work(hashes: Hashes) -> str:
        async with engine(store, Settings(max_age_s=0.0)) as parts:
            return (await parts.wheels.from_artifact(replace(artifact(path, url), hashes=hashes))).provenance

    assert [run(work(Hashes.of({algorithm: digest}))) for _ in range(2)] == ["network", "cache"]
    with pytest.raises(FastenvError, match="is not the file that was announced"):
        run(work(Hashes.of({algorithm: "0" * len(digest)})))


def test_half_lost_entry_is_made_anew(store: Store, artifacts: Path) -> None:
    path = make_wheel(artifacts, "demo")
    wheel, _ = use(store, path)
    (wheel.entry / "wheel.json").write_bytes(b"")  # what a power cut may leave
    again, _ = use(store, path)
    assert (again.provenance, again.sha256) == ("network", wheel.sha256)
    assert use(store, path)[0].provenance == "cache"


def test_no_archive_is_kept(store: Store, artifacts: Path) -> None:
    wheel, _ = use(store, make_wheel(artifacts, "demo"))
    assert sorted(os.listdir(wheel.entry)) == [".ready", "manifest.json", "tree", "wheel.json"]
    assert sorted(os.listdir(wheel.tree / wheel.dist_info)) == ["METADATA", "WHEEL"]


def test_many_ask_for_one_wheel_and_one_fetches_it(store: Store, artifacts: Path, index_server: Any) -> None:
    path = make_wheel(artifacts, "demo")
    server = index_server()
    url = server.url.replace("/simple/", f"/files/{path.name}")
    for hashed in (False, True):
        shutil.rmtree(store.root, ignore_errors=True)
        server.requests.clear()
        recorder = Recorder()
        fresh = Store(store.root, recorder=recorder)

        async def work(fresh: Store = fresh, recorder: Recorder = recorder, hashed: bool = hashed) -> list[Any]:
            import asyncio

            async with engine(fresh) as parts:
                wanted = artifact(path, url, hashed=hashed)
                return await asyncio.gather(*(parts.wheels.from_artifact(wanted) for _ in range(8)))

        wheels = run(work())
        assert len({wheel.entry for wheel in wheels}) == 1
        assert len([request for request in server.requests if request.path.endswith(path.name)]) == 1
        assert [span.kind for span in recorder.spans if span.kind in {"fetch", "unpack"}] == ["fetch", "unpack"]
