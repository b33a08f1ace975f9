"""Ready-made faults for `kit.server.IndexServer.fault`; each is thread-safe and can be limited to its first times."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from kit.server import Fault, Handler


def _first(times: int | None, misbehave: Fault) -> Fault:
    count = itertools.count(1)

    def limited(handler: Handler) -> bool:
        return (times is None or next(count) <= times) and misbehave(handler)

    return limited


def answer(
    status: int, body: bytes = b"", headers: Mapping[str, str] | None = None, *, times: int | None = None
) -> Fault:
    """Answer with something else, the first times it is asked for (``None``: always)."""

    def misbehave(handler: Handler) -> bool:
        handler.answer(status, body, headers)
        return True

    return _first(times, misbehave)


def redirect(location: str, *, status: int = 302, times: int | None = None) -> Fault:
    """Send the client elsewhere."""
    return answer(status, b"", {"Location": location}, times=times)


def cut(after_bytes: int, *, times: int | None = None) -> Fault:
    """Announce the whole file (or the range asked for is ignored), send some bytes, end the connection."""

    def misbehave(handler: Handler) -> bool:
        content = _content(handler)
        handler.answer(200, content[:after_bytes], {"Content-Length": str(len(content)), "Accept-Ranges": "bytes"})
        handler.wfile.flush()
        handler.close_connection = True
        return True

    return _first(times, misbehave)


def drip(bytes_per_s: int, *, times: int | None = None) -> Fault:
    """Send the file byte by byte at a rate, until the client or the server has had enough."""

    def misbehave(handler: Handler) -> bool:
        content = _content(handler)
        handler.answer(200, b"", {"Content-Length": str(len(content))})
        for offset in range(len(content)):
            handler.wfile.write(content[offset : offset + 1])
            handler.wfile.flush()
            time.sleep(1 / bytes_per_s)
        return True

    return _first(times, misbehave)


def held(wait: Callable[[], bool]) -> Fault:
    """Send half of the file, and the rest after a wait; hang up where that was in vain."""

    def misbehave(handler: Handler) -> bool:
        content = _content(handler)
        half = len(content) // 2
        handler.answer(200, content[:half], {"Content-Length": str(len(content))})
        handler.wfile.flush()
        came = wait()
        if came:
            handler.wfile.write(content[half:])
        handler.close_connection = not came
        return True

    return misbehave


def corrupt(*, times: int | None = None) -> Fault:
    """Send the file with its last byte changed."""

    def misbehave(handler: Handler) -> bool:
        content = _content(handler)
        handler.answer(200, content[:-1] + bytes([content[-1] ^ 1]))
        return True

    return _first(times, misbehave)


def hang_up(*, times: int | None = None) -> Fault:
    """End the connection without an answer."""

    def misbehave(handler: Handler) -> bool:
        handler.close_connection = True
        return True

    return _first(times, misbehave)


def _content(handler: Handler) -> bytes:
    return (handler.index.directory / unquote(handler.path.rpartition("/")[2])).read_bytes()
