"""The access log: one line for each request, on every surface."""

import asyncio
import hashlib
import json
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from aiohttp import ClientSession
from e2e.held_source import HeldSource, call_is_shared

from gateway import Settings
from gateway.app.serving import Addresses, serving
from gateway.callers.api_keys import new_api_key
from gateway.principal import Action, scopes
from gateway.sandbox import (
    ACCOUNT_ID,
    ACCOUNT_TOKEN,
    RESELLER_ID,
    RESELLER_TOKEN,
    SOFTWAREONE_TOKEN,
    SandboxOptions,
    SandboxServer,
)
from gateway.telemetry.access_log import json_line, text_line
from gateway.telemetry.log_stream import LogStream
from gateway.telemetry.report import CallSummary, RequestReport
from gateway.users.model import UserSource
from usergateway.v1 import users_pb2

NAMED = 'query OneUser { user(id: "acus_adalovelace1", source: ACCOUNT) { name role { name } } }'
ALL = "{ users(first: 20) { nodes { name role { name owner { type } } } unavailable { source } } }"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
FIELDS = {
    *("time", "level", "logger", "request_id", "trace_id", "caller", "client", "client_version", "surface", "method"),
    *("route", "operation", "kind", "document", "status", "codes", "duration_ms", "source_ms", "waited_ms", "calls"),
    *("batched", "shared", "kept", "retries", "messages", "bytes"),
}


@dataclass
class Served:
    """A gateway that writes its access log to a pipe, in front of a sandbox."""

    session: ClientSession
    addresses: Addresses
    control: str
    reader: int
    stop: Callable[[], Awaitable[None]]
    text: str = ""

    async def graphql(self, query: str, variables: Any = None, **headers: str) -> Any:
        """Execute an operation over HTTP, and return the JSON of the response."""
        body = {"query": query, "variables": variables or {}}
        async with self.session.post(f"{self.addresses.http}/graphql", json=body, headers=headers) as response:
            return await response.json()

    async def written(self) -> str:
        """Return the new text; lines of requests that ended just now are written when the metrics are read."""
        async with self.session.get(f"{self.addresses.http}/metrics"):
            self.text = ""
        with suppress(BlockingIOError):
            self.text = os.read(self.reader, 1 << 20).decode()
        return self.text

    async def lines(self) -> list[dict[str, Any]]:
        """Return the new lines, of a log in JSON."""
        return [json.loads(line) for line in (await self.written()).splitlines()]

    async def line(self) -> dict[str, Any]:
        """Return the only new line."""
        [line] = await self.lines()
        return line


def rpc(channel: grpc.aio.Channel, method: str) -> Any:
    """Return a method of the service."""
    response = users_pb2.DESCRIPTOR.services_by_name["UserService"].methods_by_name[method].output_type.name
    return channel.unary_unary(
        f"/usergateway.v1.UserService/{method}",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=getattr(users_pb2, response).FromString,
    )


@pytest.fixture
async def served() -> AsyncIterator[Callable[..., Any]]:
    """Starts gateways with further settings; `held` is a proxy in front of the account source."""
    async with AsyncExitStack() as stack:

        async def start(*, held: HeldSource | None = None, **settings: Any) -> Served:
            sandbox = await stack.enter_async_context(SandboxServer(SandboxOptions(rate_limits=False)))
            reader, writer = os.pipe()
            os.set_blocking(reader, False)
            stack.callback(os.close, reader)
            log = LogStream(stack.enter_context(os.fdopen(writer, "w")))
            sources: dict[str, Any] = {
                "account": {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID},
                "softwareone": {"base_url": sandbox.softwareone_url, "token": SOFTWAREONE_TOKEN},
                "reseller": {"base_url": sandbox.reseller_url, "token": RESELLER_TOKEN, "reseller_id": RESELLER_ID},
            }
            if held is not None:
                sources["account"]["base_url"] = await stack.enter_async_context(held.serve(sandbox.account_url))
                sources["account"]["timeout"] = 60
            # On a busy machine a request for the metrics takes over a second; one that is slow has a line.
            defaults = {"log_format": "json", "access_log_slow": 60}
            configured = Settings(http_port=0, grpc_port=0, **defaults | sources | settings)
            server = await stack.enter_async_context(AsyncExitStack())
            addresses = await server.enter_async_context(serving(configured, log))
            session = await stack.enter_async_context(ClientSession())
            return Served(session, addresses, sandbox.control_url, reader, server.aclose)

        yield start


