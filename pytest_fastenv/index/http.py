"""The HTTP client: one request with our own rules for redirects, credentials, refusals and retries.

Nothing here knows about packages. Redirects: at most ten, never from https to http, and each hop gets only the
credentials of its own origin. Offline means that no client is even made.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urljoin, urlsplit

from pytest_fastenv.errors import (
    AuthError,
    IndexAnswerError,
    InsecureRedirectError,
    NetworkError,
    NotFoundError,
    OfflineMissError,
    RateLimitedError,
    TooManyRedirectsError,
    option,
)
from pytest_fastenv.index import download
from pytest_fastenv.index.answer import LARGEST_BODY, Answer, decoded
from pytest_fastenv.index.config import Network
from pytest_fastenv.index.credentials import Credentials, authorization
from pytest_fastenv.index.expected import Downloaded, Expected
from pytest_fastenv.index.retry import Clock, Passing, retry, retry_after_s
from pytest_fastenv.index.urls import shown, web_origin
from pytest_fastenv.model.artifact import Hashes
from pytest_fastenv.version import __version__

if TYPE_CHECKING:
    import httpx

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 520, 521, 522, 523, 524})
_REFUSED = frozenset({401, 403})
_MOST_REDIRECTS = 10
_NO_HASHES = Hashes()
_MOST_OPEN = 64
_HEADERS = {"User-Agent": f"pytest-fastenv/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}


class HttpClient:
    """An async context manager; safe to use from any number of tasks of one event loop.

    The transport is made when the first request needs it.

    :param clock: time and pauses between attempts.
    :param pace: the slowest a transfer may be.
    :param limit: how many requests of `get` are open at once; default: 64. Downloads are not counted here.
    :param idle: how many connections to each host are kept at most.
    :param rust: which transport to use; ``None`` chooses.
    """

    def __init__(
        self,
        network: Network,
        credentials: Credentials,
        *,
        clock: Clock | None = None,
        pace: download.Pace | None = None,
        limit: asyncio.Semaphore | None = None,
        idle: int = _MOST_OPEN,
        rust: bool | None = None,
    ) -> None:
        self.network = network
        self.clock = clock or Clock()
        self.pace = pace or download.Pace(window_s=network.timeout_s)
        self._credentials = credentials
        self._rust = rust
        self._clients: dict[bool, httpx.AsyncClient] = {}
        self._idle = idle
        self.limit = limit or asyncio.Semaphore(_MOST_OPEN)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    async def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, statuses: frozenset[int] = frozenset({200})
    ) -> Answer:
        """Return the answer to a GET, body read and decoded, after retries and redirects.

        :param statuses: what else than 200 is an answer and no failure (304, 404, ...).
        :raises NetworkError: the subclass tells what happened.
        """
        wanted = {"Accept-Encoding": "gzip, deflate", **(headers or {})}

        async def attempt() -> Answer:
            async with self.limit, self.stream(url, headers=wanted, statuses=statuses) as response:
                content = await self.body(response, url)
                named = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status_code, named, content, str(response.request.url))

        return await retry(attempt, retries=self.network.retries, clock=self.clock)

    async def download(
        self,
        url: str,
        into: Path,
        *,
        hashes: Hashes = _NO_HASHES,
        size_bytes: int | None = None,
        on_bytes: Callable[[int], None] | None = None,
        unless: Mapping[str, str] | None = None,
    ) -> Downloaded:
        """Write what a URL has to a file and check it; on failure the file is removed.

        An interrupted transfer goes on where it stopped (``Range`` with ``If-Range``, RFC 9110) when the server can do
        that, else it starts again; three times at most.

        :param into: is created or replaced.
        :param size_bytes: as announced by the index.
        :param on_bytes: called with the number of further bytes as they are written.
        :param unless: validators of a file that need not be sent again.
        :raises UnchangedError: it is that file.
        :raises NetworkError: the transfer failed for good.
        :raises IntegrityError: these are not the bytes that were announced.
        """
        return await download.Transfer(self, url, into, Expected(hashes, size_bytes), on_bytes, unless).run()

    @asynccontextmanager
    async def stream(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        statuses: frozenset[int] = frozenset({200}),
    ) -> AsyncIterator[httpx.Response]:
        """Open one answer, after redirects but without retries; its body is not yet read.

        :raises Passing: a failure that may pass.
        :raises NetworkError: a failure that does not pass.
        """
        if self.network.offline:
            raise OfflineMissError(
                f"{shown(url)} is needed and the network is not to be used",
                hint=f"run once without {option('offline')}",
            )
        from pytest_fastenv.index.transport import transport_errors  # httpx: only where something is asked for

        response = await self._follow(self._credentials.take(url), {**_HEADERS, **(headers or {})}, statuses)
        try:
            yield response
        except transport_errors() as error:
            raise self._broken(url, error, f"the transfer from {web_origin(url)} broke off") from error
        finally:
            await response.aclose()

    async def _follow(self, url: str, headers: dict[str, str], statuses: frozenset[int]) -> httpx.Response:
        first = url
        for _ in range(_MOST_REDIRECTS + 1):
            response = await self._ask(url, headers)
            if response.status_code in _REDIRECTS and "location" in response.headers:
                target = response.headers["location"]
                await response.aclose()
                url = self._redirected(url, target, first)
                continue
            if response.status_code in statuses:
                return response
            failure = await self._refusal(url, response)
            await response.aclose()
            raise failure
        raise TooManyRedirectsError(
            f"{shown(first)}: more than {_MOST_REDIRECTS} redirects", why=f"the last one leads to {shown(url)}"
        )

    async def _ask(self, url: str, headers: dict[str, str]) -> httpx.Response:
        """Return the answer to one request, sent again with other logins that there are where it is refused."""
        credentials = self._credentials
        while True:
            sent = credentials.login(url)
            with_login = headers if sent is None else {**headers, "Authorization": authorization(sent)}
            response = await self._send(url, with_login)
            status = response.status_code
            if status not in _REFUSED or not await credentials.is_refused(url, sent, status):
                return response
            await response.aclose()

    async def _send(self, url: str, headers: dict[str, str]) -> httpx.Response:
        import httpx  # only where something is asked for

        from pytest_fastenv.index.transport import transport_errors

        client = self._client(url)
        try:
            return await client.send(client.build_request("GET", url, headers=headers), stream=True)
        except httpx.InvalidURL as error:
            raise NetworkError(f"{shown(url)} is no URL that can be asked", why=str(error)) from error
        except httpx.UnsupportedProtocol as error:
            raise NetworkError(f"{shown(url)}: only http and https are known here") from error
        except transport_errors() as error:
            raise self._broken(url, error, f"{web_origin(url)} cannot be reached") from error

    def _client(self, url: str) -> httpx.AsyncClient:
        place = web_origin(url)
        trusted = {place.host, f"{place.host}:{place.port}"} & set(self.network.trusted_hosts)
        verify = place.scheme != "https" or not trusted
        if verify not in self._clients:
            from pytest_fastenv.index.transport import make_client  # httpx: only where something is asked for

            self._clients[verify] = make_client(self.network, verify=verify, idle=self._idle, rust=self._rust)
        return self._clients[verify]

    def _redirected(self, url: str, location: str, first: str) -> str:
        target = urljoin(url, location)
        before, after = urlsplit(url).scheme, urlsplit(target).scheme
        if before == "https" and after == "http":
            raise InsecureRedirectError(
                f"{shown(first)} redirects from https to http",
                why=f"the answer could be changed on its way from {shown(target)}",
            )
        if after not in {"http", "https"}:
            raise NetworkError(f"{shown(first)} redirects to {shown(target)}", why=f"{after} is not followed")
        # A login in a redirect's target was chosen by the server, not by the user.
        parts = urlsplit(target)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()

    async def _refusal(self, url: str, response: httpx.Response) -> Exception:
        """Return what to raise for a status that is no answer."""
        status, where = response.status_code, shown(url)
        if status in _REFUSED:
            sent = self._credentials.login(url)
            hint = "put a login into the index URL, ~/.netrc or keyring"
            if sent is not None:
                fault = "is wrong or has expired" if status == 401 else "may not read this, or nobody may"
                hint = f"look whether the login of {sent.origin} {fault}"
            return AuthError(
                f"{web_origin(url)} refused the request ({status} {response.reason_phrase})".rstrip(),
                where=where,
                why=f"credentials were looked for:\n{self._credentials.searched(url)}",
                hint=f"{hint}; other indexes are not asked instead",
            )
        if status in {404, 410}:
            return NotFoundError(
                f"{where} does not exist ({status})", hint="check the address; what was there may have been removed"
            )
        if status == 407:
            return NetworkError(
                "the proxy wants credentials (407)", where=self.network.proxies.source, hint="put them into its URL"
            )
        pause_s = retry_after_s(response.headers.get("retry-after"), self.clock.now())
        if status == 429:
            asked = f"it asked to wait {pause_s:.0f} s" if pause_s is not None else "it did not say how long to wait"
            return Passing(
                RateLimitedError(f"{web_origin(url)} asks to slow down (429)", where=where, why=asked), pause_s
            )
        what = f"{where} answers {status} {response.reason_phrase}".rstrip()
        if status in _PASSING:
            return Passing(NetworkError(what), pause_s)
        return NetworkError(what, hint="check the address: no other try will change this answer")

    async def body(self, response: httpx.Response, url: str) -> bytes:
        """Read an open answer's whole body, decoded.

        :raises Passing: it was cut short or stalls.
        :raises IndexAnswerError: it has more than 256 MiB.
        """
        chunks = []
        size = 0
        body = download.Body(response, self.pace, url)
        while (chunk := await body.read()) is not None:
            size += len(chunk)
            if size > LARGEST_BODY:
                raise IndexAnswerError(f"{shown(url)} answers more than {LARGEST_BODY >> 20} MiB")
            chunks.append(chunk)
        content = b"".join(chunks)
        announced = response.headers.get("content-length", "")
        if announced.isdigit() and int(announced) != size and response.status_code != 304:
            error = NetworkError(f"{shown(url)}: the answer ended after {size} of {announced} bytes")
            raise Passing(error)
        return decoded(content, response.headers.get("content-encoding", ""), url)

    def _broken(self, url: str, error: Exception, what: str) -> Exception:
        """Return what to raise when the transport failed; bad certificates do not get better by asking again."""
        causes = _causes(error)
        network = self.network
        if any(word in causes.lower() for word in ("certificate", "tls", "ssl")):
            source = f"{network.cert_source} ({network.cert})" if network.cert else "no further ones are configured"
            trust = f"certificates are checked against the system's authorities and those of pip's cert: {source}"
            return NetworkError(what, where=shown(url), why=causes, hint=trust)
        hint = "check the address and the network; what the store has can be used without it (offline)"
        if network.proxies.source:
            hint = f"it may have gone through the proxy of {network.proxies.source}"
        return Passing(NetworkError(what, where=shown(url), why=causes, hint=hint))


def _causes(error: BaseException) -> str:
    """Join an error's text with those it was caused by, without repetitions."""
    texts: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        details = getattr(cause, "details", None) or {}
        further = [c.get("message", "") for c in details.get("causes") or ()] if isinstance(details, dict) else []
        for text in (str(cause.args[0]) if cause.args else "", *further):
            if text and not any(text in known for known in texts):
                texts.append(text)
        cause = cause.__cause__
    return ": ".join(texts) or type(error).__name__
