"""Connections that a client opens while the HTTP server stops."""

import asyncio
import socket
from contextlib import closing, suppress

import pytest

from gateway import Gateway, Settings
from gateway.api.web.servers import HttpServer, ServerName


@pytest.mark.parametrize("name", ["aiohttp", "lean"])
async def test_they_do_not_delay_the_stop(name: ServerName) -> None:
    """In whichever step of its opening a connection is when the stop begins, it is closed at once."""
    async with Gateway(Settings(http_port=0, http_server=name)) as gateway:
        server = await gateway.serve_http(grace=60)
        with closing(socket.create_connection(server.address)):
            steps = await _steps_until_open(server)
            await server.stop()
        for too_early in range(steps + 1):
            server = await gateway.serve_http(grace=60)
            with closing(socket.create_connection(server.address)) as connection:
                for _ in range(steps - too_early):
                    await asyncio.sleep(0)
                async with asyncio.timeout(20):
                    await server.stop()
                    with suppress(ConnectionResetError):
                        assert await asyncio.to_thread(connection.recv, 1) == b""


async def _steps_until_open(server: HttpServer) -> int:
    """Return how many steps the event loop takes until the server has a connection that a client has opened."""
    steps = 0
    async with asyncio.timeout(20):
        while not server.connections:
            await asyncio.sleep(0)
            steps += 1
    return steps