async def test_a_query(served: Callable[..., Any]) -> None:
    """A line has who asked for what, how it ended, and what it cost in time and calls; the document only as a hash."""
    world = await served()
    await world.graphql(
        NAMED,
        **{
            "X-Request-ID": "r-1",
            "traceparent": TRACE,
            "apollographql-client-name": "web",
            "apollographql-client-version": "1.2",
        },
    )
    line = await world.line()
    assert set(line) == FIELDS
    assert (
        line
        | {
            "level": "info",
            "request_id": "r-1",
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "client": "web",
            "client_version": "1.2",
            "surface": "http",
            "method": "POST",
            "route": "/graphql",
            "operation": "OneUser",
            "kind": "query",
            "status": 200,
            "codes": [],
            "calls": {"account": 1},
        }
        == line
    )
    assert line["duration_ms"] >= line["source_ms"] > 0
    assert len(line["document"]) == 64
    assert line["bytes"] > 0


async def test_a_list_with_lookups(served: Callable[..., Any]) -> None:
    """Calls are counted by source, those for several records as batched, records from the cache as kept."""
    world = await served()
    await world.graphql(ALL)
    line = await world.line()
    async with world.session.get(f"{world.control}/calls") as response:
        received = [call["source"] for call in await response.json()]
    assert line["calls"] == {source: received.count(source) for source in line["calls"]}
    assert line["batched"] >= 1
    await world.graphql(NAMED.replace("name }", "owner { type } }"))
    assert (await world.line())["kept"] == 1


async def test_a_user_that_is_kept(served: Callable[..., Any]) -> None:
    """A user that needs no call counts as kept, over HTTP and gRPC."""
    world = await served(keep_mode="on")
    await world.graphql(NAMED)
    await world.lines()
    await world.graphql(NAMED)
    line = await world.line()
    assert (line["kept"], line["calls"], line["source_ms"]) == (1, {}, 0)
    async with grpc.aio.insecure_channel(world.addresses.grpc or "") as channel:
        request = users_pb2.GetUserRequest(id="acus_adalovelace1", source=users_pb2.USER_SOURCE_ACCOUNT)
        await rpc(channel, "GetUser")(request)
        await rpc(channel, "GetUser")(request)
    line = (await world.lines())[-1]
    assert (line["surface"], line["kept"], line["calls"]) == ("grpc", 1, {})


async def test_a_source_that_is_missing_from_a_list(served: Callable[..., Any]) -> None:
    """A list without one source has no error, and yet its line has the code, the URL and the cause of the failure."""
    world = await served(softwareone={"base_url": "http://127.0.0.1:1", "token": "t", "max_attempts": 1})
    assert (await world.graphql(ALL))["data"]["users"]["unavailable"] == [{"source": "SOFTWAREONE"}]
    line = await world.line()
    assert (line["level"], line["status"], line["codes"]) == ("warning", 200, ["SOURCE_UNAVAILABLE"])
    assert "http://127.0.0.1:1/public/v1/" in line["cause"]
    async with grpc.aio.insecure_channel(world.addresses.grpc) as channel:
        await rpc(channel, "ListUsers")(users_pb2.ListUsersRequest())
    assert (await world.line())["codes"] == ["SOURCE_UNAVAILABLE"]


async def test_retries(served: Callable[..., Any]) -> None:
    """A further attempt is a retry, and the wait before it is time of the source."""
    world = await served()
    fault = {"source": "account", "kind": "status", "status": 503, "times": 1}
    async with world.session.post(f"{world.control}/faults", json=fault) as response:
        assert response.status < 300
    await world.graphql(NAMED)
    line = await world.line()
    assert (line["retries"], line["calls"]) == (1, {"account": 2})
    assert line["source_ms"] >= line["waited_ms"]


async def test_refusals(served: Callable[..., Any]) -> None:
    """A document that is not valid, a form of another site and an unknown path each have a line with WARNING."""
    world = await served()
    body = {"query": "query Profile { nope }", "operationName": "Profile"}
    async with world.session.post(f"{world.addresses.http}/graphql", json=body):
        pass
    line = await world.line()
    assert (line["codes"], line["operation"]) == (["GRAPHQL_VALIDATION_FAILED"], "Profile")
    assert line["document"] == hashlib.sha256(body["query"].encode()).hexdigest()
    await world.graphql("{ broken")
    assert (await world.line())["codes"] == ["GRAPHQL_PARSE_FAILED"]
    async with world.session.post(f"{world.addresses.http}/graphql", data="a=b") as response:
        status = response.status
    line = await world.line()
    assert (line["level"], line["status"], line["codes"]) == ("warning", status, ["BAD_USER_INPUT"])
    async with world.session.get(f"{world.addresses.http}/no/such/path?email=a@b.example"):
        pass
    line = await world.line()
    assert (line["level"], line["status"], line["route"]) == ("warning", 404, "")
    assert "example" not in world.text


