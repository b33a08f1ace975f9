"""An httpx transport over pyreqwest, for GET requests without a body.

pyreqwest's own transport waits for the first 64 KiB of a body before it hands over an answer, so a trickle could not be
told from a slow server; and it passes bodies on in copies. Here the answer comes with its header, and its body by a
reader in ``extensions["read_chunk"]``: what has arrived, in one piece and not copied, ``None`` at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import httpx
from pyreqwest.client import Client
from pyreqwest.request import StreamRequest
from pyreqwest.response import ResponseBodyReader

from pytest_fastenv.errors import ProvideError

T = TypeVar("T")


class RustTransport(httpx.AsyncBaseTransport):
    """Carries requests with a client that it owns. Errors are pyreqwest's own."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; return when the answer's header is there."""
        builder = self._client.request(request.method, str(request.url)).headers(request.headers.multi_items())
        opened = builder.streamed_read_buffer_limit(0).build_streamed()
        stream = _Body(opened)
        response = await _heeding_cancellation(opened.__aenter__(), give_back=stream.aclose)
        stream.reader = response.body_reader
        return httpx.Response(
            response.status,
            headers=list(response.headers.items()),
            stream=stream,
            extensions={"read_chunk": stream.read_chunk},
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.close()


class _Body(httpx.AsyncByteStream):
    reader: ResponseBodyReader

    def __init__(self, opened: StreamRequest) -> None:
        self._opened: Any = opened

    async def read_chunk(self) -> Any:
        return await _heeding_cancellation(self.reader.read_chunk())

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (chunk := await self.read_chunk()) is not None:
            yield bytes(chunk)

    async def aclose(self) -> None:
        await self._opened.__aexit__(None, None, None)


async def _heeding_cancellation(call: Awaitable[T], give_back: Callable[[], Awaitable[None]] | None = None) -> T:
    """Wait for one of pyreqwest's calls; a cancellation that it keeps to itself passes all the same.

    Where what it waits for arrives together with the cancellation, it returns that as if nothing had been asked, and
    whoever reads on would wait for ever.

    :param give_back: ends what the call has returned, where nobody gets it.
    """
    task = asyncio.current_task()
    asked = task.cancelling() if task is not None else 0
    try:
        result = await call
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # pyo3's, which no module exports and no handler of errors sees
            hint = "run again; if it stays, report it to pyreqwest with what it printed"
            raise ProvideError("the library that transfers files has a defect", why=str(error), hint=hint) from error
        raise
    if task is not None and task.cancelling() > asked:
        if give_back is not None:
            await give_back()
        raise asyncio.CancelledError
    return result
