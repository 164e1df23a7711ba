"""Stopping a server."""

import asyncio
from typing import Any

import pytest


async def test_idle_connections(serve: Any) -> None:
    """Idle connections are closed, and new ones are refused."""
    served = await serve(grace=30)
    async with served.client() as client, served.client() as silent, served.client() as slow:
        client.request()
        assert (await client.response()).status == 200
        slow.send(b"GET /echo HTTP/1.1\r\n")
        await served.until(lambda: served.connections == 3)
        address = served.server.address
        async with asyncio.timeout(20):
            await served.server.stop()
        assert await client.read_to_end() == await silent.read_to_end() == await slow.read_to_end() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)


async def test_a_running_request(serve: Any) -> None:
    """A running request gets its response, as the last one of its connection."""
    served = await serve(grace=30)
    async with served.client() as client:
        client.request(target="/slow")
        await served.started.wait()
        stopping = asyncio.ensure_future(served.server.stop())
        await served.until(lambda: not served.server._server.is_serving())
        await asyncio.sleep(0.05)
        assert not stopping.done()
        served.finish.set()
        response = await client.response()
        assert (response.body, response.headers["connection"]) == (b"done", "close")
        assert await client.read_to_end() == b""
        async with asyncio.timeout(20):
            await stopping


async def test_requests_that_outlast_the_grace_period(serve: Any) -> None:
    """Requests that are not done after the grace period are cancelled, streams too."""
    served = await serve(grace=0.2)
    async with served.client() as client, served.client() as reader:
        client.request(target="/slow")
        reader.request(target="/stream")
        await served.started.wait()
        await reader.reader.readuntil(b"xxxxx")
        async with asyncio.timeout(20):
            await served.server.stop()
        assert served.cancelled.is_set()
        assert served.closed.is_set()
        assert await client.read_to_end() == b""
    assert not served.connections
