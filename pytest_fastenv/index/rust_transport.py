"""An httpx transport over pyreqwest, for GET requests without a body.

pyreqwest's own transport waits for the first 64 KiB of a body before it hands over an answer, so a trickle could not be
told from a slow server; and it passes bodies on in copies. Here the answer comes with its header, and its body by a
reader in ``extensions["read_chunk"]``: what has arrived, in one piece and not copied, ``None`` at the end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
from pyreqwest.client import Client
from pyreqwest.request import StreamRequest
from pyreqwest.response import ResponseBodyReader


class RustTransport(httpx.AsyncBaseTransport):
    """Carries requests with a client that it owns. Errors are pyreqwest's own."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; return when the answer's header is there."""
        builder = self._client.request(request.method, str(request.url)).headers(request.headers.multi_items())
        opened = builder.streamed_read_buffer_limit(0).build_streamed()
        response = await opened.__aenter__()
        reader = response.body_reader
        return httpx.Response(
            response.status,
            headers=list(response.headers.items()),
            stream=_Body(opened, reader),
            extensions={"read_chunk": reader.read_chunk},
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.close()


class _Body(httpx.AsyncByteStream):
    def __init__(self, opened: StreamRequest, reader: ResponseBodyReader) -> None:
        self._opened: Any = opened
        self._reader = reader

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (chunk := await self._reader.read_chunk()) is not None:
            yield bytes(chunk)

    async def aclose(self) -> None:
        await self._opened.__aexit__(None, None, None)
