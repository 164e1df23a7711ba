"""A caller can do no more than its credential allows at that time."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import ClientSession
from security.outside import Caller, Keys, RecordedProcess, Serve, call_grpc

from gateway.api.grpc.usergateway.v1 import users_pb2
from gateway.callers.api_keys import new_api_key
from gateway.operation import scopes as all_scopes
from gateway.users.model import UserSource


@pytest.mark.parametrize("server", ["aiohttp", "lean"])
@pytest.mark.parametrize("change", ["removed", "narrowed"])
async def test_a_revoked_key(
    serve: Serve, production_settings: dict[str, str], tmp_path: Path, server: str, change: str
) -> None:
    """A key that is removed, or loses its scopes, changes and follows nothing over what is open since before."""
    known = all_scopes(UserSource)
    key, entry = new_api_key("caller", ("users:read", "users:write"), known)
    file = tmp_path / "keys.toml"
    file.write_text(entry.to_toml())
    settings = production_settings | {"GATEWAY_AUTH__KEYS_FILE": str(file), "GATEWAY_HTTP_SERVER": server}
    with serve(**settings) as running:
        async with ClientSession() as session, grpc.aio.insecure_channel(running.grpc) as channel:
            url = running.address("GraphQL")
            socket = await session.ws_connect(url, protocols=["graphql-transport-ws"])
            await socket.send_json({"type": "connection_init", "payload": {"x-api-key": key}})
            assert (await socket.receive_json(timeout=5))["type"] == "connection_ack"
            headers = {"X-API-Key": key, "Accept": "text/event-stream"}
            follow = {"query": "subscription { userChanged { id } }"}
            stream = await session.post(url, json=follow, headers=headers)
            watch = channel.unary_stream("/usergateway.v1.UserService/WatchUsers")(
                users_pb2.WatchUsersRequest().SerializeToString(), metadata=(("x-api-key", key),)
            )
            await watch.initial_metadata()
            none = entry.to_toml().replace('"users:read", "users:write"', "")
            assert none != entry.to_toml()
            file.write_text("" if change == "removed" else none)
            async with asyncio.timeout(3):
                body = await stream.content.read()
                with pytest.raises(grpc.aio.AioRpcError) as ended:
                    await watch.read()
            code = "UNAUTHENTICATED" if change == "removed" else "FORBIDDEN"
            assert code.encode() in body
            assert ended.value.code().name == code.replace("FORBIDDEN", "PERMISSION_DENIED")
            await _refuses(socket)


async def _refuses(socket: Any) -> None:
    query = 'mutation { updateAccountUser(id: "acus_adalovelace1", input: {name: "Eve"}) { name } }'
    with suppress(ConnectionError):
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": query}})
    message = await socket.receive(timeout=5)
    while message.type.name == "TEXT":
        payload = json.loads(message.data)
        assert payload["type"] in {"next", "error", "complete"}
        assert '"Eve"' not in message.data
        if payload["type"] != "complete":
            assert "FORBIDDEN" in message.data
            return
        message = await socket.receive(timeout=5)
    assert socket.close_code in {4401, 4403}


async def test_an_empty_change(target: RecordedProcess, caller_of: Callable[..., Caller], keys: Keys) -> None:
    """A change of nothing is refused: it would show the user to a caller that may only write."""
    for mutation, user in {
        "updateAccountUser": "acus_adalovelace1",
        "updateSoftwareOneUser": "USR-0000-0001",
        "updateResellerUser": "00000000-0000-4000-8000-000000000001",
    }.items():
        [error] = (
            await caller_of(target, "all").execute(f'mutation {{ {mutation}(id: "{user}", input: {{}}) {{ name }} }}')
        )["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
    async with grpc.aio.insecure_channel(target.grpc) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call_grpc(channel, "UpdateAccountUser", keys.by_name["all"], id="acus_adalovelace1")
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
