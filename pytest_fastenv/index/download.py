"""Transfers into files: hashed while they are written, resumed when cut short, ended when they stall."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pytest_fastenv.errors import (
    NetworkError,
    NotFoundError,
    SizeMismatchError,
    StalledError,
    StoreError,
    option,
)
from pytest_fastenv.index.config import Network
from pytest_fastenv.index.expected import Downloaded, Expected, check
from pytest_fastenv.index.retry import Clock, Passing, retry
from pytest_fastenv.index.urls import shown
from pytest_fastenv.model.digest import hasher

if TYPE_CHECKING:
    import httpx

#: What to do where a file of this machine's disks is named and is not there.
LOST = "an index or a directory of links names it: was it removed, or may it not be read?"
_RESUMPTIONS = 3
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_COPY_CHUNK = 1 << 20


class Streams(Protocol):
    """What a transfer asks of the HTTP client."""

    network: Network
    clock: Clock
    pace: Pace

    def stream(
        self, url: str, *, headers: Mapping[str, str], statuses: frozenset[int]
    ) -> AbstractAsyncContextManager[httpx.Response]:
        """Open an answer whose body is read bit by bit."""


class UnchangedError(Exception):
    """The server says that the file is still the one that was asked about; nothing was transferred."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The slowest a transfer may be: so many bytes a second, judged over a window."""

    window_s: float = 30.0
    least_bytes_per_s: float = 1024.0


class Body:
    """The raw body of an open answer, chunk by chunk as it comes, whatever the transport.

    The Rust transport's own reader is used where it is there: it hands over what has arrived in one piece instead of
    many, without a copy.
    """

    def __init__(self, response: httpx.Response, pace: Pace, url: str) -> None:
        self._read: Callable[[], Awaitable[Any]] = response.extensions.get("read_chunk") or _reader(response)
        self._pace = pace
        self._url = url
        self._received = 0
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + pace.window_s

    async def read(self) -> Any:
        """Return a bytes-like chunk that is not empty, or ``None`` at the end.

        :raises Passing: a `StalledError`; what was returned before is good.
        """
        least = self._pace.window_s * self._pace.least_bytes_per_s
        while True:
            try:
                async with asyncio.timeout_at(self._deadline):
                    chunk = await self._read()
            except TimeoutError as error:
                raise Passing(
                    StalledError(
                        f"{shown(self._url)}: the transfer stalls",
                        why=f"less than {least:.0f} bytes came within {self._pace.window_s:g} s",
                    )
                ) from error
            if chunk is None:
                return None
            self._received += len(chunk)
            if self._received >= least:
                self._received = 0
                self._deadline = self._loop.time() + self._pace.window_s
            if chunk:
                return chunk


def _reader(response: httpx.Response) -> Callable[[], Awaitable[bytes | None]]:
    chunks = response.aiter_raw()

    async def read() -> bytes | None:
        return await anext(chunks, None)

    return read


class Target:
    """The file that is being written, with the digests of what is in it."""

    def __init__(self, path: Path, algorithms: Sequence[str]) -> None:
        self._algorithms = tuple(dict.fromkeys(("sha256", *algorithms)))
        self._path = path
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o644)
        except OSError as error:
            raise _unwritable(path, error) from error
        self.restart()

    def restart(self) -> None:
        """Forget what was written."""
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self.size_bytes = 0
        self._hashers = [hasher(algorithm) for algorithm in self._algorithms]

    def write(self, chunk: Any) -> None:
        """Append a chunk; large ones are hashed without holding the interpreter's lock."""
        for each in self._hashers:
            each.update(chunk)
        rest = memoryview(chunk)
        self.size_bytes += len(rest)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def close(self) -> None:
        """Close the file; it stays."""
        os.close(self._fd)

    @property
    def digests(self) -> dict[str, str]:
        """Hexadecimal digests of what was written so far."""
        return {a: each.hexdigest() for a, each in zip(self._algorithms, self._hashers, strict=True)}


