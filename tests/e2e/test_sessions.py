"""Hosts whose users have sessions by cookie: each surface of the embedded gateway acts for the user of the session."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp_session
import pytest
import uvicorn
from aiohttp import ClientSession, CookieJar, FormData, WSMsgType, web
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from gateway import Gateway, Settings
from gateway.auth import Connection, Principal
from gateway.errors import SourceUnavailable
from gateway.models import User, UserChange, UserSource
from gateway.sandbox import (
    ACCOUNT_ID,
    ACCOUNT_TOKEN,
    RESELLER_ID,
    RESELLER_TOKEN,
    SOFTWAREONE_TOKEN,
    SandboxOptions,
    SandboxServer,
)

ADA = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name } }'
RENAME = 'mutation { updateAccountUser(id: "acus_adalovelace1", input: {name: "New"}) { name } }'
CHANGED = "subscription { userChanged { user { name } } }"
UPLOAD = {
    "query": 'mutation($icon: Upload) { updateSoftwareOneUser(id: "USR-0000-0001", input: {icon: $icon}) { name } }',
    "variables": {"icon": None},
}
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf500f000386018059"
    "68d35a0000000049454e44ae426082"
)
pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")  # aiohttp-session stores it by a text
SCOPES = {"writer": frozenset({"users:read", "users:write"}), "reader": frozenset({"users:read:account"})}
PROTOCOL = "graphql-transport-ws"


class Sessions:
    """The users that may call, and the failures of finding them; a subclass reads the name of a session's user."""

    def __init__(self) -> None:
        self.locked: set[str] = set()
        self.failure: Exception | None = None
        self.connections: list[Connection] = []

    async def user(self, connection: Connection) -> str | None:
        return connection.cookies.get("session")

    async def __call__(self, connection: Connection) -> Principal | None:
        self.connections.append(connection)
        if self.failure is not None:
            raise self.failure
        name = await self.user(connection)
        return None if name is None or name in self.locked else Principal(name, SCOPES[name])


class StarletteSessions(Sessions):
    async def user(self, connection: Connection) -> str | None:
        return HTTPConnection(connection.request).session.get("user")


class AiohttpSessions(Sessions):
    async def user(self, connection: Connection) -> str | None:
        return (await aiohttp_session.get_session(connection.request)).get("user")


@dataclass
class Host:
    """A running host: the URL of its gateway, and a client that has no session until `login`."""

    gateway: Gateway
    sessions: Sessions
    url: str
    client: ClientSession
    login: Callable[[str], Awaitable[None]]

    async def post(self, query: str, **headers: str) -> Any:
        """Execute an operation; return the status and the data, or the code of the only error."""
        async with self.client.post(f"{self.url}/graphql", json={"query": query}, headers=headers) as response:
            return response.status, outcome(await response.json())


def outcome(body: Mapping[str, Any]) -> Any:
    """Return the code of the only error of a response, or its data."""
    return body["errors"][0]["extensions"]["code"] if body.get("errors") else body["data"]


