"""Clients with their default options, against the console script: graphql-ws and graphql-sse of npm, gql of PyPI."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector
from conftest import Running, command
from gql import Client, GraphQLRequest, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.websockets import WebsocketsTransport
from ports import free_port

NODE_FOLDER = Path(__file__).parent / "node"
CHANGED = "subscription { userChanged(sources: [ACCOUNT]) { id change user { sourceId name } } }"
RENAME = "mutation($name: String!) { updateAccountUser(id: $id, input: {name: $name}) { name } }".replace(
    "$id", '"acus_adalovelace1"'
)


class Demo:
    """A running demo."""

    def __init__(self, running: Running, session: ClientSession) -> None:
        self.pid = running.pid
        self.url = running.address("GraphQL")
        self.session = session

    async def rename(self, name: str) -> None:
        """Change the name of a user."""
        body = {"query": RENAME, "variables": {"name": name}}
        async with self.session.post(self.url, json=body) as answer:
            assert (await answer.json()) == {"data": {"updateAccountUser": {"name": name}}}

    def sockets(self) -> int:
        """Return how many connections of its HTTP port the demo has not closed."""
        port = int(self.url.split(":")[2].split("/")[0])
        rows = [line.split() for line in Path(f"/proc/{self.pid}/net/tcp").read_text().splitlines()[1:]]
        return sum(row[1].endswith(f":{port:04X}") and row[3] in {"01", "08"} for row in rows)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition is true."""
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.02)


@pytest.fixture
async def demo() -> AsyncIterator[Demo]:
    """Start a gateway and its sandbox by the console script."""
    with command("demo", "--http-port", "0", "--grpc-port", "off", "--no-rate-limits", last="{ user(") as running:
        async with ClientSession(connector=TCPConnector(force_close=True)) as session:
            yield Demo(running, session)


class NodeClient:
    """A Node.js process that executes an operation and prints what it receives."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> Any:
        """Return the next line that it prints."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            return json.loads(await self.process.stdout.readline())

    async def name(self) -> str:
        """Return the name in the next event."""
        while "next" not in (line := await self.line()):
            assert set(line) <= {"connected", "ping", "closed"}, line
        return str(line["next"]["data"]["userChanged"]["user"]["name"])

    async def begin(self, demo: Demo) -> None:
        """Wait until it has connected, and events reach it."""
        while (line := await self.line()) != {"connected": True}:
            assert set(line) == {"next"}, line
        receiving = asyncio.ensure_future(self.name())
        while not receiving.done():
            await demo.rename("begin")
            await asyncio.wait({receiving}, timeout=0.1)
        await demo.rename("began")
        while await self.name() != "began":
            pass


