"""Authentication by the embedding program over gRPC, for pictures, and together with the settings' one."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import ClientSession, WSMsgType
from multidict import CIMultiDict

from gateway import Gateway, Settings
from gateway.auth import Connection, Principal
from gateway.callers.api_keys import new_api_key
from gateway.errors import Forbidden
from gateway.models import User, UserChange, UserSource
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, SandboxOptions, SandboxServer
from usergateway.v1 import users_pb2
from usergateway.v1.users_pb2_grpc import UserServiceStub

ADA = "acus_adalovelace1"
QUERY = f'{{ user(id: "{ADA}", source: ACCOUNT) {{ name imageUrl }} }}'
READ = frozenset({"users:read"})


async def by_cookie(connection: Connection) -> Principal | None:
    """Return the user of the cookie; the cookie `broken` is one that the host cannot read."""
    name = connection.cookies.get("session")
    if name == "broken":
        raise ZeroDivisionError("s3cret")
    if name == "locked":
        raise Forbidden("Your account is locked.")
    return Principal(name, READ) if name else None


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., Any]]:
    """Opens gateways in front of one sandbox, with further settings; what they serve is stopped at the end."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(SandboxServer(SandboxOptions(users=8, rate_limits=False)))

        async def open_gateway(authenticate: Any = by_cookie, account: Any = None, **settings: Any) -> Gateway:
            source = {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID}
            all_settings = Settings(http_port=0, grpc_port=0, account=source | (account or {}), **settings)  # type: ignore[arg-type]  # pydantic reads the values
            return await stack.enter_async_context(Gateway(all_settings, authenticate=authenticate))

        yield open_gateway


