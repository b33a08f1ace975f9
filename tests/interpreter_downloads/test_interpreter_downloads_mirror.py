"""What ``FASTENV_PYTHON_MIRROR`` may be, and what is found there."""

from __future__ import annotations

import asyncio
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.server import IndexServer

from pytest_fastenv.errors import InterpreterError, NetworkError, NotFoundError, UsageError
from pytest_fastenv.interpreter_downloads.mirror import Mirror, local_path

PUBLISHED = "https://example.invalid/builds/releases/download/20241016/cpython-3.12.7%2B20241016-x86_64.tar.gz"


async def fetch(url: str) -> bytes:
    """Read over HTTP as the index room does: what is not there has an error of its own."""

    def read() -> bytes:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            error.close()
            raise (NotFoundError if error.code == 404 else NetworkError)(f"{url}: {error.code}") from None

    return await asyncio.to_thread(read)


async def nothing(url: str) -> bytes:
    raise AssertionError(f"{url} was asked for")


def test_none_leaves_what_the_tables_name() -> None:
    for text in (None, "", "  "):
        mirror = Mirror.parse(text)
        assert (mirror.place, mirror.is_local) == ("", False)
        assert mirror.mirrored(PUBLISHED) == PUBLISHED
    assert asyncio.run(Mirror.parse(None).consulted(nothing)).checksums is None


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("https://example.invalid", "https://example.invalid"),
        ("https://example.invalid/a/b//", "https://example.invalid/a/b"),
        ("HTTP://Example.invalid:8080/a", "http://example.invalid:8080/a"),
        ("https://user:secret@example.invalid:8443/a", "https://example.invalid:8443/a"),
        ("https://[2001:db8::1]:80/a", "https://[2001:db8::1]:80/a"),
    ],
)
def test_a_server(text: str, base: str) -> None:
    mirror = Mirror.parse(text)
    assert (mirror.base, mirror.place, mirror.is_local) == (base, base, False)
    assert mirror.mirrored(PUBLISHED) == f"{base}/20241016/cpython-3.12.7%2B20241016-x86_64.tar.gz"
    assert "secret" not in repr(mirror)


def test_what_urls_give_a_meaning_to_is_quoted() -> None:
    mirror = Mirror.parse("https://example.invalid/m")
    assert (
        mirror.address("20241016/a+b%2B c#?.tar.gz") == "https://example.invalid/m/20241016/a%2Bb%252B%20c%23%3F.tar.gz"
    )


def test_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "with space+plus"
    place.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for text in (str(place), "with space+plus", "./with space+plus/", "~/with space+plus", place.as_uri()):
        mirror = Mirror.parse(text)
        assert (mirror.directory, mirror.base, mirror.is_local) == (place, "", True)
    address = mirror.address("20241016/a+b.tar.gz")
    assert address.startswith("file:///")
    assert "+" not in address
    assert local_path(address) == place / "20241016" / "a+b.tar.gz"
    assert Mirror.parse(f"file://localhost{place.as_uri().removeprefix('file://')}").directory == place


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ftp://example.invalid/a", "ftp: is not known"),
        ("https:///a", "names no host"),
        ("https://", "names no host"),
        ("https://example.invalid:port/a", "cast to integer|invalid"),
        ("https://[::1/a", "Invalid IPv6"),
        ("https://example.invalid/a?token=secret", "neither a query nor a fragment"),
        ("https://example.invalid/a#secret", "neither a query nor a fragment"),
        ("file:relative", "absolute path"),
        ("file:///nowhere/at/all", "no directory"),
        ("nowhere/at/all", "no directory"),
        ("https://user:se/cret@example.invalid/", "cast to integer|invalid"),
        ("https://user:secret@example.invalid:port/", "cast to integer|invalid"),
        pytest.param("file://host/a", "three slashes", marks=pytest.mark.skipif(os.name == "nt", reason="UNC paths")),
    ],
)
def test_what_is_no_mirror_is_named(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=r"python_mirror.*: .* is not accepted") as caught:
        Mirror.parse(text)
    assert any(word in str(caught.value.why) for word in reason.split("|"))
    assert caught.value.exit_code == 4
    assert "cret@" not in str(caught.value)
    assert "token" not in str(caught.value)
    if "@" not in text and "?" not in text and "#" not in text:
        assert repr(text) in str(caught.value)


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").touch()
    with pytest.raises(UsageError, match="is not accepted"):
        Mirror.parse(str(tmp_path / "a.tar.gz"))


def test_checksums_of_a_server(index_server: Callable[..., IndexServer], artifacts: Path) -> None:
    server = index_server()
    mirror = Mirror.parse(server.files_url)
    assert asyncio.run(mirror.consulted(fetch)).checksums is None
    (artifacts / "SHA256SUMS").write_text(f"{'a' * 64}  one.tar.gz\n")
    assert asyncio.run(mirror.consulted(fetch)).checksums == {"one.tar.gz": "a" * 64}
    assert server.paths() == ["/files/SHA256SUMS"] * 2
    (artifacts / "SHA256SUMS").write_text("<html>\n")
    with pytest.raises(InterpreterError, match="list of checksums") as caught:
        asyncio.run(mirror.consulted(fetch))
    assert caught.value.where == f"{server.files_url}SHA256SUMS, line 1"


def test_a_server_that_fails_is_not_one_without_checksums(index_server: Callable[..., IndexServer]) -> None:
    server = index_server(credentials=("user", "secret"))
    with pytest.raises(NetworkError, match="401"):
        asyncio.run(Mirror.parse(server.files_url).consulted(fetch))


def test_checksums_of_a_directory(tmp_path: Path) -> None:
    mirror = Mirror.parse(str(tmp_path))
    assert asyncio.run(mirror.consulted(nothing)).checksums is None
    (tmp_path / "SHA256SUMS").write_text(f"{'a' * 64}  one.tar.gz\n")
    assert asyncio.run(mirror.consulted(nothing)).checksums == {"one.tar.gz": "a" * 64}
    (tmp_path / "SHA256SUMS").unlink()
    (tmp_path / "SHA256SUMS").mkdir()
    with pytest.raises(InterpreterError, match="cannot be read"):
        asyncio.run(mirror.consulted(nothing))