@asynccontextmanager
async def served_by_starlette(gateway: Gateway, client: ClientSession) -> AsyncIterator[tuple[str, Any]]:
    """Mount the gateway beside a login of Starlette's sessions, and serve both by uvicorn."""

    async def log_in(request: Request) -> Response:
        request.session["user"] = request.query_params["name"]
        return Response()

    app = Starlette(
        routes=[Route("/login", log_in), Mount("/users", gateway.asgi_app())],
        middleware=[Middleware(SessionMiddleware, secret_key="s3cret")],
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(30):
            while not server.started:  # noqa: ASYNC110 - uvicorn sets no event
                await asyncio.sleep(0.01)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

        async def login(name: str) -> None:
            await (await client.get(f"{url}/login", params={"name": name})).read()

        yield f"{url}/users", login
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def served_by_aiohttp(gateway: Gateway, client: ClientSession) -> AsyncIterator[tuple[str, Any]]:
    """Add the gateway to an application with sessions of aiohttp-session."""

    async def log_in(request: web.Request) -> web.Response:
        (await aiohttp_session.new_session(request))["user"] = request.query["name"]
        return web.Response()

    app = web.Application(middlewares=[aiohttp_session.session_middleware(aiohttp_session.SimpleCookieStorage())])
    app.router.add_get("/login", log_in)
    app.add_subapp("/users", gateway.aiohttp_app())
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"

        async def login(name: str) -> None:
            await (await client.get(f"{url}/login", params={"name": name})).read()

        yield f"{url}/users", login
    finally:
        await runner.cleanup()


@asynccontextmanager
async def served_by_itself(gateway: Gateway, client: ClientSession) -> AsyncIterator[tuple[str, Any]]:
    """Let the gateway serve HTTP; the cookie is from another host of the same site."""
    server = await gateway.serve_http(grace=1)

    async def login(name: str) -> None:
        client.cookie_jar.update_cookies({"session": name})

    try:
        yield f"http://127.0.0.1:{server.address[1]}", login
    finally:
        await gateway.drain()
        await server.stop()


HOSTS: Mapping[str, tuple[Any, type[Sessions], str]] = {
    "starlette": (served_by_starlette, StarletteSessions, "aiohttp"),
    "aiohttp": (served_by_aiohttp, AiohttpSessions, "aiohttp"),
    "served": (served_by_itself, Sessions, "aiohttp"),
    "served lean": (served_by_itself, Sessions, "lean"),
}


@pytest.fixture(params=HOSTS)
async def host(request: pytest.FixtureRequest) -> AsyncIterator[Host]:
    """Start a host of each kind, in front of a sandbox."""
    serve, kind, http_server = HOSTS[request.param]
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(SandboxServer(SandboxOptions(users=8, rate_limits=False)))
        settings = Settings(
            http_port=0,
            grpc_port=0,
            http_server=http_server,
            environment="production",  # type: ignore[arg-type]  # pydantic reads the text
            account={"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID},  # type: ignore[arg-type]  # the same
            softwareone={"base_url": sandbox.softwareone_url, "token": SOFTWAREONE_TOKEN},  # type: ignore[arg-type]  # the same
            reseller={"base_url": sandbox.reseller_url, "token": RESELLER_TOKEN, "reseller_id": RESELLER_ID},  # type: ignore[arg-type]  # the same
        )
        sessions = kind()
        gateway = await stack.enter_async_context(Gateway(settings, authenticate=sessions))
        client = await stack.enter_async_context(ClientSession(cookie_jar=CookieJar(unsafe=True)))
        url, login = await stack.enter_async_context(serve(gateway, client))
        yield Host(gateway, sessions, url, client, login)


async def rename(gateway: Gateway, name: str) -> None:
    """Publish the change of a user as soon as there is a subscriber."""
    async with asyncio.timeout(30):
        while not gateway._entered.events.subscribers:  # noqa: ASYNC110 - the log sets no event
            await asyncio.sleep(0.01)
    gateway._entered.events.publish(UserChange.UPDATED, User(UserSource.ACCOUNT, "u", name=name))  # type: ignore[attr-defined]  # in memory


async def test_requests(host: Host) -> None:
    """Requests by POST and GET, uploads and responses in parts act for the user of the session, or are refused."""
    graphql, headers = f"{host.url}/graphql", {"GraphQL-Require-Preflight": "1"}

    async def upload() -> Any:
        form = FormData({"operations": json.dumps(UPLOAD), "map": '{"a": ["variables.icon"]}'})
        form.add_field("a", PNG, filename="a.png", content_type="image/png")
        async with host.client.post(graphql, data=form, headers=headers) as response:
            return response.status, outcome(await response.json())

    async def by_get() -> Any:
        async with host.client.get(graphql, params={"query": ADA}, headers=headers) as response:
            return response.status, outcome(await response.json())

    async def in_parts() -> Any:
        query = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name ... @defer { email } } }'
        accept = {"Accept": "multipart/mixed;incrementalSpec=v0.2"}
        async with host.client.post(graphql, json={"query": query}, headers=accept) as response:
            return response.status, (await response.text()).count("Ada Lovelace")

    for send in (lambda: host.post(ADA), by_get, upload):
        assert await send() == (401, "UNAUTHENTICATED")
    await host.login("reader")
    ada = {"user": {"name": "Ada Lovelace"}}
    assert await host.post(ADA) == await by_get() == (200, ada)
    assert await host.post(RENAME) == await upload() == (200, "FORBIDDEN")
    await host.login("writer")
    assert await upload() == (200, {"updateSoftwareOneUser": {"name": "Ada Lovelace"}})
    assert await in_parts() == (200, 1)
    assert await host.post(RENAME) == (200, {"updateAccountUser": {"name": "New"}})
    assert {connection.surface for connection in host.sessions.connections} == {"http"}
    assert {connection.peer for connection in host.sessions.connections} == {"127.0.0.1"}
    assert all(
        connection.headers["User-Agent"] == connection.headers["user-agent"] for connection in host.sessions.connections
    )


