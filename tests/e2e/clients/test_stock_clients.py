"""Apollo Client and urql in their default configuration, in Node, against a gateway on a real socket."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from conftest import ROOT, command
from e2e.held_source import HeldSource

NODE_FOLDER = Path(__file__).parent / "node"
DEFERRED = """
    query Deferred {
        user(id: "acus_adalovelace1", source: ACCOUNT) { id name ... @defer(label: "role") { email role { id name } } }
    }
"""
FAILING = """
    query Failing {
        user(id: "acus_adalovelace1", source: ACCOUNT) { id name ... @defer { role { id permissions } } }
    }
"""
NAMES = "subscription Names { userChanged(sources: [ACCOUNT]) { id user { id name } } }"
KEY = {"x-api-key": "of a caller"}  # which the gateway requires for a GET of a program; the demo accepts any
HANDLERS = ["Defer20220824Handler", "GraphQL17Alpha9Handler"]


class NodeClient:
    """A Node.js process that executes an operation and prints what its program receives from the library."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self) -> Any:
        """Return the next result; None at the end of the program."""
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            line = await self._process.stdout.readline()
            return json.loads(line) if line else None

    async def lines(self) -> list[Any]:
        """Return all results until the end of the program."""
        return [line async for line in self]

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (line := await self.line()) is not None:
            yield line

    async def name(self) -> Any:
        """Return the user's name in the next result, which has to be an event."""
        line = await self.line()
        assert line["data"], line
        return line["data"]["userChanged"]["user"]["name"]

    async def begin(self, world: Any) -> None:
        """Wait until events reach it."""
        receiving = asyncio.ensure_future(self.name())
        while not receiving.done():
            await rename(world, "begin")
            await asyncio.wait({receiving}, timeout=0.1)
        await rename(world, "began")
        assert receiving.result() == "begin"
        while await self.name() != "began":
            pass


async def rename(world: Any, name: str) -> None:
    """Change the name of a user."""
    query = "mutation ($name: String!) { updateAccountUser(id: $id, input: {name: $name}) { name } }"
    query = query.replace("$id", '"acus_adalovelace1"')
    assert await world.data(query, {"name": name}) == {"updateAccountUser": {"name": name}}


