from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from index_kit import QUICK, client
from kit import faults
from kit.server import Handler, IndexServer

from pytest_fastenv.errors import HashError, NetworkError, SizeMismatchError, StalledError, StoreError
from pytest_fastenv.index.expected import Downloaded
from pytest_fastenv.model.artifact import Hashes

Server = Callable[..., IndexServer]
CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
GOOD = Hashes.of({"sha256": SHA256})


@pytest.fixture(params=[True, False], ids=["rust", "stock"], autouse=True)
def rust(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def server(index_server: Server) -> IndexServer:
    server = index_server()
    (server.directory / "x.whl").write_bytes(CONTENT)
    return server


def fetch(
    server: IndexServer, into: Path, rust: bool, hashes: Hashes = GOOD, size_bytes: int | None = None, **options: Any
) -> Downloaded:
    on_bytes = options.pop("on_bytes", None)

    async def run() -> Downloaded:
        async with client(options.pop("pauses", None), rust=rust, **options) as http:
            url = f"{server.files_url}x.whl"
            return await http.download(url, into, hashes=hashes, size_bytes=size_bytes, on_bytes=on_bytes)

    return asyncio.run(run())


def ranges(server: IndexServer) -> list[tuple[str | None, bool]]:
    return [(request.headers.get("range"), "if-range" in request.headers) for request in server.requests]


def broken_off(after_bytes: int, *, validator: bool = True, times: int = 1) -> Callable[[Handler], bool]:
    """Send the file from where it is wanted, but end the connection early; ranges and conditions are understood."""
    left = [times]

    def misbehave(handler: Handler) -> bool:
        if not left[0]:
            return False
        left[0] -= 1
        path = handler.index.directory / "x.whl"
        status = path.stat()
        headers = {"Content-Length": str(len(CONTENT)), "Accept-Ranges": "bytes"}
        if validator:
            headers["ETag"] = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
        handler.answer(200, CONTENT[:after_bytes], headers)
        handler.wfile.flush()
        handler.close_connection = True
        return True

    return misbehave


def test_a_file_arrives_whole(server: IndexServer, tmp_path: Path, rust: bool) -> None:
    told: list[int] = []
    hashes = Hashes.of({"sha256": SHA256}) & Hashes.of({"sha512": hashlib.sha512(CONTENT).hexdigest()})
    downloaded = fetch(server, tmp_path / "into", rust, hashes, len(CONTENT), on_bytes=told.append)
    assert (tmp_path / "into").read_bytes() == CONTENT
    assert downloaded.size_bytes == sum(told) == len(CONTENT)
    assert downloaded.digests == {"sha256": SHA256, "sha512": hashlib.sha512(CONTENT).hexdigest()}


def test_an_older_longer_file_is_replaced(server: IndexServer, tmp_path: Path, rust: bool) -> None:
    (tmp_path / "into").write_bytes(CONTENT * 2)
    fetch(server, tmp_path / "into", rust, Hashes())
    assert (tmp_path / "into").read_bytes() == CONTENT


def test_it_goes_on_where_it_broke_off(server: IndexServer, tmp_path: Path, rust: bool) -> None:
    told: list[int] = []
    server.fault("x.whl", broken_off(300_000))
    assert fetch(server, tmp_path / "into", rust, on_bytes=told.append).digests["sha256"] == SHA256
    (first, _), (second, conditional) = ranges(server)
    assert first is None
    assert second is not None
    assert second.startswith("bytes=")
    assert conditional
    assert sum(told) == len(CONTENT)


def test_a_changed_file_is_fetched_from_its_beginning(server: IndexServer, tmp_path: Path, rust: bool) -> None:
    told: list[int] = []
    server.fault("x.whl", broken_off(300_000))
    changed = b"other" * 1000

    def replace(_handler: Handler) -> bool:
        (server.directory / "x.whl").write_bytes(changed)
        return False

    server.fault("x.whl", replace)
    downloaded = fetch(server, tmp_path / "into", rust, Hashes(), on_bytes=told.append)
    assert (tmp_path / "into").read_bytes() == changed
    assert downloaded.size_bytes == sum(told) == len(changed)


def test_without_validator_and_hash_it_starts_again(server: IndexServer, tmp_path: Path, rust: bool) -> None:
    server.fault("x.whl", broken_off(300_000, validator=False))
    assert fetch(server, tmp_path / "into", rust, Hashes()).digests["sha256"] == SHA256
    assert ranges(server) == [(None, False)] * 2


def test_a_server_without_ranges(index_server: Server, tmp_path: Path, rust: bool) -> None:
    server = index_server(ranges=False)
    (server.directory / "x.whl").write_bytes(CONTENT)
    server.fault("x.whl", broken_off(300_000))
    assert fetch(server, tmp_path / "into", rust).digests["sha256"] == SHA256


def test_it_gives_up_after_three_times(server: IndexServer, tmp_path: Path, rust: bool) -> None:
    server.fault("x.whl", broken_off(1000, times=9))
    with pytest.raises(NetworkError):
        fetch(server, tmp_path / "into", rust, retries=8)
    assert len(server.requests) == 4
    assert not (tmp_path / "into").exists()


def test_lying_ranges_end_in_one_whole_fetch(server: IndexServer, tmp_path: Path, rust: bool) -> None:
    server.fault("x.whl", broken_off(300_000))

    def lie(handler: Handler) -> bool:
        wanted = handler.headers.get("Range", "")
        if not wanted:
            return False
        begin = int(wanted.removeprefix("bytes=").rstrip("-"))
        rest = b"\0" * (len(CONTENT) - begin)
        handler.answer(206, rest, {"Content-Range": f"bytes {begin}-{len(CONTENT) - 1}/{len(CONTENT)}"})
        return True

    server.fault("x.whl", lie)
    assert fetch(server, tmp_path / "into", rust).digests["sha256"] == SHA256
    assert [wanted is not None for wanted, _ in ranges(server)] == [False, True, False]


def test_another_range_than_asked_for(server: IndexServer, tmp_path: Path, rust: bool) -> None:
    server.fault("x.whl", broken_off(300_000))
    server.fault("x.whl", faults.answer(206, b"x", {"Content-Range": "bytes 0-0/512000"}, times=1))
    assert fetch(server, tmp_path / "into", rust).digests["sha256"] == SHA256


def test_a_wrong_hash_names_both_and_keeps_nothing(server: IndexServer, tmp_path: Path, rust: bool) -> None:
    with pytest.raises(HashError) as caught:
        fetch(server, tmp_path / "into", rust, Hashes.of({"sha256": "0" * 64}))
    assert "0" * 64 in str(caught.value)
    assert SHA256 in str(caught.value)
    assert not (tmp_path / "into").exists()
    assert len(server.requests) == 1


@pytest.mark.parametrize("announced", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_a_wrong_size(server: IndexServer, tmp_path: Path, rust: bool, announced: int) -> None:
    with pytest.raises(SizeMismatchError):
        fetch(server, tmp_path / "into", rust, GOOD, announced)
    assert not (tmp_path / "into").exists()


def test_more_than_announced_is_not_read_to_its_end(server: IndexServer, tmp_path: Path, rust: bool) -> None:
    told: list[int] = []
    (server.directory / "x.whl").write_bytes(b"\0" * (16 << 20))
    with pytest.raises(SizeMismatchError, match="more than the 10 bytes"):
        fetch(server, tmp_path / "into", rust, Hashes(), 10, on_bytes=told.append)
    assert sum(told) < 4 << 20


def test_a_content_length_that_is_too_long(server: IndexServer, tmp_path: Path, rust: bool) -> None:
    def close(handler: Handler) -> bool:
        handler.close_connection = True
        return False

    server.fault("x.whl", close)  # then the answer, on the same request
    server.fault("x.whl", faults.answer(200, CONTENT, {"Content-Length": "9999999", "Connection": "close"}))
    with pytest.raises(NetworkError):
        fetch(server, tmp_path / "into", rust, retries=1)


def test_a_transfer_that_stalls(server: IndexServer, tmp_path: Path, rust: bool) -> None:
    release = threading.Event()

    def hold(handler: Handler) -> bool:
        handler.answer(200, CONTENT[:50], {"Content-Length": str(len(CONTENT))})
        handler.wfile.flush()
        release.wait(5)
        return True

    server.fault("x.whl", hold)
    with pytest.raises(StalledError):
        fetch(server, tmp_path / "into", rust, pace=QUICK, retries=0)
    release.set()
    assert not (tmp_path / "into").exists()


def test_a_place_that_cannot_be_written(server: IndexServer, tmp_path: Path, rust: bool) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        fetch(server, tmp_path / "missing" / "into", rust)
    assert server.requests == []


def test_a_cancelled_transfer_leaves_nothing(server: IndexServer, tmp_path: Path, rust: bool) -> None:
    arrived, release = asyncio.Event(), threading.Event()

    def hold(handler: Handler) -> bool:
        handler.answer(200, CONTENT[:1000], {"Content-Length": str(len(CONTENT))})
        handler.wfile.flush()
        release.wait(5)
        return True

    server.fault("x.whl", hold)

    async def run() -> None:
        async with client(rust=rust) as http:
            download = http.download(f"{server.files_url}x.whl", tmp_path / "into", on_bytes=lambda _: arrived.set())
            task = asyncio.create_task(download)
            await arrived.wait()
            assert (tmp_path / "into").exists()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())
    release.set()
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize("first", ["header", "body"])
def test_a_cancellation_is_heeded_whatever_arrives_at_that_moment(
    server: IndexServer, tmp_path: Path, rust: bool, first: str
) -> None:
    """What comes together with it must not swallow it: the reader would wait for the rest, for ever."""
    ended = threading.Event()

    def without_end(handler: Handler) -> bool:
        handler.answer(200, headers={"Content-Length": str(1 << 40)})
        with contextlib.suppress(OSError):  # the reader has gone
            while first == "body" and not ended.is_set():
                handler.wfile.write(CONTENT[:1000])
        ended.wait(120)
        handler.close_connection = True
        return True

    async def attempt(turns: int) -> None:
        async with client(rust=rust) as http:
            begun = asyncio.Event()
            url, into = f"{server.files_url}x.whl", tmp_path / "into"
            transfer = asyncio.ensure_future(http.download(url, into, on_bytes=lambda _: begun.set()))
            if first == "body":
                await begun.wait()
            for _ in range(turns):
                await asyncio.sleep(0)
            transfer.cancel()
            await asyncio.wait([transfer], timeout=20)
            heeded = transfer.done()
            while not transfer.done():
                transfer.cancel()
                await asyncio.wait([transfer], timeout=1)
            assert heeded
            assert transfer.cancelled()
            assert not into.exists()

    server.fault("x.whl", without_end)
    try:
        for turns in range(40):
            asyncio.run(attempt(turns * (1 if first == "body" else 10)))
    finally:
        ended.set()
