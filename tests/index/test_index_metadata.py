from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from index_kit import package_index
from kit import faults
from kit.archives import make_wheel
from kit.server import Handler, IndexServer

from pytest_fastenv.errors import FastenvError, HashError, MetadataError, NetworkError, NotFoundError
from pytest_fastenv.index.urls import file_url
from pytest_fastenv.model.artifact import Artifact, Hashes
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.store.store import Store

Server = Callable[..., IndexServer]
WHEEL = "a-1.0-py3-none-any.whl"


@pytest.fixture
def wheel(artifacts: Path) -> Path:
    noise = hashlib.shake_128(b"x").digest(200_000)
    return make_wheel(artifacts, "a", requires=["b>=1"], files={"a/data.bin": noise}, extras={"x": ["c"]})


def artifact(wheel: Path, url: str, **fields: Any) -> Artifact:
    hashes = Hashes.of({"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()})
    return Artifact(**{"name": "a", "version": "1.0", "filename": WHEEL, "url": url, "hashes": hashes, **fields})


def read(store: Store, recorder: Recorder, *artifacts: Artifact, **options: Any) -> list[CoreMetadata]:
    async def run() -> list[CoreMetadata]:
        async with package_index(store, recorder, **options) as index:
            return [await index.metadata(artifact) for artifact in artifacts]

    return asyncio.run(run())


def of_project(store: Store, recorder: Recorder, server: IndexServer) -> CoreMetadata:
    async def run() -> CoreMetadata:
        async with package_index(store, recorder, server.url) as index:
            project = await index.project("a")
            return await index.metadata(project.artifacts[0])

    return asyncio.run(run())


def transfers(server: IndexServer) -> list[tuple[str, str | None]]:
    return [
        (request.path.rpartition("/")[2], request.headers.get("range"))
        for request in server.requests
        if request.path.startswith("/files/")
    ]


EXPECTED = ("b>=1", "c ; extra == 'x'")


def test_the_file_beside_the_wheel(index_server: Server, wheel: Path, store: Store, recorder: Recorder) -> None:
    server = index_server()
    metadata = of_project(store, recorder, server)
    assert metadata.requires_dist == EXPECTED
    assert metadata.provides_extra == ("x",)
    assert transfers(server) == [(f"{WHEEL}.metadata", None)]


def test_it_is_asked_for_once(index_server: Server, wheel: Path, store: Store, recorder: Recorder) -> None:
    server = index_server()
    one = artifact(wheel, f"{server.files_url}{WHEEL}", metadata=Hashes())
    first = read(store, recorder, one, one)
    assert read(store, recorder, one, offline=True) == first[:1]
    assert len(transfers(server)) == 1


def test_ranges_where_there_is_no_such_file(
    index_server: Server, wheel: Path, store: Store, recorder: Recorder
) -> None:
    server = index_server(metadata_files=False)
    assert of_project(store, recorder, server).requires_dist == EXPECTED
    assert transfers(server) == [(WHEEL, "bytes=-32768")]


def test_more_ranges_when_it_lies_further_ahead(
    index_server: Server, artifacts: Path, store: Store, recorder: Recorder, wheel: Path
) -> None:
    import zipfile

    noise = hashlib.shake_128(b"y").digest(100_000)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: a\nVersion: 1.0\nRequires-Dist: d\n")
        archive.writestr("a/data.bin", noise)
    server = index_server(metadata_files=False)
    assert of_project(store, recorder, server).requires_dist == ("d",)
    first, second = transfers(server)
    assert first == (WHEEL, "bytes=-32768")
    assert (second[1] or "").startswith("bytes=0-")


def test_the_whole_wheel_where_there_are_no_ranges(
    index_server: Server, wheel: Path, store: Store, recorder: Recorder
) -> None:
    server = index_server(metadata_files=False, ranges=False)
    assert of_project(store, recorder, server).requires_dist == EXPECTED
    assert transfers(server)[-1] == (WHEEL, None)
    assert list((store.root / "tmp").glob("*/metadata*")) == []


@pytest.mark.parametrize("lie", ["zeros", "shifted", "size", "another wheel"])
def test_lying_ranges_end_in_the_whole_wheel(
    index_server: Server, wheel: Path, store: Store, recorder: Recorder, lie: str, tmp_path: Path
) -> None:
    content = wheel.read_bytes()
    other = make_wheel(tmp_path, "b").read_bytes()

    def answer(handler: Handler) -> bool:
        if "Range" not in handler.headers:
            return False
        size = len(content)
        tail, begin, total = content[-1000:], size - 1000, size
        if lie == "zeros":
            tail = b"\0" * 32768
            begin = size - 32768
        elif lie == "shifted":
            begin -= 7
        elif lie == "size":
            total = size + 5
        else:
            tail, begin, total = other, 0, len(other)
        handler.answer(206, tail, {"Content-Range": f"bytes {begin}-{begin + len(tail) - 1}/{total}"})
        return True

    server = index_server(metadata_files=False)
    server.fault(WHEEL, answer)
    one = artifact(wheel, f"{server.files_url}{WHEEL}", size_bytes=len(content))
    assert read(store, recorder, one)[0].requires_dist == EXPECTED
    assert transfers(server)[-1] == (WHEEL, None)


def test_a_metadata_file_with_another_hash(index_server: Server, wheel: Path, store: Store, recorder: Recorder) -> None:
    server = index_server()
    one = artifact(wheel, f"{server.files_url}{WHEEL}", metadata=Hashes.of({"sha256": "0" * 64}))
    with pytest.raises(HashError, match="expected sha256 0000"):
        read(store, recorder, one)


@pytest.mark.parametrize("fields", [{"name": "b"}, {"version": "2.0"}])
def test_metadata_of_another_project_or_version(
    index_server: Server, wheel: Path, store: Store, recorder: Recorder, fields: dict[str, str]
) -> None:
    server = index_server()
    for announced in (Hashes(), None):
        one = artifact(wheel, f"{server.files_url}{WHEEL}", metadata=announced, **fields)
        with pytest.raises(MetadataError) as caught:
            read(store, recorder, one)
        assert "a 1.0" in str(caught.value)
        assert f"{fields.get('name', 'a')} {fields.get('version', '1.0')}" in str(caught.value)


def test_a_wheel_that_is_another_one(index_server: Server, wheel: Path, store: Store, recorder: Recorder) -> None:
    server = index_server(metadata_files=False, ranges=False)
    one = artifact(wheel, f"{server.files_url}{WHEEL}", hashes=Hashes.of({"sha256": "0" * 64}))
    with pytest.raises(HashError):
        read(store, recorder, one)


def test_a_failure_is_not_remembered(index_server: Server, wheel: Path, store: Store, recorder: Recorder) -> None:
    server = index_server()
    server.fault(".metadata", faults.answer(500, times=4))
    one = artifact(wheel, f"{server.files_url}{WHEEL}", metadata=Hashes())

    async def run() -> CoreMetadata:
        async with package_index(store, recorder) as index:
            with pytest.raises(NetworkError):
                await index.metadata(one)
            return await index.metadata(one)

    assert asyncio.run(run()).requires_dist == EXPECTED


def test_a_local_wheel(wheel: Path, store: Store, recorder: Recorder) -> None:
    assert read(store, recorder, artifact(wheel, file_url(wheel)))[0].requires_dist == EXPECTED
    with pytest.raises(HashError):
        read(store, recorder, artifact(wheel, file_url(wheel), hashes=Hashes.of({"sha512": "0" * 128})))
    with pytest.raises(NotFoundError):
        read(store, recorder, artifact(wheel, file_url(wheel.with_name("gone.whl")), hashes=Hashes()))


def test_without_a_hash_nothing_is_kept(index_server: Server, wheel: Path, store: Store, recorder: Recorder) -> None:
    server = index_server()
    one = artifact(wheel, f"{server.files_url}{WHEEL}", hashes=Hashes(), metadata=Hashes())
    read(store, recorder, one)
    with pytest.raises(FastenvError):
        read(store, recorder, one, offline=True)