async def test_probes(served: Callable[..., Any]) -> None:
    """Health and metrics, which are requested every few seconds, have no line."""
    world = await served(drain_delay=0)
    for path in ("healthz", "readyz", "metrics"):
        async with world.session.get(f"{world.addresses.http}/{path}") as response:
            assert response.status == 200
    assert await world.lines() == []


async def test_grpc(served: Callable[..., Any]) -> None:
    """A gRPC call has a line, with the name of its status; a failed one with its code."""
    world = await served()
    async with grpc.aio.insecure_channel(world.addresses.grpc) as channel:
        request = users_pb2.GetUserRequest(id="acus_adalovelace1", source=users_pb2.USER_SOURCE_ACCOUNT)
        await rpc(channel, "GetUser")(request, metadata=(("x-request-id", "g-1"), ("traceparent", TRACE)))
        line = await world.line()
        assert (
            line
            | {
                "surface": "grpc",
                "operation": "GetUser",
                "kind": "unary",
                "status": "OK",
                "calls": {"account": 1},
                "request_id": "g-1",
                "trace_id": "0af7651916cd43dd8448eb211c80319c",
            }
            == line
        )
        assert line["bytes"] > 0
        with pytest.raises(grpc.aio.AioRpcError):
            await rpc(channel, "UpdateAccountUser")(
                users_pb2.UpdateAccountUserRequest(
                    id="acus_unknown", user={"name": "x"}, update_mask={"paths": ["name"]}
                )
            )
    line = await world.line()
    assert (line["status"], line["codes"], line["level"]) == ("NOT_FOUND", ["NOT_FOUND"], "warning")


async def test_a_websocket(served: Callable[..., Any]) -> None:
    """Each operation of a WebSocket has a line of its own; a subscription at its end, with the number of its events.

    Its client names itself as browsers can: not in a header.
    """
    world = await served()
    url = f"{world.addresses.http}/graphql"
    async with world.session.ws_connect(url, protocols=["graphql-transport-ws"]) as socket:
        client = {"apollographql-client-name": "@acme/shop", "apollographql-client-version": "1.2 (345)"}
        await socket.send_json({"type": "connection_init", "payload": client})
        assert (await socket.receive_json())["type"] == "connection_ack"
        for number, query in enumerate((NAMED, "{ nope }")):
            await socket.send_json({"id": str(number), "type": "subscribe", "payload": {"query": query}})
            while (await socket.receive_json())["type"] == "next":
                pass
        [first, second] = await world.lines()
        assert (first["surface"], first["operation"], first["status"], first["messages"]) == (
            "websocket",
            "OneUser",
            200,
            1,
        )
        assert first["calls"] == {"account": 1}
        assert (first["client"], first["client_version"]) == ("@acme/shop", "1.2 (345)")
        assert second["codes"] == ["GRAPHQL_VALIDATION_FAILED"]
        assert first["request_id"] != second["request_id"]
        subscription = "subscription Changes { userChanged { user { name } } }"
        await socket.send_json({"id": "s", "type": "subscribe", "payload": {"query": subscription}})
        await socket.send_json({"type": "ping"})
        assert (await socket.receive_json())["type"] == "pong"
        for name in ("Ada", "Ada King"):
            mutation = 'mutation($n: String!) { updateAccountUser(id: "acus_adalovelace1", input: {name: $n}) { id } }'
            await world.graphql(mutation, {"n": name})
            assert (await socket.receive_json())["type"] == "next"
        assert [line["operation"] for line in (await world.lines())] == ["", ""]
        await socket.send_json({"id": "s", "type": "complete"})
        await socket.send_json({"type": "ping"})
        assert (await socket.receive_json())["type"] == "pong"
        line = await world.line()
    assert (line["kind"], line["operation"], line["messages"]) == ("subscription", "Changes", 2)


