"""A package index on loopback: real HTTP/1.1 with connections kept open, conditional requests, ranges, faults."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer
from typing import Any, BinaryIO, Literal, Self
from urllib.parse import unquote, urlsplit

from kit.catalogue import HTML_TYPE, JSON_TYPE, Catalogue, normalized

Flavour = Literal["html", "json", "negotiate"]
#: Called with the handler of a request; true when it has answered, false to go on as usual.
Fault = Callable[["Handler"], bool]


@dataclass(frozen=True)
class Request:
    """A request as it came in; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


class IndexServer:
    """Serves a directory of artifacts as a package index; use it in a ``with`` statement.

    ``/simple/`` is the Simple API, ``/files/`` has the artifacts (and a page of links for find-links). Files may be
    added to the directory at any time.

    :param flavour: ``html`` or ``json`` always, or by the request's ``Accept``.
    :param metadata_files: offer ``.metadata`` beside wheels (PEP 658).
    :param ranges: answer range requests with 206; else they are ignored.
    :param etags: send ``ETag`` and answer ``If-None-Match`` with 304.
    :param yanked: reasons by file name (PEP 592); may be empty text.
    :param credentials: user and password that every request must carry.
    :param throttle_bytes_per_s: rate of each file transfer.
    :param latency_s: delay before each answer.
    :param cache_control: header of project pages, or ``None``.
    """

    def __init__(
        self,
        directory: Path,
        flavour: Flavour = "negotiate",
        *,
        metadata_files: bool = True,
        ranges: bool = True,
        etags: bool = True,
        yanked: Mapping[str, str] | None = None,
        credentials: tuple[str, str] | None = None,
        throttle_bytes_per_s: int | None = None,
        latency_s: float = 0.0,
        cache_control: str | None = "max-age=600",
    ) -> None:
        self.directory = directory
        self.flavour = flavour
        self.ranges = ranges
        self.etags = etags
        self.credentials = credentials
        self.throttle_bytes_per_s = throttle_bytes_per_s
        self.latency_s = latency_s
        self.cache_control = cache_control
        self.yanked = dict(yanked or {})
        self.catalogue = Catalogue(directory, yanked=self.yanked, metadata_files=metadata_files)
        self.requests: list[Request] = []
        #: Most artifacts that were being sent at one moment.
        self.peak_transfers = 0
        self._transfers = 0
        self._faults: list[tuple[str, Fault]] = []
        self._lock = threading.Lock()
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._server.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        assert self._server is not None
        self._server.stop()
        self._server = None

    @property
    def origin(self) -> str:
        """``http://127.0.0.1:PORT``."""
        assert self._server is not None, "use the server in a with statement"
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """The Simple API's root, with a slash at the end and without credentials."""
        return f"{self.origin}/simple/"

    @property
    def url_with_credentials(self) -> str:
        """The same with the credentials in it."""
        assert self.credentials is not None
        return self.url.replace("://", "://{}:{}@".format(*self.credentials))

    @property
    def files_url(self) -> str:
        """Where the artifacts lie, with a slash at the end; also a find-links page."""
        return f"{self.origin}/files/"

    def fault(self, path_suffix: str, misbehave: Fault) -> None:
        """Let requests whose path ends so be handled by a callable first; see `kit.faults`. The first one wins."""
        with self._lock:
            self._faults.append((path_suffix, misbehave))

    def mend(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._faults.clear()

    def paths(self, method: str | None = None) -> list[str]:
        """Return the paths asked for so far, in order."""
        return [request.path for request in self.requests if method in {None, request.method}]

    def matching_faults(self, path: str) -> list[Fault]:
        """Return the faults declared for a path."""
        with self._lock:
            return [misbehave for suffix, misbehave in self._faults if path.endswith(suffix)]

    @contextmanager
    def transferring(self) -> Iterator[None]:
        """Count a transfer; its last byte is sent after that, so that a client's next one never counts beside it."""
        with self._lock:
            self._transfers += 1
            self.peak_transfers = max(self.peak_transfers, self._transfers)
        try:
            yield
        finally:
            with self._lock:
                self._transfers -= 1


class _Server(TCPServer):
    """A thread for each connection; stopping ends the connections that clients keep open, and all threads."""

    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, index: IndexServer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.index = index
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._guard:
            open_now = list(self._connections.items())
        for connection, _ in open_now:
            _end(connection)
        for _, thread in open_now:
            thread.join(10)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
        with self._guard:
            self._connections[request] = thread
        thread.start()

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            Handler(request, client_address, self)
        except (ConnectionError, TimeoutError, ValueError, OSError):
            return  # the client went away, or the server is being stopped
        finally:
            _end(request)
            request.close()
            with self._guard:
                self._connections.pop(request, None)


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # has ended already


class Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests; what faults get to work with."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and small body leave in one packet
    disable_nagle_algorithm = True
    server: _Server

    @property
    def index(self) -> IndexServer:
        """The server's settings and records."""
        return self.server.index

    def log_message(self, *_args: object) -> None:
        """Be silent; the requests are recorded."""

    def do_GET(self) -> None:
        """Answer a GET or HEAD request."""
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.index.requests.append(Request(self.command, self.path, headers))
        path = unquote(urlsplit(self.path).path)
        if self.index.latency_s:
            time.sleep(self.index.latency_s)
        if any(misbehave(self) for misbehave in self.index.matching_faults(path)):
            return
        if not self._authorized():
            self.answer(401, b"credentials are needed", {"WWW-Authenticate": 'Basic realm="index"'})
        elif path.startswith("/simple"):
            self._simple(path)
        elif path == "/files/":
            self.answer(200, self.index.catalogue.links(), {"Content-Type": "text/html"})
        elif path.startswith("/files/"):
            self._file(path.removeprefix("/files/"))
        else:
            self.answer(404, b"there is nothing here")

    do_HEAD = do_GET  # noqa: N815  (the standard library's name)

    def answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """Send a whole answer; ``Content-Length`` is added unless given."""
        self.send_response(status)
        head = {"Content-Type": "text/plain", "Content-Length": str(len(body)), **(headers or {})}
        if status == 304:
            head.pop("Content-Length")
        for key, value in head.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD" and status != 304:
            self.wfile.write(body)

    def _authorized(self) -> bool:
        if self.index.credentials is None:
            return True
        expected = base64.b64encode(":".join(self.index.credentials).encode()).decode()
        return self.headers.get("Authorization") == f"Basic {expected}"

    def _simple(self, path: str) -> None:
        flavour, content_type = self._flavour()
        name = path.removeprefix("/simple").strip("/")
        if name and path != f"/simple/{normalized(name)}/":
            self.answer(301, b"", {"Location": f"/simple/{normalized(name)}/"})
            return
        body = self.index.catalogue.page(name, flavour) if name else self.index.catalogue.root(flavour)
        if body is None:
            self.answer(404, b"no such project")
            return
        headers = {"Content-Type": content_type, "Vary": "Accept"}
        if self.index.cache_control is not None:
            headers["Cache-Control"] = self.index.cache_control
        self._conditional(body, headers)

    def _flavour(self) -> tuple[str, str]:
        accept = self.headers.get("Accept", "")
        wants_json = self.index.flavour == "json" or (self.index.flavour == "negotiate" and JSON_TYPE in accept)
        if wants_json:
            return "json", JSON_TYPE
        return "html", HTML_TYPE if HTML_TYPE in accept else "text/html"

    def _conditional(self, body: bytes, headers: dict[str, str]) -> None:
        if self.index.etags:
            headers["ETag"] = etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            if etag in self.headers.get("If-None-Match", ""):
                self.answer(304, b"", headers)
                return
        self.answer(200, body, headers)

    def _file(self, filename: str) -> None:
        catalogue = self.index.catalogue
        path = self.index.directory / filename
        if "/" in filename or "\\" in filename:
            self.answer(404, b"no such file")
        elif filename.endswith(".metadata") and catalogue.metadata_files and path.with_suffix("").is_file():
            metadata = catalogue.entry(path.stem).metadata
            if metadata is None:
                self.answer(404, b"no such file")
            else:
                self._conditional(metadata, {"Content-Type": "application/octet-stream"})
        elif path.is_file():
            with path.open("rb") as stream:
                self._send_file(stream)
        else:
            self.answer(404, b"no such file")

    def _send_file(self, stream: BinaryIO) -> None:
        status = os.fstat(stream.fileno())
        size = status.st_size
        headers = {"Content-Type": "application/octet-stream"}
        if self.index.etags:
            headers["ETag"] = f'"{status.st_mtime_ns:x}-{size:x}"'
            if headers["ETag"] in self.headers.get("If-None-Match", ""):
                self.answer(304, b"", headers)
                return
        start, end, code = 0, size, 200
        if self.index.ranges:
            headers["Accept-Ranges"] = "bytes"
            wanted = self._range(size, headers.get("ETag"))
            if wanted == (0, 0):
                self.answer(416, b"", {**headers, "Content-Range": f"bytes */{size}"})
                return
            if wanted is not None:
                start, end, code = *wanted, 206
                headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        self._head(code, {**headers, "Content-Length": str(end - start)})
        if self.command != "HEAD":
            with self.index.transferring():
                self.send_part(stream, start, end - 1)
            self.send_part(stream, end - 1, end)

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def _range(self, size: int, etag: str | None) -> tuple[int, int] | None:
        """Return the one range asked for as half-open offsets, ``(0, 0)`` when outside, ``None`` for everything."""
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if not match or not any(match.groups()) or (condition is not None and condition != etag):
            return None
        if not match[1]:
            return (max(size - int(match[2]), 0), size) if int(match[2]) else (0, 0)
        start, end = int(match[1]), min(int(match[2]) + 1 if match[2] else size, size)
        return (start, end) if start < end else (0, 0)

    def send_part(self, stream: BinaryIO, start: int, end: int) -> None:
        """Send bytes of a file, from the kernel's cache to the socket; slowly if the server is throttled."""
        self.wfile.flush()
        rate = self.index.throttle_bytes_per_s
        step = end - start if rate is None else max(rate // 50, 1)
        while start < end:
            count = min(step, end - start)
            self.connection.sendfile(stream, start, count)
            start += count
            if rate is not None:
                time.sleep(count / rate)
