"""The end of a gateway that receives SIGTERM."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientSession, WSServerHandshakeError
from conftest import SERVER, command

USER = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name } }'
FOLLOW = {"type": "subscribe", "id": "1", "payload": {"query": "subscription { userChanged { id } }"}}


async def test_sigterm(http_server: str, world_of: Callable[..., Any]) -> None:
    """On SIGTERM a running request gets its response, live connections are closed with 1001, and the process ends."""
    options = ("--http-port", "0", "--grpc-port", "off", "--no-rate-limits")
    with command("demo", *options, last="{ user(", **{SERVER: http_server}) as running:
        async with ClientSession() as session:
            world = world_of(session, running)
            assert (await world.data(USER))["user"]
            async with session.ws_connect(f"{world.url}/graphql", protocols=("graphql-transport-ws",)) as socket:
                await socket.send_json({"type": "connection_init"})
                assert await socket.receive_json(timeout=30) == {"type": "connection_ack"}
                await socket.send_json(FOLLOW)
                await world.fault(source="account", kind="slow", delay=1.5)
                response = asyncio.ensure_future(world.data(USER))
                async with asyncio.timeout(30):
                    while len(await world.calls("account")) < 2:  # noqa: ASYNC110 - another process sets no event
                        await asyncio.sleep(0.02)
                os.kill(running.pid, signal.SIGTERM)
                while (await socket.receive(timeout=30)).type.name == "TEXT":
                    pass
                assert socket.close_code == 1001
                assert (await response)["user"]
            async with asyncio.timeout(30):
                while True:
                    try:
                        await world.graphql("{ __typename }")
                    except (ClientConnectionError, WSServerHandshakeError):
                        break
                    await asyncio.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(running.pid, 0)