async def test_a_subscription_when_the_process_stops(served: Callable[..., Any]) -> None:
    """A subscription that ends because the process stops is not one whose client left."""
    world = await served(drain_delay=0)
    url = f"{world.addresses.http}/graphql"
    async with world.session.ws_connect(url, protocols=["graphql-transport-ws"]) as socket:
        await socket.send_json({"type": "connection_init"})
        await socket.receive_json()
        query = "subscription Changes { userChanged { user { name } } }"
        await socket.send_json({"id": "s", "type": "subscribe", "payload": {"query": query}})
        await socket.send_json({"type": "ping"})
        await socket.receive_json()
        stopping = asyncio.create_task(world.stop())
        assert (await socket.receive()).data == 1001
    await stopping
    [line] = [json.loads(line) for line in os.read(world.reader, 1 << 16).decode().splitlines()]
    assert (line["operation"], line["status"], line["level"]) == ("Changes", 200, "info")


async def test_streams(served: Callable[..., Any]) -> None:
    """A stream has one line, at its end, whether it was complete or its client left."""
    world = await served()
    url, body = f"{world.addresses.http}/graphql", {"query": NAMED}
    async with world.session.post(url, json=body, headers={"Accept": "text/event-stream"}) as response:
        await response.read()
    line = await world.line()
    assert (line["operation"], line["status"], line["messages"], line["calls"]) == ("OneUser", 200, 1, {"account": 1})
    deferred = NAMED.replace("role { name }", "... @defer { role { name } }")
    async with world.session.post(url, json={"query": deferred}, headers={"Accept": "multipart/mixed"}) as response:
        size = len(await response.read())
    line = await world.line()
    assert (line["status"], line["bytes"]) == (200, size)
    body = {"query": "subscription { userChanged { user { name } } }"}
    async with world.session.post(url, json=body, headers={"Accept": "text/event-stream"}) as response:
        await response.content.readline()  # the subscription has begun; its client leaves now
    lines = await eventually(world)
    assert (lines[0]["status"], lines[0]["level"], lines[0]["kind"]) == (499, "info", "subscription")


async def eventually(world: Served) -> list[dict[str, Any]]:
    """Return the next lines as soon as there are any."""
    async with asyncio.timeout(30):
        while not (lines := await world.lines()):  # noqa: ASYNC110 - the log sets no event
            await asyncio.sleep(0.01)
        return lines


async def sent(world: Served, number: int) -> list[dict[str, Any]]:
    """Return the calls that the sandbox has received, once there are so many."""
    async with asyncio.timeout(30):
        while True:
            async with world.session.get(f"{world.control}/calls") as response:
                calls: list[dict[str, Any]] = await response.json()
            if len(calls) >= number:
                return calls
            await asyncio.sleep(0.02)


async def test_calls_that_go_on_for_others(served: Callable[..., Any]) -> None:
    """Each call is in one line, also a retry for a second client after the first one, whose call it is, has left."""
    held = HeldSource("/account-users/")
    world = await served(held=held)
    fault = {"source": "account", "kind": "status", "status": 503, "retryAfter": 1}
    await world.session.post(f"{world.control}/faults", json=fault)
    first = asyncio.create_task(world.graphql(NAMED, **{"X-Request-ID": "first"}))
    await sent(world, 1)
    second = asyncio.create_task(world.graphql(NAMED, **{"X-Request-ID": "second"}))
    await call_is_shared(world.session, world.addresses.http)
    first.cancel()
    await asyncio.wait({first})
    held.release()  # the retry follows a second later
    assert "errors" not in await second
    lines = {line["request_id"]: line for line in await eventually(world)}
    if "first" not in lines:
        lines |= {line["request_id"]: line for line in await eventually(world)}
    assert len(await sent(world, 2)) == 2
    assert (lines["first"]["status"], lines["first"]["calls"], lines["first"]["retries"]) == (499, {"account": 2}, 1)
    assert (lines["second"]["calls"], lines["second"]["shared"]) == ({}, 1)
    for line in lines.values():
        assert line["waited_ms"] <= line["source_ms"] <= line["duration_ms"]


async def test_a_change_that_goes_on(served: Callable[..., Any]) -> None:
    """The line of a client that left has the calls of its change, which is completed."""
    held = HeldSource("/account-users/")
    world = await served(held=held)
    fault = {"source": "account", "kind": "status", "status": 503, "retryAfter": 1}
    await world.session.post(f"{world.control}/faults", json=fault)
    mutation = 'mutation { updateAccountUser(id: "acus_adalovelace1", input: {name: "Ada"}) { id } }'
    client = asyncio.create_task(world.graphql(mutation, **{"Idempotency-Key": "k"}))
    await sent(world, 1)
    client.cancel()
    await asyncio.wait({client})
    held.release()  # the retry follows a second later
    [line] = await eventually(world)
    assert [call["method"] for call in await sent(world, 2)] == ["PATCH", "PATCH"]
    assert (line["status"], line["kind"], line["calls"]) == (499, "mutation", {"account": 2})


