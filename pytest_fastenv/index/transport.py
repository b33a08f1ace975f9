"""The transport of requests: httpx over a Rust transport where that can do what is asked, httpx's own elsewhere.

httpx's own connection pool costs milliseconds a request once fifty are open; the Rust one a fraction of that. The
stock transport takes over where the other one is not installed, for client certificates, and where memory is limited.
"""

from __future__ import annotations

import os
import re
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from pytest_fastenv.errors import UsageError
from pytest_fastenv.index.config import Network, Proxies
from pytest_fastenv.index.urls import web_origin
from pytest_fastenv.model.regular_files import read_regular
from pytest_fastenv.schedule.system_limits import memory_is_ample

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def make_client(network: Network, *, verify: bool, idle: int, rust: bool | None = None) -> httpx.AsyncClient:
    """Make a client that follows no redirect, knows no credentials and decodes no body by itself.

    :param verify: check certificates; false for trusted hosts only.
    :param idle: how many connections to each host are kept at most.
    :param rust: which transport; ``None`` chooses.
    :raises UsageError: a certificate file or proxy cannot be used; the text names where it is configured.
    """
    _check_proxies(network.proxies)
    if rust is None:
        # Where it gets no memory it ends the whole process.
        rust = network.client_cert is None and memory_is_ample() and _rust_is_there()
    transport = _rust_transport(network, verify=verify, idle=idle) if rust else None
    if transport is not None:
        # It has its own limits for connecting and for each read.
        return httpx.AsyncClient(transport=transport, timeout=None, trust_env=False)  # noqa: S113
    return _stock_client(network, verify=verify, idle=idle)


def transport_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions by which either transport tells that a transfer failed."""
    try:
        from pyreqwest.exceptions import PyreqwestError  # raised bare while a body is read
    except ImportError:
        return (httpx.TransportError, httpx.DecodingError)
    return (httpx.TransportError, httpx.DecodingError, httpx.TooManyRedirects, httpx.TimeoutException, PyreqwestError)


def _check_proxies(proxies: Proxies) -> None:
    for url in filter(None, (proxies.http, proxies.https)):
        try:
            good = bool(web_origin(url).host)
        except ValueError:
            good = False
        if not good:
            # The value is not shown: it may hold a password.
            raise UsageError(f"{proxies.source}: the proxy cannot be used", why="it is no URL with a host")


def _rust_is_there() -> bool:
    try:
        import pyreqwest.client  # noqa: F401  # loads a shared library: only when a request is made
    except ImportError:
        return False
    return True


def _rust_transport(network: Network, *, verify: bool, idle: int) -> httpx.AsyncBaseTransport:
    from pyreqwest.client import ClientBuilder

    from pytest_fastenv.index.rust_transport import RustTransport

    limit = timedelta(seconds=network.timeout_s)
    builder = (
        ClientBuilder()
        .follow_redirects(enable=False)
        .referer(enable=False)
        .gzip(enable=False)
        .deflate(enable=False)
        .brotli(enable=False)
        .zstd(enable=False)
        .connect_timeout(limit)
        .read_timeout(limit)
        .pool_max_idle_per_host(idle)
        .no_proxy()
    )
    for proxy in _rust_proxies(network):
        builder = builder.proxy(proxy)
    if not verify:
        builder = builder.danger_accept_invalid_certs(enable=True)
    elif network.cert is not None and not _is_system_bundle(network.cert):
        for certificate in _PEM.findall(_read(network.cert, network.cert_source)):
            builder = builder.add_root_certificate_pem(certificate)
    try:
        return RustTransport(builder.build())
    except ValueError as error:
        raise UsageError(
            f"{network.cert_source}: a certificate cannot be used", where=str(network.cert), why=str(error)
        ) from error


def _rust_proxies(network: Network) -> list[Any]:
    from pyreqwest.proxy import ProxyBuilder

    proxies = network.proxies
    made = []
    for make, url in ((ProxyBuilder.http, proxies.http), (ProxyBuilder.https, proxies.https)):
        if url:
            try:
                made.append(make(url).no_proxy(proxies.exceptions or None))
            except (ValueError, RuntimeError) as error:
                raise UsageError(f"{proxies.source}: the proxy cannot be used", why=type(error).__name__) from None
    return made


def _stock_client(network: Network, *, verify: bool, idle: int) -> httpx.AsyncClient:
    context = _context(network, verify=verify)
    mounts: dict[str, httpx.AsyncBaseTransport | None] = {}
    for scheme, url in (("http", network.proxies.http), ("https", network.proxies.https)):
        if url:
            try:
                mounts[f"{scheme}://"] = httpx.AsyncHTTPTransport(verify=context, proxy=httpx.Proxy(url))
            except (ValueError, ImportError, httpx.InvalidURL):
                raise UsageError(f"{network.proxies.source}: the proxy cannot be used") from None
    if mounts:
        for host in filter(None, (part.strip() for part in network.proxies.exceptions.split(","))):
            mounts["all://" if host == "*" else f"all://*{host}" if host[0] == "." else f"all://{host}"] = None
    return httpx.AsyncClient(
        verify=context,
        mounts=mounts,
        timeout=httpx.Timeout(network.timeout_s),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=idle),
        trust_env=False,
    )


def _context(network: Network, *, verify: bool) -> ssl.SSLContext:
    """The operating system's trust store, plus the configured authorities."""
    try:
        import truststore  # the fall-back's own dependency
    except ImportError:
        context = ssl.create_default_context()
    else:
        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not verify:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif network.cert is not None:
        _read(network.cert, network.cert_source)
        _load(context.load_verify_locations, network.cert, network.cert_source)
    if network.client_cert is not None:
        _read(network.client_cert, network.client_cert_source)
        _load(context.load_cert_chain, network.client_cert, network.client_cert_source)
    return context


def _load(load: Any, path: Path, source: str) -> None:
    try:
        load(str(path)) if not path.is_dir() else load(capath=str(path))
    except (ssl.SSLError, TypeError) as error:
        raise UsageError(
            f"{source}: {path} holds no certificate that can be used", where=str(path), why=str(error)
        ) from error


def _read(path: Path, source: str) -> bytes:
    """Return a PEM file's bytes, or the bytes of all files in a directory of certificates."""
    try:
        if path.is_dir():
            return b"\n".join(entry.read_bytes() for entry in sorted(path.iterdir()) if entry.is_file())
        content = read_regular(path)
    except OSError as error:
        raise UsageError(
            f"{source}: the certificate file cannot be read", where=str(path), why=error.strerror
        ) from error
    if b"-----BEGIN " not in content:
        raise UsageError(
            f"{source}: no PEM file", where=str(path), why="it has no line with -----BEGIN CERTIFICATE-----"
        )
    return content


def _is_system_bundle(path: Path) -> bool:
    """Whether a file is what the system's trust store is read from anyway; reading it again takes milliseconds."""
    known = ssl.get_default_verify_paths()
    places = (os.environ.get("SSL_CERT_FILE"), known.cafile, known.openssl_cafile, "/etc/ssl/certs/ca-certificates.crt")
    return any(place and os.path.exists(place) and os.path.exists(path) and path.samefile(place) for place in places)