class Transfer:
    """One file from one URL, over as many answers as it takes."""

    def __init__(
        self,
        http: Streams,
        url: str,
        path: Path,
        expected: Expected,
        on_bytes: Callable[[int], None] | None,
        unless: Mapping[str, str] | None = None,
    ) -> None:
        self._http = http
        self._url = url
        self._path = path
        self._expected = expected
        self._on_bytes = on_bytes
        self._unless = dict(unless or {})
        self._validators: dict[str, str] = {}
        self._validator: str | None = None
        self._target: Target
        self._resumed = False

    async def run(self) -> Downloaded:
        """Transfer and check; the file is removed when that fails or is cancelled.

        :raises UnchangedError: the file is the one that was not to be sent again.
        """
        self._target = Target(self._path, self._expected.hashes.algorithms)
        whole = False
        try:
            await self._fetch()
            if self._resumed and not self._expected.hashes.accept(self._target.digests):
                # Parts that do not fit together: the server's ranges cannot be trusted, its whole file may be.
                self._start_again()
                await self._fetch()
            downloaded = Downloaded(self._target.digests, self._target.size_bytes, self._validators)
            check(downloaded, self._expected, self._url)
            whole = True
        finally:
            self._target.close()
            if not whole:
                with contextlib.suppress(OSError):
                    os.unlink(self._path)
        return downloaded

    async def _fetch(self) -> None:
        retries = min(self._http.network.retries, _RESUMPTIONS)
        await retry(self._attempt, retries=retries, clock=self._http.clock)

    async def _attempt(self) -> None:
        begin = self._target.size_bytes
        if begin and not (self._validator or self._expected.hashes):
            self._start_again()
            begin = 0
        headers = {"Range": f"bytes={begin}-"} if begin else dict(self._unless)
        if begin and self._validator:
            headers["If-Range"] = self._validator
        statuses = frozenset({200, 206, 416} if begin else {200, 304} if self._unless else {200})
        async with self._http.stream(self._url, headers=headers, statuses=statuses) as response:
            if response.status_code == 304:
                raise UnchangedError
            total = self._place(response, begin)
            body = Body(response, self._http.pace, self._url)
            while (chunk := await body.read()) is not None:
                self._target.write(chunk)
                self._expected.limit(self._target.size_bytes, self._url)
                if self._on_bytes is not None:
                    self._on_bytes(len(chunk))
        if total is not None and self._target.size_bytes != total:
            raise Passing(
                SizeMismatchError(
                    f"{shown(self._url)}: the transfer ended after {self._target.size_bytes} of {total} bytes"
                )
            )

    def _place(self, response: httpx.Response, begin: int) -> int | None:
        """Make the file ready for an answer's body; return the size it should have at the end."""
        length = response.headers.get("content-length", "")
        announced = int(length) if length.isdigit() else None
        if response.status_code == 206:
            match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
            if match and int(match[1]) == begin:
                self._resumed = True
                return int(match[3]) if match[3] != "*" else int(match[2]) + 1
            self._start_again()
            raise Passing(NetworkError(f"{shown(self._url)} answers another range than was asked for"))
        if response.status_code == 416:
            self._start_again()
            raise Passing(NetworkError(f"{shown(self._url)}: nothing is left to transfer, and it is not whole"))
        if begin:
            self._start_again()
        etag = response.headers.get("etag", "")
        self._validator = etag if etag.startswith('"') else response.headers.get("last-modified")
        self._validators = validators(response.headers)
        return announced

    def _start_again(self) -> None:
        self._resumed = False
        if self._on_bytes is not None:
            self._on_bytes(-self._target.size_bytes)
        self._target.restart()


def validators(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers to ask with whether an answer is still the same (RFC 9110 13.1)."""
    names = {"If-None-Match": "etag", "If-Modified-Since": "last-modified"}
    return {asked: headers[told] for asked, told in names.items() if headers.get(told)}


def copy(source: Path, into: Path, expected: Expected, url: str) -> Downloaded:
    """Copy a local file, hashing and checking it; blocks, so it runs in a thread.

    :raises NotFoundError: the file is not there.
    :raises IntegrityError: see `check`.
    """
    try:
        with open(source, "rb", buffering=0) as file:
            target = Target(into, expected.hashes.algorithms)
            whole = False
            try:
                while chunk := file.read(_COPY_CHUNK):
                    target.write(chunk)
                downloaded = Downloaded(target.digests, target.size_bytes)
                check(downloaded, expected, url)
                whole = True
            finally:
                target.close()
                if not whole:
                    with contextlib.suppress(OSError):
                        os.unlink(into)
    except OSError as error:
        raise NotFoundError(f"{source} cannot be read", why=error.strerror, hint=LOST) from error
    return downloaded


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path} cannot be written", why=error.strerror, hint=f"free space, or set {option('cache_dir')}")
