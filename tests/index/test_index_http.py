from __future__ import annotations

import asyncio
import base64
import gzip
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from index_kit import QUICK, Pauses, client
from kit import faults
from kit.server import Handler, IndexServer

from pytest_fastenv import __version__
from pytest_fastenv.errors import (
    AuthError,
    IndexAnswerError,
    NetworkError,
    NotFoundError,
    OfflineMissError,
    RateLimitedError,
    StalledError,
    TooManyRedirectsError,
)
from pytest_fastenv.index.answer import Answer
from pytest_fastenv.index.credentials import Credentials
from pytest_fastenv.index.http import HttpClient

Server = Callable[..., IndexServer]


@pytest.fixture(params=[True, False], ids=["rust", "stock"], autouse=True)
def rust(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def get(url: str, rust: bool, pauses: Pauses | None = None, **options: object) -> Answer:
    async def ask() -> Answer:
        async with client(pauses, rust=rust, **options) as http:
            return await http.get(url)

    return asyncio.run(ask())


def test_an_answer_is_whole(index_server: Server, rust: bool) -> None:
    server = index_server()
    server.fault("/x", faults.answer(200, b"body", {"Content-Type": "Text/HTML; charset=utf-8", "X-Y": "z"}))
    answer = get(f"{server.origin}/x", rust)
    assert (answer.status, answer.content, answer.url) == (200, b"body", f"{server.origin}/x")
    assert (answer.content_type, answer.headers["x-y"]) == ("text/html", "z")
    assert server.requests[0].headers["user-agent"] == f"pytest-fastenv/{__version__}"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_content_codings(index_server: Server, rust: bool, coding: str) -> None:
    import zlib

    body = {"gzip": gzip.compress(b"page"), "deflate": zlib.compress(b"page"), "br": b"?"}[coding]
    server = index_server()
    server.fault("/x", faults.answer(200, body, {"Content-Encoding": coding}))
    if coding == "br":
        with pytest.raises(IndexAnswerError, match="not offered"):
            get(f"{server.origin}/x", rust)
    else:
        assert get(f"{server.origin}/x", rust).content == b"page"


def test_a_server_that_recovers(index_server: Server, rust: bool) -> None:
    server, pauses = index_server(), Pauses()
    server.fault("/x", faults.answer(503, times=2))
    server.fault("/x", faults.answer(200, b"good"))
    assert get(f"{server.origin}/x", rust, pauses).content == b"good"
    assert pauses.made == [0.25, 0.5]


def test_retry_after_is_kept(index_server: Server, rust: bool) -> None:
    server, pauses = index_server(), Pauses()
    server.fault("/x", faults.answer(429, b"", {"Retry-After": "2"}, times=1))
    server.fault("/x", faults.answer(200, b"good"))
    assert get(f"{server.origin}/x", rust, pauses).content == b"good"
    assert pauses.made == [2.0]


@pytest.mark.parametrize(("headers", "requests"), [({}, 4), ({"Retry-After": "3600"}, 1)])
def test_a_server_that_stays_busy(index_server: Server, rust: bool, headers: dict[str, str], requests: int) -> None:
    server = index_server()
    server.fault("/x", faults.answer(429, b"", headers))
    with pytest.raises(RateLimitedError, match="429"):
        get(f"{server.origin}/x", rust)
    assert len(server.requests) == requests


@pytest.mark.parametrize(("status", "error"), [(404, NotFoundError), (410, NotFoundError), (418, NetworkError)])
def test_refusals_are_not_asked_twice(index_server: Server, rust: bool, status: int, error: type[Exception]) -> None:
    server = index_server()
    server.fault("/x", faults.answer(status))
    with pytest.raises(error):
        get(f"{server.origin}/x", rust)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_tell_where_they_were_looked_for(
    index_server: Server, rust: bool, status: int, tmp_path: Path
) -> None:
    server = index_server()
    server.fault("/x", faults.answer(status))
    (tmp_path / "broken").write_text("machine\n")
    credentials = Credentials({"NETRC": str(tmp_path / "broken")}, keyring=False)
    with pytest.raises(AuthError) as caught:
        get(f"http://user:secret@{server.origin.partition('//')[2]}/x", rust, credentials=credentials)
    text = str(caught.value)
    assert "sent: the login of the URL itself" in text
    assert f"{tmp_path}/broken cannot be read" in text
    assert "keyring" in text
    assert "secret" not in text


def test_redirects_keep_credentials_at_home(index_server: Server, rust: bool, tmp_path: Path) -> None:
    first, second = index_server(tmp_path), index_server(tmp_path)
    first.fault("/a", faults.redirect("/b"))
    first.fault("/b", faults.redirect(f"http://x:y@{second.origin.partition('//')[2]}/c"))
    second.fault("/c", faults.answer(200, b"there"))
    answer = get(f"http://user:secret@{first.origin.partition('//')[2]}/a", rust)
    expected = f"Basic {base64.b64encode(b'user:secret').decode()}"
    assert [request.headers.get("authorization") for request in first.requests] == [expected] * 2
    assert [request.headers.get("authorization") for request in second.requests] == [None]
    assert (answer.content, answer.url) == (b"there", f"{second.origin}/c")


def test_a_circle_of_redirects(index_server: Server, rust: bool) -> None:
    server = index_server()
    server.fault("/a", faults.redirect("/b"))
    server.fault("/b", faults.redirect("/a"))
    with pytest.raises(TooManyRedirectsError):
        get(f"{server.origin}/a", rust)
    assert len(server.requests) == 11


def test_redirects_to_other_schemes(index_server: Server, rust: bool) -> None:
    server = index_server()
    server.fault("/a", faults.redirect("file:///etc/passwd"))
    with pytest.raises(NetworkError, match="file is not followed"):
        get(f"{server.origin}/a", rust)


def test_offline_means_not_one_socket(rust: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("a client was made")

    monkeypatch.setattr("pytest_fastenv.index.transport.make_client", refuse)
    with pytest.raises(OfflineMissError, match=r"http://127\.0\.0\.1/x"):
        get("http://127.0.0.1/x", rust, offline=True)


def test_a_port_without_a_server(rust: bool) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pauses = Pauses()
    with pytest.raises(NetworkError, match=f"127.0.0.1:{port} cannot be reached"):
        get(f"http://127.0.0.1:{port}/x", rust, pauses, retries=2)
    assert len(pauses.made) == 2


def test_a_body_cut_short_is_asked_for_again(index_server: Server, rust: bool) -> None:
    server = index_server()
    (server.directory / "x").write_bytes(b"x" * 5000)
    server.fault("/x", faults.cut(1000, times=2))
    assert get(f"{server.files_url}x", rust).content == b"x" * 5000
    assert len(server.requests) == 3


def test_a_page_that_stalls(index_server: Server, rust: bool) -> None:
    release = threading.Event()

    def hold(handler: Handler) -> bool:
        handler.answer(200, b"x", {"Content-Length": "100"})
        handler.wfile.flush()
        release.wait(5)
        return True

    server = index_server()
    server.fault("/x", hold)
    with pytest.raises(StalledError, match=r"100 bytes came within 0\.1 s"):
        get(f"{server.origin}/x", rust, pace=QUICK, retries=0)
    release.set()


def test_requests_go_through_a_proxy(index_server: Server, rust: bool) -> None:
    from pytest_fastenv.index.config import Proxies

    proxy = index_server()
    proxy.fault("/x", faults.answer(200, b"by proxy"))
    proxies = Proxies(http=proxy.origin, exceptions="direct.invalid", source="http_proxy")
    assert get("http://index.invalid/x", rust, proxies=proxies).content == b"by proxy"
    assert proxy.requests[0].path == "http://index.invalid/x"
    with pytest.raises(NetworkError):
        get("http://direct.invalid/x", rust, proxies=proxies, retries=0)
    assert len(proxy.requests) == 1


@pytest.mark.slow
def test_no_more_than_64_are_open(index_server: Server, rust: bool) -> None:
    server = index_server()
    gate = threading.Semaphore(0)
    open_now, peak = 0, 0
    guard = threading.Lock()

    def hold(handler: Handler) -> bool:
        nonlocal open_now, peak
        with guard:
            open_now += 1
            peak = max(peak, open_now)
            if open_now == 64:
                gate.release(100)
        gate.acquire(timeout=5)
        with guard:
            open_now -= 1
        handler.answer(200)
        return True

    server.fault("/x", hold)

    async def ask() -> None:
        async with client(rust=rust) as http:
            await asyncio.gather(*(http.get(f"{server.origin}/x") for _ in range(80)))

    asyncio.run(ask())
    assert peak == 64


def test_a_cancelled_request_leaves_the_client_usable(index_server: Server, rust: bool) -> None:
    server = index_server()
    arrived, release = threading.Event(), threading.Event()

    def hold(handler: Handler) -> bool:
        arrived.set()
        release.wait(5)
        return True

    server.fault("/slow", hold)
    server.fault("/x", faults.answer(200, b"good"))

    async def ask(http: HttpClient) -> bytes:
        task = asyncio.create_task(http.get(f"{server.origin}/slow"))
        await asyncio.to_thread(arrived.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()
        return (await http.get(f"{server.origin}/x")).content

    async def run() -> bytes:
        async with client(rust=rust) as http:
            return await ask(http)

    assert asyncio.run(run()) == b"good"


def test_not_an_address(rust: bool) -> None:
    for url in ("http://exa mple.invalid/\x00", "gopher://example.invalid/"):
        with pytest.raises(NetworkError):
            get(url, rust, retries=0)
