"""Serving the index on loopback: nginx, or threads of this process where nginx is missing or latency is asked for."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from benchmarks.errors import BenchmarkError

_START_TIMEOUT_S = 10.0
_PIECE_BYTES = 64 * 1024
#: What large public indexes say: pages are fresh for ten minutes, files for ever. Tools cache by it.
_PAGES, _FILES = "max-age=600, public", "max-age=365000000, immutable, public"

_NGINX = """\
{user}daemon off; worker_processes 1; pid nginx.pid; error_log error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type application/octet-stream;
  types {{ text/html html; }}
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port} backlog=1024; root "{root}"; index index.html;
    location /simple/ {{ add_header Cache-Control "{pages}"; }}
    location /files/ {{ add_header Cache-Control "{files}"; }}
  }}
}}
"""


class Served(NamedTuple):
    """An index that is being served.

    :ivar url: of the Simple API, with a slash at its end.
    :ivar by: what serves it, with version, for the report.
    """

    url: str
    by: str


class Distance(NamedTuple):
    """How far away an index is.

    :ivar latency_ms: each answer waits that long.
    :ivar mbit_s: what all connections together get, in megabits a second; 0 for as much as there is.
    """

    latency_ms: float = 0.0
    mbit_s: float = 0.0


NEAR, FAR = Distance(), Distance(40.0, 100.0)


@contextlib.contextmanager
def serve(root: Path, latency_ms: float = 0.0, mbit_s: float = 0.0) -> Iterator[Served]:
    """Serve a directory on a free port of loopback until the block ends.

    What nginx cannot do, threads of this process do.

    :param latency_ms: see `Distance`, as for the next.
    """
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    distance = Distance(latency_ms, mbit_s)
    with _nginx(nginx, root) if nginx and distance == NEAR else _threads(root, distance) as served:
        yield served


@contextlib.contextmanager
def _nginx(nginx: str, root: Path) -> Iterator[Served]:
    said = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True).stderr
    port = _free_port()
    user = f"user {_own_name()}; " if os.geteuid() == 0 else ""
    with tempfile.TemporaryDirectory(prefix="nginx-") as prefix:
        config = Path(prefix, "nginx.conf")
        config.write_text(_NGINX.format(user=user, port=port, root=root.resolve(), pages=_PAGES, files=_FILES))
        process = subprocess.Popen([nginx, "-p", prefix, "-c", str(config)], stderr=subprocess.PIPE)
        try:
            _wait_for(port, process)
            yield Served(f"http://127.0.0.1:{port}/simple/", said.strip().rpartition(" ")[2])
        finally:
            process.terminate()
            process.communicate()


def _own_name() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)  # nginx tells nobody when it listens
    process.kill()
    raise BenchmarkError(f"nginx does not start: {process.communicate()[1].decode()}")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


class _Link:
    """What all connections share: each piece is sent when those before it have had their time."""

    def __init__(self, mbit_s: float) -> None:
        self._bytes_s = mbit_s * 1e6 / 8
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait(self, count: int) -> None:
        """Wait until so many bytes are through."""
        if not self._bytes_s:
            return
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + count / self._bytes_s
            free_at = self._free_at
        time.sleep(max(free_at - time.monotonic(), 0.0))  # the bandwidth that was asked for


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, *args: Any, latency_s: float, link: _Link, **options: Any) -> None:
        self._latency_s = latency_s
        self._link = link
        super().__init__(*args, **options)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", _PAGES if self.path.startswith("/simple/") else _FILES)
        time.sleep(self._latency_s)  # the latency that was asked for
        super().end_headers()

    def copyfile(self, source: Any, _outputfile: Any) -> None:
        self.wfile.flush()
        file: BinaryIO = source
        while piece := file.read(_PIECE_BYTES):
            self._link.wait(len(piece))
            self.connection.sendall(piece)

    def log_message(self, *_: Any) -> None:
        """Keep quiet: a line for each request would be the slowest thing here."""


@contextlib.contextmanager
def _threads(root: Path, distance: Distance) -> Iterator[Served]:
    link = _Link(distance.mbit_s)
    handler = partial(_Handler, directory=str(root), latency_s=distance.latency_ms / 1000, link=link)
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield Served(f"http://127.0.0.1:{server.server_port}/simple/", "threads of the benchmark")
        finally:
            server.shutdown()
            thread.join()
