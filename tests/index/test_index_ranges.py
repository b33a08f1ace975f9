from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from index_kit import client
from kit import faults
from kit.server import IndexServer

from pytest_fastenv.errors import NotFoundError
from pytest_fastenv.index.ranges import Range, fetch_range

Server = Callable[..., IndexServer]


def fetch(url: str, begin: int, end: int | None) -> Range | None:
    async def run() -> Range | None:
        async with client() as http:
            return await fetch_range(http, url, begin, end)

    return asyncio.run(run())


@pytest.fixture
def server(index_server: Server) -> IndexServer:
    server = index_server()
    (server.directory / "x").write_bytes(b"0123456789")
    return server


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [(-4, None, Range(6, b"6789", 10)), (-99, None, Range(0, b"0123456789", 10)), (2, 5, Range(2, b"234", 10))],
)
def test_a_part_of_a_file(server: IndexServer, begin: int, end: int | None, expected: Range) -> None:
    assert fetch(f"{server.files_url}x", begin, end) == expected


@pytest.mark.parametrize(
    ("status", "body", "content_range"),
    [
        (200, b"0123456789", ""),
        (206, b"012", "bytes 0-2/10"),
        (206, b"23", "bytes 2-4/10"),
        (206, b"2345", "bytes 2-5/10"),
        (206, b"234", "bytes 2-4/*"),
        (206, b"234", ""),
        (416, b"", "bytes */10"),
    ],
)
def test_other_answers_are_no_part(server: IndexServer, status: int, body: bytes, content_range: str) -> None:
    server.fault("x", faults.answer(status, body, {"Content-Range": content_range} if content_range else {}))
    assert fetch(f"{server.files_url}x", 2, 5) is None


def test_no_such_file(server: IndexServer) -> None:
    with pytest.raises(NotFoundError):
        fetch(f"{server.files_url}gone", -4, None)
