"""Connections and requests that anybody can make leave descriptors and disk space for others."""

import asyncio
import base64
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession
from security.attacks.conftest import READ, scaled
from security.attacks.measuring import descriptors, written
from security.outside import Caller, Keys, RecordedProcess, Serve


async def test_idle_connections_leave_room(serve: Serve, keys: Keys, production_settings: dict[str, str]) -> None:
    """With 1,024 descriptors and as many idle connections, a caller is still answered, and the log stays short."""
    for server in ("aiohttp", "lean"):
        with serve(**production_settings, GATEWAY_HTTP_SERVER=server) as running:
            _limit_descriptors(running, 1_024)
            before = written(running)
            async with _idle_connections(running, 1_200):
                async with ClientSession(headers={"X-API-Key": keys.by_name["reader"]}) as session:
                    caller = Caller(session, running.address("GraphQL"), {})
                    async with asyncio.timeout(10):
                        assert "errors" not in await caller.execute(READ)
                await asyncio.sleep(1)
                assert descriptors(running) < 1_000
            assert written(running) - before < 20_000


def _limit_descriptors(running: RecordedProcess, limit: int) -> None:

    resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (limit, limit))


@asynccontextmanager
async def _idle_connections(running: RecordedProcess, count: int) -> AsyncIterator[None]:
    address = urlsplit(running.address("GraphQL"))
    writers = []
    try:
        for _ in range(count):
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(2):
                    _, writer = await asyncio.open_connection(address.hostname, address.port)
                writers.append(writer)
        yield
    finally:
        for writer in writers:
            writer.close()


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Origin": "http://["}, id="an origin that is no URL"),
        pytest.param({"Expect": "nothing"}, id="an unknown expectation"),
        pytest.param({"Accept": "\xff" * 100}, id="bytes that are no text"),
        pytest.param({"Content-Length": "x"}, id="a length that is no number"),
    ],
)
async def test_odd_requests_are_not_logged(target: RecordedProcess, headers: dict[str, str]) -> None:
    """Requests that anybody can send, however many, cause no traceback and few lines."""
    address = urlsplit(target.address("GraphQL"))
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"} | {
        "Sec-WebSocket-Key": base64.b64encode(b"0" * 16).decode(),
        "Sec-WebSocket-Protocol": "graphql-transport-ws",
    }
    lines = {"Host": "gateway"} | upgrade | headers
    request = "GET /graphql HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
    before = written(target)
    for _ in range(scaled(200)):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(request.encode("latin-1"))
        with suppress(ConnectionError):
            await reader.read(100)
        writer.close()
    assert "Traceback" not in target.output
    assert written(target) - before < 5_000
