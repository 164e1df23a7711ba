"""Servers of live operations in this process, on real sockets, with the options that a test needs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, web
from api.graphql.defaults import live_options
from moved_time import MovedTime

from gateway import Gateway, Settings
from gateway.api.graphql.execution.incoming import IncomingFactory
from gateway.api.graphql.http.endpoint import GraphQLEndpoint
from gateway.api.graphql.http.options import EndpointOptions
from gateway.api.graphql.http.parsing import RequestLimits
from gateway.api.graphql.http.uploads import UploadLimits
from gateway.api.graphql.live.live import Live
from gateway.api.web.aiohttp_server import aiohttp_application
from gateway.api.web.cors import Cors
from gateway.api.web.site import Site
from gateway.callers.authentication import anyone
from gateway.callers.revocation import CredentialWatch
from gateway.events.memory import MemoryEventLog
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, RESELLER_ID, RESELLER_TOKEN, SandboxOptions, SandboxServer
from gateway.users.model import User, UserChange, UserSource

PROTOCOL = "graphql-transport-ws"
CHANGED = "subscription { userChanged { id change user { name } occurredAt } }"


class Socket:
    """The client's side of a WebSocket, which sends exactly the messages that a test gives it."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, type: str, id: str | None = None, payload: Any = None) -> None:
        """Send a message."""
        fields = {"type": type, "id": id, "payload": payload}
        await self.socket.send_json({name: value for name, value in fields.items() if value is not None})

    async def subscribe(self, id: str = "1", query: str = CHANGED, **payload: Any) -> None:
        """Send a `subscribe` message."""
        await self.send("subscribe", id, {"query": query, **payload})

    async def receive(self) -> Any:
        """Return the next message; respond to the server's pings and skip them."""
        while (message := await self.socket.receive_json(timeout=20))["type"] == "ping":
            await self.send("pong")
        return message

    async def next_data(self) -> Any:
        """Return the data of the next message, which has to be a `next`."""
        message = await self.receive()
        assert message["type"] == "next", message
        return message["payload"]["data"]

    async def next_name(self) -> str:
        """Return the name of the user in the next event."""
        return str((await self.next_data())["userChanged"]["user"]["name"])

    async def errors(self) -> Any:
        """Return the errors of the next message, which has to be an `error`."""
        message = await self.receive()
        assert message["type"] == "error", message
        return message["payload"]

    async def closed(self) -> tuple[int | None, str]:
        """Return the close code and reason of the server; messages before that are dropped."""
        while (message := await self.socket.receive(timeout=20)).type.name == "TEXT":
            pass
        return self.socket.close_code, str(message.extra or "")


@dataclass(slots=True)
class LiveServer:
    """A gateway in this process."""

    gateway: Gateway
    event_log: MemoryEventLog
    live: Live
    session: ClientSession
    url: str
    sandbox: SandboxServer
    live_events: list[tuple[str, str]]
    time: MovedTime

    @asynccontextmanager
    async def connect(self, *protocols: str, **headers: str) -> AsyncIterator[Socket]:
        """Open a WebSocket, and send nothing on it."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.ws_connect(self.url, protocols=protocols or (PROTOCOL,), headers=named) as socket:
            yield Socket(socket)

    @asynccontextmanager
    async def socket(self, payload: Any = None, **headers: str) -> AsyncIterator[Socket]:
        """Open a WebSocket and initialise the connection."""
        async with self.connect(**headers) as socket:
            await socket.send("connection_init", payload=payload)
            assert await socket.receive() == {"type": "connection_ack"}
            yield socket

    async def publish(self, *names: str, source: UserSource = UserSource.ACCOUNT, id: str = "acus_1") -> None:
        """Publish an event for each name, and let the subscribers run."""
        for name in names:
            self.event_log.publish(UserChange.UPDATED, User(source, id, name=name))
        await asyncio.sleep(0)

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition is true."""
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - the server's side sets no event
                await asyncio.sleep(0.005)

    async def wait_for_subscribers(self, number: int = 1) -> None:
        """Wait until the event log has that number of subscribers."""
        await self.wait_until(lambda: self.event_log.subscribers == number)


StartServer = Callable[..., Awaitable[LiveServer]]


@pytest.fixture
async def start_server(moved_time: MovedTime) -> AsyncIterator[StartServer]:
    """Start gateways in front of a sandbox, with options of live operations; check that no task is left of them."""
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:

        async def start(
            authenticate: Any = anyone,
            origins: Collection[str] = (),
            *,
            account: bool = False,
            stuck: float = 30.0,
            **options: Any,
        ) -> LiveServer:
            sandbox = await stack.enter_async_context(SandboxServer(SandboxOptions(users=4, rate_limits=False)))
            reseller = {"base_url": sandbox.reseller_url, "token": RESELLER_TOKEN, "reseller_id": RESELLER_ID}
            sources: dict[str, Any] = {"reseller": reseller}
            if account:
                sources["account"] = {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID}
            gateway = await stack.enter_async_context(Gateway(Settings(reference_ttl=0, **sources)))
            event_log = gateway._entered.events
            assert isinstance(event_log, MemoryEventLog)
            executor = gateway._parts.executor
            assert executor is not None
            incoming_factory = IncomingFactory(gateway._parts.users, event_log, CredentialWatch(authenticate), 30)
            live_events: list[tuple[str, str]] = []
            live = Live(
                executor,
                incoming_factory,
                live_options(**{"drain": 0.05} | options),
                admits=Cors(origins).admits_socket,
                observe=lambda *event: live_events.append(event),
            )
            stack.push_async_callback(live.drain)
            limits = EndpointOptions(RequestLimits(100_000, UploadLimits(file=1000)))
            endpoint = GraphQLEndpoint(executor, incoming_factory, live, limits)
            app = aiohttp_application(Site(endpoint.routes(), [live.route()]), write_timeout=stuck)
            runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            session = await stack.enter_async_context(ClientSession())
            url = f"http://127.0.0.1:{runner.addresses[0][1]}/graphql"
            return LiveServer(gateway, event_log, live, session, url, sandbox, live_events, moved_time)

        yield start
    async with asyncio.timeout(20):
        while asyncio.all_tasks() - before - {asyncio.current_task()}:  # noqa: ASYNC110 - tasks set no event
            await asyncio.sleep(0.01)


@pytest.fixture
async def server(start_server: StartServer) -> LiveServer:
    """Start a gateway with the default options."""
    return await start_server()
