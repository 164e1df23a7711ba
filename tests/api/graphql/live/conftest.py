"""Live operations on real sockets: in this process with options of a test's own, or by the console script."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, web

from gateway import Gateway, Settings
from gateway.api.graphql.execution.reception import IncomingFactory
from gateway.api.graphql.http.endpoint import EndpointOptions, GraphQLEndpoint
from gateway.api.graphql.http.parsing import RequestLimits
from gateway.api.graphql.http.uploads import UploadLimits
from gateway.api.graphql.live.live import Live
from gateway.api.graphql.live.options import LiveOptions
from gateway.api.web.aiohttp_server import aiohttp_application
from gateway.api.web.site import Site
from gateway.callers.authentication import anyone
from gateway.events.memory import MemoryEventLog
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, RESELLER_ID, RESELLER_TOKEN, Sandbox, SandboxOptions
from gateway.users.model import User, UserChange, UserSource

PROTOCOL = "graphql-transport-ws"
CHANGED = "subscription { userChanged { id change user { name } occurredAt } }"


class Socket:
    """A client's side of a socket, which says exactly what a test wants it to say."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, type: str, id: str | None = None, payload: Any = None) -> None:
        """Send a message."""
        fields = {"type": type, "id": id, "payload": payload}
        await self.socket.send_json({name: value for name, value in fields.items() if value is not None})

    async def subscribe(self, id: str = "1", query: str = CHANGED, **payload: Any) -> None:
        """Send a subscribe."""
        await self.say("subscribe", id, {"query": query, **payload})

    async def hear(self) -> Any:
        """The next message; the server's pings are left out."""
        while (message := await self.socket.receive_json(timeout=5))["type"] == "ping":
            await self.say("pong")
        return message

    async def next(self) -> Any:
        """The data of the next message, which has to be an answer."""
        message = await self.hear()
        assert message["type"] == "next", message
        return message["payload"]["data"]

    async def name(self) -> str:
        """The name of the user in the next event."""
        return str((await self.next())["userChanged"]["user"]["name"])

    async def errors(self) -> Any:
        """The errors in the next message, which has to be the end of an operation."""
        message = await self.hear()
        assert message["type"] == "error", message
        return message["payload"]

    async def end(self) -> tuple[int | None, str]:
        """How the server closes the socket; messages before that are read and dropped."""
        while (message := await self.socket.receive(timeout=5)).type.name == "TEXT":
            pass
        return self.socket.close_code, str(message.extra or "")


@dataclass(slots=True)
class Here:
    """A gateway in this process."""

    gateway: Gateway
    events: MemoryEventLog
    live: Live
    session: ClientSession
    url: str
    sandbox: Sandbox
    happenings: list[tuple[str, str]]

    @asynccontextmanager
    async def bare(self, *protocols: str, **headers: str) -> AsyncIterator[Socket]:
        """A socket on which nothing was said yet."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.ws_connect(self.url, protocols=protocols or (PROTOCOL,), headers=named) as socket:
            yield Socket(socket)

    @asynccontextmanager
    async def socket(self, payload: Any = None, **headers: str) -> AsyncIterator[Socket]:
        """A socket whose connection was acknowledged."""
        async with self.bare(**headers) as socket:
            await socket.say("connection_init", payload=payload)
            assert await socket.hear() == {"type": "connection_ack"}
            yield socket

    async def happen(self, *names: str, source: UserSource = UserSource.ACCOUNT, id: str = "acus_1") -> None:
        """Something happens to a user, once those who subscribed before are served."""
        for name in names:
            self.events.publish(UserChange.UPDATED, User(source, id, name=name))
        await asyncio.sleep(0)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that happens soon."""
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - the server's side sets no event
                await asyncio.sleep(0.005)

    async def followed(self, number: int = 1) -> None:
        """Wait until the log has so many subscribers."""
        await self.until(lambda: self.events.subscribers == number)


Open = Callable[..., Awaitable[Here]]


@pytest.fixture
async def opened() -> AsyncIterator[Open]:
    """Makes gateways in front of a sandbox, with options of live operations; when they end, nothing of them is left."""
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:

        async def make(
            authenticate: Any = anyone,
            allows: Callable[[str], bool] = lambda _: False,
            *,
            account: bool = False,
            stuck: float = 30.0,
            **options: Any,
        ) -> Here:
            sandbox = await stack.enter_async_context(Sandbox(SandboxOptions(users=4, rate_limits=False)))
            reseller = {"base_url": sandbox.reseller_url, "token": RESELLER_TOKEN, "reseller_id": RESELLER_ID}
            systems: dict[str, Any] = {"reseller": reseller}
            if account:
                systems["account"] = {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID}
            gateway = await stack.enter_async_context(Gateway(Settings(reference_ttl=0, **systems)))
            events = gateway.events
            assert isinstance(events, MemoryEventLog)
            executor = gateway._executor
            assert executor is not None
            reception = IncomingFactory(gateway.users, events, authenticate, 5)
            happenings: list[tuple[str, str]] = []
            live = Live(
                executor,
                reception,
                LiveOptions(**{"drain": 0.05} | options),
                allows=allows,
                observe=lambda *happening: happenings.append(happening),
            )
            stack.push_async_callback(live.drain)
            limits = EndpointOptions(RequestLimits(100_000, UploadLimits(file=1000)))
            endpoint = GraphQLEndpoint(executor, reception, live, limits)
            app = aiohttp_application(Site(endpoint.routes(), [live.route()]), stuck=stuck)
            runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            session = await stack.enter_async_context(ClientSession())
            url = f"http://127.0.0.1:{runner.addresses[0][1]}/graphql"
            return Here(gateway, events, live, session, url, sandbox, happenings)

        yield make
    async with asyncio.timeout(5):
        while asyncio.all_tasks() - before - {asyncio.current_task()}:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.01)


@pytest.fixture
async def here(opened: Open) -> Here:
    """A gateway in this process, with the usual options."""
    return await opened()