async def test_which_requests_have_a_line(served: Callable[..., Any]) -> None:
    """`errors` leaves out those without one, `slow` those that are fast, and `off` all."""
    for mode, slow, expected in (("errors", 1e-9, 1), ("slow", 1e-9, 2), ("slow", 60, 1), ("off", 60, 0)):
        world = await served(access_log=mode, access_log_slow=slow)
        await world.graphql(NAMED)
        await world.graphql("{ nope }")
        assert len([line for line in await world.lines() if line["route"] == "/graphql"]) == expected


async def test_a_sample(served: Callable[..., Any]) -> None:
    """Of the requests without an error a share has a line, of the others all."""
    random.seed(1)
    world = await served(access_log_sample=0.2)
    for _ in range(50):
        await world.graphql("{ __typename }")
    for _ in range(5):
        await world.graphql("{ nope }")
    lines = await world.lines()
    assert sum(line["level"] == "warning" for line in lines) == 5
    assert 0 < sum(line["level"] == "info" for line in lines) < 25


async def test_text(served: Callable[..., Any]) -> None:
    """As text, a line begins with what one looks for first, and has only the fields that apply."""
    world = await served(log_format="text")
    await world.graphql(NAMED, **{"X-Request-ID": "r-1"})
    text = await world.written()
    assert " INFO    http query OneUser 200 " in text
    assert " calls=account:1 " in text
    assert " request_id=r-1" in text
    assert "retries" not in text


@pytest.mark.parametrize(
    ("seconds", "milliseconds"),
    [(0.000125, 0.13), (0.000115, 0.12), (0.00087499, 0.87), (0.005449, 5.45), (1.2345678, 1234.57), (0.0000051, 0.01)],
)
def test_a_duration_in_both_formats(seconds: float, milliseconds: float) -> None:
    """A duration is rounded to hundredths of a millisecond, half of one up, in text as in JSON."""
    summary = CallSummary(source_seconds=seconds, waited_seconds=seconds)
    report = RequestReport(duration=seconds, summary=summary)
    line, text = json.loads(json_line(report, "info", 0.0)), text_line(report, "info", 0.0).decode()
    assert (line["duration_ms"], line["source_ms"], line["waited_ms"]) == (milliseconds,) * 3
    assert f" {milliseconds:.1f} ms source_ms={milliseconds} waited_ms={milliseconds}" in text


def test_nothing_looks_like_another_line() -> None:
    """Control characters in the name of a caller, which its issuer has chosen, are escaped in text as in JSON."""
    name = "jwt:https://issuer.example|eve\n2026-11-29T09:38:51.761Z\tERROR\tforged\x1b[2J"
    for line in (text_line, json_line):
        written = line(RequestReport(caller=name, method="GET\x1b", status=200), "info", 0.0).decode()
        assert written.count("\n") == 1
        assert written.rstrip("\n").isprintable()


async def test_the_name_of_an_operation_is_bounded(served: Callable[..., Any]) -> None:
    """Whoever sends a document with a long name does not fill the log with it."""
    world = await served()
    await world.graphql(NAMED.replace("OneUser", "A" * 40_000))
    assert (await world.line())["operation"] == "A" * 128


async def test_callers(served: Callable[..., Any], tmp_path: Any) -> None:
    """A line names the caller, by a hash if the name is an e-mail address, and a client unless it is one."""
    key, entry = new_api_key("billing", [Action.READ], scopes(UserSource))
    file = tmp_path / "keys.toml"
    file.write_text(entry.to_toml())
    world = await served(auth={"mode": "api_key", "keys_file": str(file)})
    await world.graphql(NAMED, **{"X-API-Key": key, "graphql-client-name": "ada@example.com"})
    line = await world.line()
    assert (line["caller"], line["client"]) == ("key:billing", "")
    await world.graphql(NAMED, **{"X-API-Key": "wrong"})
    line = await world.line()
    assert (line["caller"], line["status"], line["codes"]) == ("", 401, ["UNAUTHENTICATED"])
    address = RequestReport(caller="ada@example.com")
    assert b"sha256:" in json_line(address, "info", 0.0)
    assert b"ada@" not in json_line(address, "info", 0.0) + text_line(address, "info", 0.0)
