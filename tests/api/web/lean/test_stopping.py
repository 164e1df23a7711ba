"""How a server stops."""

import asyncio
from typing import Any

import pytest


async def test_nobody_is_there(serve: Any) -> None:
    """Idle connections are closed, new ones are refused."""
    served = await serve(grace=30)
    async with served.client() as client, served.client() as silent, served.client() as slow:
        client.ask()
        assert (await client.answer()).status == 200
        slow.send(b"GET /echo HTTP/1.1\r\n")
        await served.until(lambda: served.connections == 3)
        address = served.server.address
        async with asyncio.timeout(5):
            await served.server.stop()
        assert await client.rest() == await silent.rest() == await slow.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)


async def test_somebody_is_there(serve: Any) -> None:
    """A request under way is answered, as the last one of its connection."""
    served = await serve(grace=30)
    async with served.client() as client:
        client.ask(target="/slow")
        await served.begun.wait()
        stopping = asyncio.ensure_future(served.server.stop())
        await asyncio.sleep(0.05)
        assert not stopping.done()
        served.finish.set()
        answer = await client.answer()
        assert (answer.body, answer.headers["connection"]) == (b"done", "close")
        assert await client.rest() == b""
        async with asyncio.timeout(5):
            await stopping


async def test_somebody_who_does_not_end(serve: Any) -> None:
    """What is not done when its time is over is cancelled, streams too."""
    served = await serve(grace=0.2)
    async with served.client() as client, served.client() as reader:
        client.ask(target="/slow")
        reader.ask(target="/stream")
        await served.begun.wait()
        await reader.reader.readuntil(b"xxxxx")
        async with asyncio.timeout(5):
            await served.server.stop()
        assert served.cancelled.is_set()
        assert served.closed.is_set()
        assert await client.rest() == b""
    assert not served.connections