@pytest.fixture
def client(node_in: Callable[[Path], Path]) -> Any:
    """Starts programs with a client library, and kills them at the end."""
    node = node_in(NODE_FOLDER)

    @asynccontextmanager
    async def start(name: str, world: Any, document: str, **headers: str) -> AsyncIterator[NodeClient]:
        arguments = ["client.mjs", name, f"{world.url}/graphql", document, json.dumps(headers)]
        process = await asyncio.create_subprocess_exec(
            str(node), *arguments, cwd=NODE_FOLDER, stdout=asyncio.subprocess.PIPE
        )
        try:
            yield NodeClient(process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    return start


@pytest.mark.parametrize("handler", HANDLERS)
async def test_apollo_defer(fresh: Any, client: Any, handler: str) -> None:
    """Apollo Client's two handlers of incremental delivery show the first part, and in the end all fields."""
    world = await fresh()
    whole = (await world.data(DEFERRED.replace('@defer(label: "role")', "")))["user"]
    async with client(f"apollo {handler}", world, DEFERRED) as apollo:
        first, *_, last = await apollo.lines()
    assert {name: first["data"]["user"][name] for name in ("id", "name")} == {"id": whole["id"], "name": whole["name"]}
    assert last["dataState"] == "complete"
    assert without_typename(last["data"]["user"]) == whole
    assert all("error" not in line for line in (first, last))


@pytest.mark.parametrize("handler", HANDLERS)
async def test_apollo_shows_a_part_before_the_next_one(fresh: Any, client: Any, handler: str) -> None:
    """Apollo Client shows the first part while a source has not responded to the call for the deferred one."""
    world = await fresh(reference_ttl=0)
    await world.fault(source="account", path="roles", kind="slow", delay=60, times=1)
    async with client(f"apollo {handler}", world, DEFERRED) as apollo:
        line = await apollo.line()
    assert (line["dataState"], line["data"]["user"]["name"]) == ("streaming", "Ada Lovelace")
    assert "role" not in line["data"]["user"]


@pytest.mark.parametrize("handler", HANDLERS)
async def test_apollo_gets_the_errors_of_a_deferred_part(fresh: Any, client: Any, handler: str) -> None:
    """An error of a deferred field reaches the program of Apollo Client with its code."""
    world = await fresh(reference_ttl=0, max_attempts=1)
    await world.fault(source="account", path="/v1/identity/roles", kind="status", status=503, times=5)
    async with client(f"apollo {handler}", world, FAILING) as apollo:
        *_, last = await apollo.lines()
    assert last["error"] == ["SOURCE_UNAVAILABLE"]


async def test_apollo_query(world: Any, client: Any) -> None:
    """Apollo Client without a handler executes a query."""
    query = 'query Ada { user(id: "acus_adalovelace1", source: ACCOUNT) { id name } }'
    async with client("apollo query", world, query) as apollo:
        [line] = await apollo.lines()
    assert without_typename(line["data"]) == await world.data(query)


async def test_apollo_subscription(fresh: Any, client: Any) -> None:
    """Apollo Client's HttpLink subscribes by itself: it receives the changes in order."""
    world = await fresh()
    async with client("apollo subscription", world, NAMES) as apollo:
        await apollo.begin(world)
        names = [f"Ada {number}" for number in range(10)]
        for name in names:
            await rename(world, name)
        assert [await apollo.name() for _ in names] == names


async def test_apollo_subscription_that_is_not_valid(world: Any, client: Any) -> None:
    """The error of a subscription that is not valid, or cannot be opened, reaches the program with its code."""
    codes = {
        "subscription { nothing }": "GRAPHQL_VALIDATION_FAILED",
        'subscription { userChanged(after: "x") { id } }': "BAD_USER_INPUT",
    }
    for document, code in codes.items():
        async with client("apollo subscription", world, document) as apollo:
            line = await apollo.line()
            assert line.get("data") is None
            assert line["error"] == [code]


async def test_apollo_subscription_of_a_gateway_that_stops(client: Any, world_of: Any) -> None:
    """A gateway that stops ends the stream so that Apollo Client reports an error; a RetryLink reconnects then."""
    with command("demo", "--http-port", "0", "--grpc-port", "off", "--no-rate-limits", last="{ user(") as running:
        async with ClientSession() as session:
            world = world_of(session, running)
            async with client("apollo subscription", world, NAMES) as apollo:
                await apollo.begin(world)
                os.kill(running.pid, signal.SIGTERM)
                assert (await apollo.line())["error"] == "premature end of multipart body"


async def test_urql_defer(fresh: Any, client: Any) -> None:
    """urql sends its query by GET, shows the first part while a source is slow, and in the end all fields."""
    held = HeldSource("/v1/identity/roles")
    world = await fresh(held={"account": held}, reference_ttl=0, timeout=300, request_timeout=300)
    query = DEFERRED.replace("email", "").replace("id name }", "permissions }")  # not in the record of the user
    async with client("urql query", world, query, **KEY) as urql:
        first = await urql.line()
        held.release()
        last = await urql.line()
    whole = (await world.data(query.replace('@defer(label: "role")', "")))["user"]
    assert (first["hasNext"], first["data"]["user"]["name"]) == (True, "Ada Lovelace")
    assert "role" not in first["data"]["user"]
    assert (last["hasNext"], without_typename(last["data"]["user"])) == (False, whole)


async def test_urql_stream(world: Any, client: Any) -> None:
    """With the older format, which its documentation page names, urql has all items of a list in the list."""
    page = (ROOT / "docs" / "clients" / "urql.md").read_text()
    accept = re.findall(r'headers: \{ Accept: "(.*?)" \}', page)[0]
    names = (await world.graphql("{ users(first: 5) { nodes { name } } }"))["data"]["users"]["nodes"]
    query = "{ users(first: 5) { nodes @stream(initialCount: 2) { name } } }"
    async with client("urql query", world, query, **KEY, accept=accept) as urql:
        lines = [await urql.line()]
        while lines[-1]["hasNext"]:
            lines.append(await urql.line())
    assert len(lines) > 1
    assert lines[-1]["data"] == {"users": {"nodes": names}}


async def test_urql_query(world: Any, client: Any) -> None:
    """urql executes a query, which it sends by GET, and shows the errors of one that is not valid."""
    query = 'query Ada { user(id: "acus_adalovelace1", source: ACCOUNT) { id name } }'
    async with client("urql query", world, query, **KEY) as urql:
        line = await urql.line()
    assert without_typename(line["data"]) == await world.data(query)
    async with client("urql query", world, "{ nothing }", **KEY) as urql:
        assert (await urql.line())["error"] == ["GRAPHQL_VALIDATION_FAILED"]


async def test_urql_subscription(fresh: Any, client: Any) -> None:
    """urql subscribes by HTTP with `fetchSubscriptions`, its name for that, and receives the changes in order."""
    world = await fresh()
    async with client("urql subscription", world, NAMES) as urql:
        await urql.begin(world)
        names = [f"Ada {number}" for number in range(10)]
        for name in names:
            await rename(world, name)
        assert [await urql.name() for _ in names] == names


def without_typename(content: Any) -> Any:
    """Return the data without the fields that a library adds to a document."""
    if isinstance(content, list):
        return [without_typename(item) for item in content]
    if isinstance(content, dict):
        return {name: without_typename(value) for name, value in content.items() if name != "__typename"}
    return content