async def test_event_streams(host: Host) -> None:
    """Event streams of both modes act for the user of the session; a reserved one cannot be used by another user."""
    graphql, accept = f"{host.url}/graphql", {"Accept": "text/event-stream"}
    async with host.client.post(graphql, json={"query": CHANGED}, headers=accept) as refused:
        assert refused.status == 401
    async with host.client.put(graphql, skip_auto_headers=["Content-Type"]) as refused:
        assert refused.status == 401
    await host.login("reader")
    async with host.client.post(graphql, json={"query": CHANGED}, headers=accept) as stream:
        await rename(host.gateway, "one")
        async with asyncio.timeout(30):
            while b"one" not in await stream.content.readline():
                pass
    async with host.client.put(graphql, skip_auto_headers=["Content-Type"]) as reserved:
        token = {"X-GraphQL-Event-Stream-Token": await reserved.text()}
    async with host.client.get(graphql, headers=accept | token) as stream:
        body = {"query": ADA, "extensions": {"operationId": "1"}}
        async with host.client.post(graphql, json=body, headers=token) as started:
            assert started.status == 202
        async with asyncio.timeout(30):
            while b"Ada" not in await stream.content.readline():
                pass
        await host.login("writer")
        async with host.client.post(graphql, json=body, headers=token) as refused:
            assert refused.status == 403


async def test_sockets(host: Host) -> None:
    """A WebSocket acts for the user of the session in its handshake; each operation is authenticated again."""
    graphql = f"{host.url}/graphql"

    async def connected(payload: Any = None) -> Any:
        socket = await host.client.ws_connect(graphql, protocols=[PROTOCOL])
        await socket.send_json({"type": "connection_init", "payload": payload})
        return socket, await socket.receive()

    _, first = await connected()
    assert (first.type, first.data) == (WSMsgType.CLOSE, 4403)
    await host.login("reader")
    socket, first = await connected({"locale": "en"})
    assert first.json() == {"type": "connection_ack"}
    connection = host.sessions.connections[-1]
    assert (connection.surface, connection.payload, connection.peer) == ("websocket", {"locale": "en"}, "127.0.0.1")
    await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": CHANGED}})
    await rename(host.gateway, "two")
    assert (await socket.receive_json(timeout=30))["payload"]["data"] == {"userChanged": {"user": {"name": "two"}}}
    await socket.send_json({"type": "subscribe", "id": "2", "payload": {"query": RENAME}})
    assert outcome((await socket.receive_json(timeout=30))["payload"]) == "FORBIDDEN"
    assert (await socket.receive_json(timeout=30))["type"] == "complete"
    assert len([each for each in host.sessions.connections if each is connection]) == 3
    host.sessions.locked.add("reader")
    await socket.send_json({"type": "subscribe", "id": "3", "payload": {"query": ADA}})
    closed = await socket.receive(timeout=30)
    assert (closed.type, closed.data) == (WSMsgType.CLOSE, 4403)


async def test_a_logout(host: Host) -> None:
    """A user who is logged out keeps nothing open, whatever it was opened by."""
    graphql, accept = f"{host.url}/graphql", {"Accept": "text/event-stream"}
    await host.login("reader")
    socket = await host.client.ws_connect(graphql, protocols=[PROTOCOL])
    await socket.send_json({"type": "connection_init"})
    assert (await socket.receive_json()) == {"type": "connection_ack"}
    async with host.client.post(graphql, json={"query": CHANGED}, headers=accept) as stream:
        await rename(host.gateway, "three")
        host.sessions.locked.add("reader")
        host.gateway.revoke("reader")
        async with asyncio.timeout(30):
            assert "UNAUTHENTICATED" in await stream.text()
            assert (await socket.receive()).data == 4403
    assert await host.post(ADA) == (401, "UNAUTHENTICATED")


async def test_a_defect_of_the_host(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    """What the host raises is logged with the request id, and shown to no client; errors of the gateway are shown."""
    await host.login("reader")
    host.sessions.failure = ZeroDivisionError("s3cret")
    async with host.client.post(f"{host.url}/graphql", json={"query": ADA}, headers={"X-Request-ID": "r-1"}) as failed:
        text = await failed.text()
        assert failed.status == 500
    assert json.loads(text)["errors"][0]["extensions"]["requestId"] == "r-1"
    socket = await host.client.ws_connect(f"{host.url}/graphql", protocols=[PROTOCOL], headers={"X-Request-ID": "r-2"})
    await socket.send_json({"type": "connection_init"})
    closed = await socket.receive(timeout=30)
    assert (closed.data, closed.extra) == (4500, "Internal server error")
    assert "s3cret" not in text
    for request_id in ("r-1", "r-2"):
        [record] = [each for each in caplog.records if getattr(each, "request_id", "") == request_id]
        assert record.exc_info
        assert isinstance(record.exc_info[1].__cause__ if record.exc_info[1] else None, ZeroDivisionError)
    host.sessions.failure = SourceUnavailable("The sessions are not available.", retry_after=2.0)
    assert await host.post(ADA) == (503, "SOURCE_UNAVAILABLE")
    socket = await host.client.ws_connect(f"{host.url}/graphql", protocols=[PROTOCOL])
    await socket.send_json({"type": "connection_init"})
    closed = await socket.receive(timeout=30)
    assert (closed.data, closed.extra) == (1013, "The sessions are not available.")
