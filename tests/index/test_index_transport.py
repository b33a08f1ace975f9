from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from index_kit import client

from pytest_fastenv.errors import FastenvError, InsecureRedirectError, NetworkError, ProvideError, UsageError
from pytest_fastenv.index.config import Proxies

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:9/")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"safe")

    def log_message(self, *_: object) -> None:
        """Be silent."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority ``ca.pem`` and, signed by it, ``server.pem`` and ``client.pem`` with their keys."""
    directory = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30")
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=tests")
    for name, extension in (("server", "subjectAltName=IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")):
        (directory / "extension").write_text(f"{extension}\nbasicConstraints=CA:FALSE\n")
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "extension")
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.crt")
        both = (directory / f"{name}.crt").read_text() + (directory / f"{name}.key").read_text()
        (directory / f"{name}.pem").write_text(both)
    return directory


class TlsServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, certificates: Path, *, wants_client: bool) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates / "server.pem")
        if wants_client:
            self._context.load_verify_locations(certificates / "ca.pem")
            self._context.verify_mode = ssl.CERT_REQUIRED

    def finish_request(self, request: Any, client_address: Any) -> None:
        try:
            with self._context.wrap_socket(request, server_side=True) as tls:
                super().finish_request(tls, client_address)  # type: ignore[arg-type]
        except OSError:
            return  # the client does not trust us, or has gone


def serve(certificates: Path, *, wants_client: bool = False) -> Iterator[str]:
    with TlsServer(certificates, wants_client=wants_client) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"https://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def server(certificates: Path) -> Iterator[str]:
    yield from serve(certificates)


@pytest.fixture
def strict_server(certificates: Path) -> Iterator[str]:
    yield from serve(certificates, wants_client=True)


def get(url: str, **options: Any) -> bytes:
    async def run() -> bytes:
        async with client(**options) as http:
            return (await http.get(url)).content

    return asyncio.run(run())


@pytest.mark.parametrize("rust", [True, False], ids=["rust", "stock"])
def test_a_configured_authority_is_trusted(server: str, certificates: Path, rust: bool) -> None:
    assert get(server, rust=rust, cert=certificates / "ca.pem") == b"safe"


@pytest.mark.parametrize("rust", [True, False], ids=["rust", "stock"])
def test_others_are_not_and_are_not_asked_again(server: str, rust: bool, certificates: Path) -> None:
    with pytest.raises(NetworkError) as caught:
        get(server, rust=rust)
    assert "certificates are checked against" in str(caught.value)
    with pytest.raises(NetworkError, match=r"PIP_CERT .*client\.crt"):
        get(server, rust=rust, cert=certificates / "client.crt", cert_source="PIP_CERT")


@pytest.mark.parametrize("rust", [True, False], ids=["rust", "stock"])
def test_trusted_hosts_are_not_checked(server: str, rust: bool) -> None:
    assert get(server, rust=rust, trusted_hosts=("127.0.0.1",)) == b"safe"
    assert get(server, rust=rust, trusted_hosts=(server.removeprefix("https://"),)) == b"safe"
    with pytest.raises(NetworkError):
        get(server, rust=rust, trusted_hosts=("h.invalid",))


@pytest.mark.parametrize("rust", [True, False], ids=["rust", "stock"])
def test_from_https_to_http(server: str, certificates: Path, rust: bool) -> None:
    with pytest.raises(InsecureRedirectError, match="redirects from https to http"):
        get(f"{server}/away", rust=rust, cert=certificates / "ca.pem")


def test_client_certificates(strict_server: str, certificates: Path) -> None:
    mine = {"client_cert": certificates / "client.pem", "client_cert_source": "client-cert in pip.conf"}
    assert get(strict_server, cert=certificates / "ca.pem", **mine) == b"safe"
    with pytest.raises(NetworkError):
        get(strict_server, cert=certificates / "ca.pem", retries=0)


@pytest.mark.parametrize("rust", [True, False], ids=["rust", "stock"])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"])
def test_files_that_hold_no_certificate(tmp_path: Path, rust: bool, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x.pem").write_bytes(content)
    with pytest.raises(FastenvError) as caught:
        get("https://127.0.0.1:9/", rust=rust, cert=tmp_path / "x.pem", cert_source="cert in /etc/pip.conf", retries=0)
    assert isinstance(caught.value, UsageError)
    assert "cert in /etc/pip.conf" in str(caught.value)


@pytest.mark.parametrize("rust", [True, False], ids=["rust", "stock"])
def test_a_proxy_that_is_no_url(rust: bool) -> None:
    proxies = Proxies(http="http://u:secret@[/", source="http_proxy")
    with pytest.raises(UsageError, match="http_proxy: the proxy cannot be used") as caught:
        get("http://h.invalid/", rust=rust, proxies=proxies)
    assert "secret" not in str(caught.value)


def test_without_the_rust_transport(server: str, certificates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyreqwest.client", None)
    assert get(server, rust=None, cert=certificates / "ca.pem") == b"safe"


class PanicException(BaseException):
    """Stands for pyo3's, which cannot be provoked: a defect in Rust, that no handler of errors sees."""


class Panicking:
    """Stands for a client of pyreqwest, and for what is made with it."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self

    async def __aenter__(self) -> None:
        raise PanicException("failed to wake I/O driver")


def test_a_defect_of_the_library_that_transfers_is_a_diagnosis() -> None:
    rust = pytest.importorskip("pytest_fastenv.index.rust_transport")
    request = httpx.Request("GET", "https://example.invalid/")
    with pytest.raises(ProvideError, match="has a defect") as caught:
        asyncio.run(rust.RustTransport(Panicking()).handle_async_request(request))
    assert caught.value.why == "failed to wake I/O driver"