@pytest.fixture
def follow(node_in: Callable[[Path], Path]) -> Any:
    """Start Node.js clients, and kill them at the end."""
    node = node_in(NODE_FOLDER)

    @asynccontextmanager
    async def start(mode: str, url: str, query: str = CHANGED, limit: int | None = None) -> AsyncIterator[NodeClient]:
        arguments = [mode, url, json.dumps({"query": query}), *([] if limit is None else [str(limit)])]
        process = await asyncio.create_subprocess_exec(
            str(node), "client.mjs", *arguments, cwd=NODE_FOLDER, stdout=asyncio.subprocess.PIPE
        )
        try:
            yield NodeClient(process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    return start


@pytest.mark.parametrize("mode", ["ws", "sse", "single"])
async def test_node(demo: Demo, follow: Any, mode: str) -> None:
    """graphql-ws, and graphql-sse in both modes, receive changes in order, and end by themselves."""
    async with follow(mode, demo.url) as client:
        await client.begin(demo)
        names = [f"Ada {number}" for number in range(20)]
        for name in names:
            await demo.rename(name)
        assert [await client.name() for _ in names] == names
    async with follow(mode, demo.url, "{ __typename }") as client:
        assert await client.line() == {"connected": True}
        assert await client.line() == {"next": {"data": {"__typename": "Query"}}}
        assert await client.line() == {"complete": True}
        assert await client.process.wait() == 0
    async with follow(mode, demo.url, CHANGED, 1) as client:
        assert await client.line() == {"connected": True}
        receiving = asyncio.ensure_future(client.name())
        while not receiving.done():
            await demo.rename("last")
            await asyncio.wait({receiving}, timeout=0.1)
        assert await client.line() == {"complete": True}
    await demo.until(lambda: demo.sockets() == 0)


@pytest.mark.parametrize("mode", ["ws", "sse", "single"])
async def test_node_errors(demo: Demo, follow: Any, mode: str) -> None:
    """The errors of an operation that is not valid reach the program with their codes."""
    async with follow(mode, demo.url, "subscription { nothing }") as client:
        assert await client.line() == {"connected": True}
        line = await client.line()
        errors = line["error"] if mode == "ws" else line["next"]["errors"]
        assert [error["extensions"]["code"] for error in errors] == ["GRAPHQL_VALIDATION_FAILED"]


@pytest.mark.parametrize("mode", ["ws", "sse", "single"])
async def test_a_killed_node(demo: Demo, follow: Any, mode: str) -> None:
    """A client that is killed in the middle of its stream leaves no socket, and others are not affected."""
    async with follow("ws", demo.url) as other, follow(mode, demo.url) as client:
        await client.begin(demo)
        await other.begin(demo)
        assert demo.sockets() >= 2  # a single stream has its other requests' connections beside it
        os.kill(client.process.pid, signal.SIGKILL)
        for number in range(5):
            await demo.rename(f"after {number}")
        await demo.until(lambda: demo.sockets() == 1)
        while (name := await other.name()) != "after 4":
            assert name.startswith(("began", "begin", "after"))


async def test_a_gateway_that_stops(follow: Any) -> None:
    """A gateway that gets SIGTERM closes WebSockets with 1001 and ends streams, which then go on at the next one.

    graphql-ws also reconnects by itself after 1001, but gives up if nothing listens at that time, as here.
    """
    # Not one that the system chooses: once the first demo has ended, another process might get that.
    options = ("--http-port", str(free_port()), "--grpc-port", "off", "--no-rate-limits")
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(ClientSession(connector=TCPConnector(force_close=True)))
        with command("demo", *options, last="{ user(") as running:
            demo = Demo(running, session)
            socket, stream = [await stack.enter_async_context(follow(mode, demo.url)) for mode in ("ws", "sse")]
            await socket.begin(demo)
            await stream.begin(demo)
            os.kill(running.pid, signal.SIGTERM)
            while "closed" not in (line := await socket.line()):
                pass
            assert line == {"closed": 1001}
        with command("demo", *options, last="{ user(") as running:
            await stream.begin(Demo(running, session))


async def test_gql(demo: Demo) -> None:
    """gql over a WebSocket receives changes, executes a mutation, and gets errors with their codes."""
    transport = WebsocketsTransport(
        url=demo.url.replace("http", "ws"),
        init_payload={"authorization": "Bearer x"},
        ping_interval=0.2,
        pong_timeout=30,  # by default half of the interval
    )
    async with Client(transport=transport, fetch_schema_from_transport=False) as session:
        events = session.subscribe(gql(CHANGED))
        receiving = asyncio.ensure_future(anext(events))
        while not receiving.done():
            renamed = await session.execute(GraphQLRequest(RENAME, variable_values={"name": "by gql"}))
            assert renamed == {"updateAccountUser": {"name": "by gql"}}
            await asyncio.wait({receiving}, timeout=0.1)
        assert (await receiving)["userChanged"]["user"]["name"] == "by gql"
        await events.aclose()
        with pytest.raises(TransportQueryError) as raised:
            await session.execute(gql("{ nothing }"))
        assert raised.value.errors is not None
        assert raised.value.errors[0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    await demo.until(lambda: demo.sockets() == 0)
