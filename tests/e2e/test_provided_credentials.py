"""Credentials that the embedding program provides for the callers of each surface, in front of the sandbox."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from aiohttp import ClientSession

from gateway import Gateway, Settings
from gateway.auth import ANYONE, Connection, Credential, Principal
from gateway.errors import Unauthenticated
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, SandboxOptions, SandboxServer
from usergateway.v1 import users_pb2
from usergateway.v1.users_pb2_grpc import UserServiceStub

ADA = "acus_adalovelace1"
QUERY = f'{{ user(id: "{ADA}", source: ACCOUNT) {{ name imageUrl }} }}'
ASK_FOR_CALLS = {"query": QUERY, "extensions": {"calls": True}}


async def by_cookie(connection: Connection) -> Principal | None:
    name = connection.cookies.get("session")
    return Principal(name, frozenset({"users:read"})) if name else None


class Provider:
    """Ada has the token of the source, after one that it does not accept; others have none that it accepts."""

    def __init__(self) -> None:
        self.principals: list[Principal] = []
        self.tokens = ["stale"]
        self.without_caller: Credential | Unauthenticated | None = None

    async def __call__(self, _: str, principal: Principal) -> Credential | None:
        self.principals.append(principal)
        if principal is ANYONE:
            if isinstance(self.without_caller, Unauthenticated):
                raise self.without_caller
            return self.without_caller
        token = self.tokens.pop() if self.tokens else ACCOUNT_TOKEN if principal.name == "ada" else "wrong"
        return Credential({"Authorization": f"Bearer {token}"})


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., Any]]:
    """Opens a gateway whose source has no token, and its HTTP server; returns the gateway, its URL and its provider."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(SandboxServer(SandboxOptions(users=8, rate_limits=False)))

        async def open_gateway() -> tuple[Gateway, str, Provider]:
            account = {"base_url": sandbox.account_url, "account_id": ACCOUNT_ID}
            settings = Settings(http_port=0, grpc_port=0, account=account)  # type: ignore[arg-type]  # pydantic reads it
            provider = Provider()
            gateway = Gateway(settings, authenticate=by_cookie, credentials=provider)
            await stack.enter_async_context(gateway)
            server = await gateway.serve_http(grace=1)
            stack.push_async_callback(server.stop)
            return gateway, f"http://127.0.0.1:{server.address[1]}", provider

        yield open_gateway


async def test_http(opened: Any) -> None:
    """A request is executed with the credential of its caller, and a refused call is shown as repeated."""
    _, url, provider = await opened()
    async with ClientSession() as client:

        async def execute(name: str) -> Any:
            headers = {"Cookie": f"session={name}"}
            async with client.post(f"{url}/graphql", json=ASK_FOR_CALLS, headers=headers) as response:
                return await response.json()

        found = await execute("ada")
        assert found["data"]["user"]["name"] == "Ada Lovelace"
        assert [(call["status"], call["kind"]) for call in found["extensions"]["calls"]] == [
            (401, "call"),
            (200, "retry"),
        ]
        refused = await execute("grace")
        assert refused["errors"][0]["extensions"]["code"] == "SOURCE_CREDENTIALS"
        assert "wrong" not in str(refused)
    assert {principal.name for principal in provider.principals} == {"ada", "grace"}


async def test_websocket(opened: Any) -> None:
    """Each operation on a WebSocket is executed with the credential of the session of its handshake."""
    _, url, _ = await opened()
    async with ClientSession(cookies={"session": "ada"}) as client:
        socket = await client.ws_connect(f"{url}/graphql", protocols=["graphql-transport-ws"])
        await socket.send_json({"type": "connection_init"})
        assert (await socket.receive_json())["type"] == "connection_ack"
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": QUERY}})
        message = await socket.receive_json()
        assert message["payload"]["data"]["user"]["name"] == "Ada Lovelace"
        query = "subscription { userChanged(sources: [ACCOUNT]) { user { name } } }"
        await socket.send_json({"type": "subscribe", "id": "2", "payload": {"query": query}})
        messages = [await socket.receive_json() for _ in range(2)]
        [error] = next(message["payload"] for message in messages if message["type"] == "error")
        assert error["extensions"]["code"] == "FORBIDDEN"
        await socket.close()


async def test_grpc(opened: Any) -> None:
    """A gRPC call is executed with the credential of its caller."""
    gateway, _, _ = await opened()
    server = await gateway.serve_grpc()
    async with grpc.aio.insecure_channel(server.address) as channel:
        get_user: Any = UserServiceStub(channel).GetUser
        request = users_pb2.GetUserRequest(id=ADA, source=users_pb2.USER_SOURCE_ACCOUNT)
        assert (await get_user(request, metadata=(("cookie", "session=ada"),))).name == "Ada Lovelace"
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await get_user(request, metadata=(("cookie", "session=grace"),))
        assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    await server.stop(0)


async def test_pictures(opened: Any) -> None:
    """A picture is loaded with the credential of its caller; without a caller the provider decides."""
    _, url, provider = await opened()
    async with ClientSession(cookies={"session": "ada"}) as ada, ClientSession() as nobody:
        async with ada.post(f"{url}/graphql", json={"query": QUERY}) as response:
            picture = (await response.json())["data"]["user"]["imageUrl"]
        for without_caller, status in (
            (None, 502),  # and there is no configured token
            (Unauthenticated("Log in first."), 401),
            (Credential({"Authorization": f"Bearer {ACCOUNT_TOKEN}"}), 200),
        ):
            provider.without_caller = without_caller
            async with nobody.get(picture) as response:
                assert response.status == status
        async with nobody.get(picture, headers={"Cookie": "session=grace"}) as response:
            assert response.status == 502
        async with ada.get(picture) as response:
            assert (response.status, (await response.read())[:4]) == (200, b"\x89PNG")
