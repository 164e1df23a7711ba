"""The gateway in the event loop of uvloop, which many hosts use: every client and server of it."""

import asyncio
import json
import socket
import struct
from typing import Any

import grpc.aio
import pytest
import uvloop
from aiohttp import ClientSession

from gateway import Gateway
from gateway.testing import Sandbox
from usergateway.v1 import users_pb2, users_pb2_grpc

USER = "acus_adalovelace1"
RENAME = "mutation ($id: ID!, $name: String!) { updateAccountUser(id: $id, input: {name: $name}) { name } }"
CHANGED = "subscription { userChanged { user { name } } }"
PROTOCOL = "graphql-transport-ws"


@pytest.mark.parametrize(("client", "server"), [("aiohttp", "lean"), ("lean", "aiohttp")])
def test_in_its_event_loop(client: Any, server: Any) -> None:
    """A change over HTTP reaches a subscription over WebSocket, gRPC reads it, and nothing is left open at the end."""

    async def host() -> None:
        with Sandbox() as sandbox:
            settings = sandbox.settings(http_client=client, http_server=server, http_port=0, grpc_port=0)
            async with Gateway(settings) as gateway, ClientSession() as session:
                http, rpc = await gateway.serve_http(grace=1), await gateway.serve_grpc()
                assert rpc is not None
                url = f"http://127.0.0.1:{http.address[1]}/graphql"
                async with session.ws_connect(url, protocols=[PROTOCOL]) as socket:
                    await socket.send_json({"type": "connection_init"})
                    assert (await socket.receive_json())["type"] == "connection_ack"
                    await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": CHANGED}})
                    async with asyncio.timeout(20):
                        while not gateway._entered.events.subscribers:  # noqa: ASYNC110 - the log sets no event
                            await asyncio.sleep(0.01)
                    body = {"query": RENAME, "variables": {"id": USER, "name": "Ada L."}}
                    async with session.post(url, json=body) as response:
                        assert await response.json() == {"data": {"updateAccountUser": {"name": "Ada L."}}}
                    event = json.loads((await socket.receive(20)).data)
                    assert event["payload"]["data"] == {"userChanged": {"user": {"name": "Ada L."}}}
                async with grpc.aio.insecure_channel(rpc.address) as channel:
                    request = users_pb2.GetUserRequest(id=USER, source=users_pb2.USER_SOURCE_ACCOUNT)
                    user = await users_pb2_grpc.UserServiceStub(channel).GetUser(request)
                assert user.name == "Ada L."
                await rpc.stop(1)
                await http.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(host())


def test_clients_that_have_disconnected() -> None:
    """Connections that are reset before the server accepts them are closed without an error."""
    failures: list[Any] = []

    async def host() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, failure: failures.append(failure))
        with Sandbox() as sandbox:
            settings = sandbox.settings(http_server="lean", http_port=0)
            async with Gateway(settings) as gateway, ClientSession() as session:
                http = await gateway.serve_http(grace=0)
                for _ in range(5):
                    with socket.create_connection(http.address[:2]) as client:  # the loop cannot accept it meanwhile
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                async with session.get(f"http://127.0.0.1:{http.address[1]}/healthz") as response:
                    assert response.status == 200
                await http.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(host())
    assert failures == []