async def test_grpc(opened: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Unary calls act for the caller of their metadata; what the host raises is masked, and its errors are shown."""
    seen: list[Connection] = []
    peers: list[str] = []

    async def recording(connection: Connection) -> Principal | None:
        seen.append(connection)
        peers.append(connection.request.peer())
        return await by_cookie(connection)

    gateway = await opened(recording)
    server = await gateway.serve_grpc()
    assert server is not None
    async with grpc.aio.insecure_channel(server.address) as channel:
        get_user: Any = UserServiceStub(channel).GetUser
        request = users_pb2.GetUserRequest(id=ADA, source=users_pb2.USER_SOURCE_ACCOUNT)
        assert (await get_user(request, metadata=(("cookie", "session=ada"),))).name == "Ada Lovelace"
        assert (seen[0].surface, seen[0].peer, seen[0].headers["Cookie"]) == ("grpc", "127.0.0.1", "session=ada")
        assert peers[0].startswith("ipv4:127.0.0.1:")
        with pytest.raises(RuntimeError, match="has ended"):  # grpcio would crash
            seen[0].request.peer()
        # HTTP/2 splits cookies into fields; of other fields, none counts alone.
        split = (("cookie", "theme=dark"), ("cookie", "session=ada"), ("x-user", "ada"), ("x-user", "eve"))
        assert (await get_user(request, metadata=split)).name == "Ada Lovelace"
        assert (seen[1].headers["cookie"], seen[1].headers["x-user"]) == ("theme=dark; session=ada", "ada, eve")
        for cookie, status, message in (
            ("", grpc.StatusCode.UNAUTHENTICATED, "Authentication required."),
            ("session=locked", grpc.StatusCode.PERMISSION_DENIED, "Your account is locked."),
            ("session=broken", grpc.StatusCode.INTERNAL, "Internal error."),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await get_user(request, metadata=(("cookie", cookie), ("x-request-id", "r-1")))
            assert refused.value.code() is status
            assert (refused.value.details() or "").startswith(message)
        assert "s3cret" in caplog.text
        assert "defect in request r-1" in caplog.text
    await server.stop(0)


async def test_grpc_streams(opened: Any) -> None:
    """A stream acts for the caller of its metadata, and ends when the caller is revoked."""
    seen: list[Connection] = []

    async def recording(connection: Connection) -> Principal | None:
        seen.append(connection)
        return await by_cookie(connection)

    gateway = await opened(recording)
    server = await gateway.serve_grpc()
    assert server is not None
    async with grpc.aio.insecure_channel(server.address) as channel:
        watch: Any = UserServiceStub(channel).WatchUsers
        refused = watch(users_pb2.WatchUsersRequest())
        assert await refused.code() is grpc.StatusCode.UNAUTHENTICATED
        with pytest.raises(RuntimeError, match="has ended"):
            seen[0].request.auth_context()
        events = watch(users_pb2.WatchUsersRequest(), metadata=(("cookie", "session=ada"),))
        await events.initial_metadata()
        gateway._entered.events.publish(UserChange.UPDATED, User(UserSource.ACCOUNT, "u", name="New"))
        assert (await events.read()).user.name == "New"
        assert "transport_security_type" in seen[1].request.auth_context()
        gateway.revoke("ada")
        async with asyncio.timeout(30):
            assert await events.code() is grpc.StatusCode.UNAUTHENTICATED
    await server.stop(0)


async def test_pictures(opened: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A picture of a source that is called with the credential of the caller is shown to the session that has one."""

    async def with_credential(connection: Connection) -> Principal | None:
        principal = await by_cookie(connection)
        if principal is None or principal.name != "ada":
            return principal
        credential = {"authorization": f"Bearer {ACCOUNT_TOKEN}"}
        return Principal(principal.name, READ, forwarded={"account": credential})

    gateway = await opened(with_credential, {"credentials": "forward"})
    server = await gateway.serve_http(grace=1)
    try:
        url = f"http://127.0.0.1:{server.address[1]}"
        async with ClientSession(cookies={"session": "ada"}) as ada, ClientSession() as nobody:
            async with ada.post(f"{url}/graphql", json={"query": QUERY}) as response:
                picture = (await response.json())["data"]["user"]["imageUrl"]
            async with ada.get(picture) as response:
                assert (response.status, (await response.read())[:4]) == (200, b"\x89PNG")
            for cookie, status in (("", 401), ("session=grace", 401), ("session=locked", 403), ("session=broken", 500)):
                async with nobody.get(picture, headers={"Cookie": cookie}) as response:
                    assert response.status == status
                    assert "s3cret" not in await response.text()
        assert "s3cret" in caplog.text
    finally:
        await server.stop()


async def test_together_with_api_keys(opened: Any, tmp_path: Path) -> None:
    """A caller without a session can authenticate by an API key, where the settings have them."""
    key, entry = new_api_key("billing", ["users:read"], READ)
    keys = tmp_path / "keys.toml"
    keys.write_text(entry.to_toml())
    gateway = await opened(auth={"mode": "api_key", "keys_file": keys})
    server = await gateway.serve_http(grace=1)
    try:
        url = f"http://127.0.0.1:{server.address[1]}/graphql"
        async with ClientSession() as client:
            for headers, status in (
                ({"X-API-Key": key}, 200),
                ({"Cookie": "session=ada"}, 200),
                ({"Cookie": "session=ada", "X-API-Key": "wrong"}, 200),
                ({"X-API-Key": "wrong"}, 401),
                ({"Cookie": "session=locked", "X-API-Key": key}, 403),
                ({}, 401),
            ):
                async with client.post(url, json={"query": QUERY}, headers=headers) as response:
                    assert response.status == status, headers
            socket = await client.ws_connect(url, protocols=["graphql-transport-ws"])
            await socket.send_json({"type": "connection_init", "payload": {"x-api-key": key}})
            assert (await socket.receive_json())["type"] == "connection_ack"
            keys.write_text("")
            assert (await socket.receive(timeout=30)).data == 4403
    finally:
        await server.stop()


async def test_open_connections(opened: Any) -> None:
    """A WebSocket stays open while its session is prolonged, and is closed when a changed `version` shows its end."""

    class Sessions:
        def __init__(self) -> None:
            self.changes = 0
            self.checks: list[Connection] = []

        async def __call__(self, connection: Connection) -> Principal | None:
            self.checks.append(connection)
            # Later ones are not to expire in the middle of what follows.
            lasts = 0.3 if len(self.checks) < 8 else 300
            return None if self.changes else Principal("ada", READ, expires=time.time() + lasts)

        def version(self) -> int:
            return self.changes

    gateway = await opened(sessions := Sessions())
    server = await gateway.serve_http(grace=1)
    try:
        url = f"http://127.0.0.1:{server.address[1]}/graphql"
        async with ClientSession() as client, client.ws_connect(url, protocols=["graphql-transport-ws"]) as socket:
            await socket.send_json({"type": "connection_init"})
            assert (await socket.receive_json())["type"] == "connection_ack"
            subscription = {"query": "subscription { userChanged { user { name } } }"}
            await socket.send_json({"type": "subscribe", "id": "1", "payload": subscription})
            async with asyncio.timeout(30):
                while len(sessions.checks) < 8:  # noqa: ASYNC110 - nothing else shows that it was verified again
                    await asyncio.sleep(0.02)
            gateway._entered.events.publish(UserChange.UPDATED, User(UserSource.ACCOUNT, "u", name="New"))
            event = (await socket.receive_json(timeout=30))["payload"]["data"]
            assert event == {"userChanged": {"user": {"name": "New"}}}
            sessions.changes += 1
            while (message := await socket.receive(timeout=30)).type is WSMsgType.TEXT:
                pass
            assert message.data == 4403
            assert all(connection is sessions.checks[0] for connection in sessions.checks)
    finally:
        await server.stop()


async def test_host_names(opened: Any) -> None:
    """A gateway whose callers are authenticated is reached by any host name, also on a loopback address."""
    gateway = await opened()
    server = await gateway.serve_http(grace=1)
    try:
        url, headers = f"http://127.0.0.1:{server.address[1]}/graphql", {"Host": "app.example", "Cookie": "session=ada"}
        preflight = {"GraphQL-Require-Preflight": "1"}
        async with (
            ClientSession() as client,
            client.get(url, params={"query": QUERY}, headers=headers | preflight) as got,
        ):
            assert got.status == 200
    finally:
        await server.stop()


@pytest.mark.parametrize("http_server", ["aiohttp", "lean"])
async def test_cookies_in_several_fields(opened: Any, http_server: str) -> None:
    """Cookies that a proxy left in several header fields, as HTTP/2 has them, are all read."""
    gateway = await opened(http_server=http_server)
    server = await gateway.serve_http(grace=1)
    try:
        url, headers = f"http://127.0.0.1:{server.address[1]}/graphql", CIMultiDict(Cookie="theme=dark")
        headers.add("Cookie", "session=ada")
        async with ClientSession() as client, client.post(url, json={"query": QUERY}, headers=headers) as response:
            assert response.status == 200
    finally:
        await server.stop()


@pytest.mark.parametrize("http_server", ["aiohttp", "lean"])
async def test_a_long_reason(opened: Any, http_server: str) -> None:
    """A message of the host that is too long for the reason of a close code is cut off."""

    async def refuse(_connection: Connection) -> Principal | None:
        raise Forbidden("é" * 100)

    gateway = await opened(refuse, http_server=http_server)
    server = await gateway.serve_http(grace=1)
    try:
        url = f"http://127.0.0.1:{server.address[1]}/graphql"
        async with ClientSession() as client, client.ws_connect(url, protocols=["graphql-transport-ws"]) as socket:
            await socket.send_json({"type": "connection_init"})
            closed = await socket.receive(timeout=30)
            assert (closed.data, closed.extra) == (4403, f"Forbidden: {'é' * 56}")
    finally:
        await server.stop()
