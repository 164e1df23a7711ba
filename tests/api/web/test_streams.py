"""Responses whose body is sent chunk by chunk, on both servers."""

import asyncio
from collections.abc import AsyncIterator
from typing import get_args

import pytest

from gateway.api.web.http import Route, WebRequest, WebResponse
from gateway.api.web.servers import ServerName, serve
from gateway.api.web.site import Site


async def stream(_request: WebRequest) -> WebResponse:
    """Respond with two chunks."""

    async def body() -> AsyncIterator[bytes]:
        yield b"first "
        yield b"second"

    return WebResponse(200, body(), (("Content-Type", "text/plain"),))


@pytest.mark.parametrize("name", get_args(ServerName))
async def test_a_stream_in_http_1_0(name: ServerName) -> None:
    """The end of the connection is the end of the body, also for a client that wants to keep the connection."""
    server = await serve(name, Site([Route(("GET",), "/stream", stream)]), "127.0.0.1", 0, grace=1)
    try:
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(b"GET /stream HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n")
        async with asyncio.timeout(30):  # the connection would be kept for 75 seconds
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
    finally:
        await server.stop()
    assert b" 200 OK" in head
    assert b"keep-alive" not in head.lower()
    assert body == b"first second"
