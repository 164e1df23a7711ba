"""The spans of a gateway in a program that has set OpenTelemetry's tracer provider, over real sockets."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from aiohttp import ClientSession
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler
from opentelemetry.trace import SpanKind, StatusCode

from gateway import Gateway, Settings
from gateway.api.grpc.usergateway.v1 import users_pb2
from gateway.sandbox import (
    ACCOUNT_ID,
    ACCOUNT_TOKEN,
    RESELLER_ID,
    RESELLER_TOKEN,
    SOFTWAREONE_TOKEN,
    WEBHOOK_TOKEN,
    Sandbox,
    SandboxOptions,
)

USER = 'query Ada { user(id: "acus_adalovelace1", source: ACCOUNT) { name } }'
ROLE_OWNER = 'query Owner { user(id: "acus_adalovelace1", source: ACCOUNT) { role { owner { type } } } }'
RENAME = 'mutation Rename { updateAccountUser(id: "acus_adalovelace1", input: {name: "Ada"}) { name } }'
CHANGES = "subscription Changes { userChanged { user { name role { owner { type } } } } }"
USER_CALL = "GET /v1/identity/account-users/{id}"
SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NOT_SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


@dataclass(frozen=True, slots=True)
class World:
    """A gateway that is served in this process, its sandbox, and the spans that have ended."""

    gateway: Gateway
    session: ClientSession
    url: str
    grpc: str
    control: str
    exporter: InMemorySpanExporter

    async def graphql(self, query: str, **headers: str) -> Any:
        """Execute an operation, and return the JSON of the response."""
        async with self.session.post(f"{self.url}/graphql", json={"query": query}, headers=headers) as response:
            return await response.json()

    async def calls(self) -> list[dict[str, str]]:
        """Return the headers of the calls that the sandbox received."""
        async with self.session.get(f"{self.control}/calls") as response:
            return [call["headers"] for call in await response.json() if call["source"] != "webhooks"]

    async def fault(self, **fault: Any) -> None:
        """Let the next matching calls fail."""
        async with self.session.post(f"{self.control}/faults", json=fault) as response:
            assert response.status < 300, await response.text()

    async def spans(self, number: int) -> list[ReadableSpan]:
        """Return the spans that have ended, in the order of their starts, once there are so many."""
        async with asyncio.timeout(10):
            while len(self.exporter.get_finished_spans()) < number:  # noqa: ASYNC110 - an exporter notifies nobody
                await asyncio.sleep(0.01)
        found = sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time or 0)
        assert len(found) == number, [span.name for span in found]
        return found


@pytest.fixture
async def traced(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Any]]:
    """Opens worlds with a sampler; settings are given by name, those of the account source as a dictionary."""
    async with AsyncExitStack() as stack:

        async def make(sampler: Sampler = ALWAYS_ON, account: dict[str, Any] | None = None, **given: Any) -> World:
            exporter = InMemorySpanExporter()
            provider = TracerProvider(ParentBased(sampler), shutdown_on_exit=False)
            provider.add_span_processor(SimpleSpanProcessor(exporter))
            # What `trace.set_tracer_provider` sets, which works once in a process only.
            monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
            sandbox = await stack.enter_async_context(Sandbox(SandboxOptions(rate_limits=False)))
            sources: dict[str, Any] = {
                "account": {
                    "base_url": sandbox.account_url,
                    "token": ACCOUNT_TOKEN,
                    "account_id": ACCOUNT_ID,
                    **(account or {}),
                },
                "softwareone": {"base_url": sandbox.softwareone_url, "token": SOFTWAREONE_TOKEN},
                "reseller": {
                    "base_url": sandbox.reseller_url,
                    "token": RESELLER_TOKEN,
                    "reseller_id": RESELLER_ID,
                    "webhook_token": WEBHOOK_TOKEN,
                },
            }
            gateway = await stack.enter_async_context(Gateway(Settings(http_port=0, grpc_port=0, **sources, **given)))
            server = await gateway.serve_http(grace=0)
            stack.push_async_callback(server.stop)
            grpc_server = await gateway.serve_grpc()
            assert grpc_server is not None
            stack.push_async_callback(grpc_server.stop, 0)
            session = await stack.enter_async_context(ClientSession())
            host, port = server.address
            return World(gateway, session, f"http://{host}:{port}", grpc_server.address, sandbox.control_url, exporter)

        yield make


def traceparent(span: ReadableSpan) -> str:
    """Return the header that a call is sent with in the context of a span."""
    context = span.get_span_context()
    assert context is not None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def parent_id(span: ReadableSpan) -> int | None:
    """Return the id of the span above a span."""
    return span.parent.span_id if span.parent else None


def span_id(span: ReadableSpan) -> int:
    """Return the id of a span."""
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def linked(span: ReadableSpan) -> list[int]:
    """Return the ids of the spans that a span has links to."""
    return [link.context.span_id for link in span.links]


async def test_a_query(traced: Any) -> None:
    """A query is a server span below the caller's, and its call a client span, in whose context it is sent."""
    world = await traced()
    await world.graphql(USER, traceparent=SAMPLED, tracestate="vendor=1", **{"X-Request-ID": "mine"})
    server, call = await world.spans(2)
    assert (server.name, server.kind, server.status.status_code) == ("query Ada", SpanKind.SERVER, StatusCode.UNSET)
    assert f"{server.context.trace_id:032x}" == SAMPLED[3:35]
    assert f"{parent_id(server):016x}" == SAMPLED[36:52]
    assert (
        dict(server.attributes or {}).items()
        >= {
            "http.request.method": "POST",
            "http.route": "/graphql",
            "url.path": "/graphql",
            "url.scheme": "http",
            "http.response.status_code": 200,
            "graphql.operation.type": "query",
            "graphql.operation.name": "Ada",
            "gateway.request.id": "mine",
            "gateway.surface": "http",
            "gateway.calls": 1,
        }.items()
    )
    assert (call.name, call.kind, parent_id(call)) == (USER_CALL, SpanKind.CLIENT, span_id(server))
    host, port = world.control.removeprefix("http://").split("/")[0].split(":")
    attributes = dict(call.attributes or {})
    full = attributes.pop("url.full")
    assert attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.template": "/v1/identity/account-users/{id}",
        "server.address": host,
        "server.port": int(port),
        "gateway.source": "account",
        "gateway.call.kind": "call",
    }
    assert full.endswith("/v1/identity/account-users/{id}")
    [sent] = await world.calls()
    assert (sent["traceparent"], sent["tracestate"]) == (traceparent(call), "vendor=1")


async def test_a_change(traced: Any) -> None:
    """A change has spans for its call and for the event that is published."""
    world = await traced()
    await world.graphql(RENAME)
    server, call, published = await world.spans(3)
    assert (server.name, parent_id(server)) == ("mutation Rename", None)
    assert call.name == "PATCH /v1/identity/account-users/{id}"
    assert (published.name, published.kind) == ("publish event", SpanKind.PRODUCER)
    assert parent_id(call) == parent_id(published) == span_id(server)


async def test_a_request_that_is_not_recorded(traced: Any) -> None:
    """Without a recorded root there are no spans; the call is sent in the same trace, as not sampled."""
    world = await traced()
    await world.graphql(ROLE_OWNER, traceparent=NOT_SAMPLED, tracestate="vendor=1")
    headers = await world.calls()
    assert len(headers) == 2
    for sent in headers:
        assert sent["traceparent"][:36] == NOT_SAMPLED[:36]
        assert sent["traceparent"][36:52] != NOT_SAMPLED[36:52]
        assert sent["traceparent"].endswith("-00")
        assert sent["tracestate"] == "vendor=1"
    assert await world.spans(0) == []


async def test_sampling_that_begins_here(traced: Any) -> None:
    """A request without a trace context is recorded as the sampler decides; a caller that records is followed."""
    world = await traced(ALWAYS_OFF)
    await world.graphql(USER)
    [sent] = await world.calls()
    assert int(sent["traceparent"][-2:], 16) & 1 == 0  # the other flags are the tracer provider's
    await world.graphql(USER, traceparent=SAMPLED)
    await world.spans(2)


async def test_baggage(traced: Any) -> None:
    """The baggage of a request is not sent to a source."""
    world = await traced()
    await world.graphql(USER, traceparent=SAMPLED, baggage="user=ada")
    [sent] = await world.calls()
    assert "baggage" not in sent


async def test_retries(traced: Any) -> None:
    """Each attempt is a span with its number, and the wait between them one; a failed attempt has an error."""
    world = await traced(account={"max_attempts": 3})
    await world.fault(source="account", kind="status", status=503, times=2)
    await world.graphql(USER)
    _server, first, wait, second, second_wait, third = await world.spans(6)
    attempts = [(call.attributes or {}) for call in (first, second, third)]
    assert [each.get("http.request.resend_count") for each in attempts] == [None, 1, 2]
    assert [each["http.response.status_code"] for each in attempts] == [503, 503, 200]
    assert [each["gateway.call.kind"] for each in attempts] == ["call", "retry", "retry"]
    assert [each.get("error.type") for each in attempts] == ["503", "503", None]
    assert [call.status.status_code for call in (first, second, third)] == [*[StatusCode.ERROR] * 2, StatusCode.UNSET]
    assert wait.name == second_wait.name == "wait before a retry"
    sent = [headers["traceparent"] for headers in await world.calls()]
    assert sent == [traceparent(call) for call in (first, second, third)]


async def test_pacing(traced: Any) -> None:
    """The wait for the rate limit of a source is a span."""
    world = await traced(account={"rate_limit": 2})
    users = " ".join(f'u{n}: user(id: "acus_none{n}", source: ACCOUNT) {{ name }}' for n in range(3))
    await world.graphql(f"query Many {{ {users} }}")
    spans = await world.spans(5)
    assert [span.name for span in spans].count("wait for the rate limit") == 1
    missing = next(span for span in spans if span.name == USER_CALL)
    assert (missing.attributes or {})["error.type"] == "404"


async def test_hedging(traced: Any) -> None:
    """The second request of a slow read is a span of its own kind; the one whose response is not used is no error."""
    world = await traced(account={"hedge": True, "rate_limit": 1000})
    for _ in range(20):  # so that there are enough response times to compare with
        await world.graphql(USER)
    world.exporter.clear()
    await world.fault(source="account", kind="slow", delay=2, times=1)
    await world.graphql(USER)
    _server, first, second = await world.spans(3)
    assert [(call.attributes or {})["gateway.call.kind"] for call in (first, second)] == ["call", "hedge"]
    assert (first.attributes or {})["gateway.call.cancelled"] is True
    assert first.status.status_code is second.status.status_code is StatusCode.UNSET


async def test_a_call_that_two_requests_share(traced: Any) -> None:
    """Of two equal reads and lookups at the same time, one makes the calls; the other has spans with links to them."""
    world = await traced()
    await world.fault(source="account", kind="slow", delay=0.3, times=2)
    await asyncio.gather(world.graphql(ROLE_OWNER), world.graphql(ROLE_OWNER))
    spans = await world.spans(6)
    servers = [span for span in spans if span.kind is SpanKind.SERVER]
    user, role = [span for span in spans if span.kind is SpanKind.CLIENT]
    assert parent_id(user) == parent_id(role)
    joined = [span for span in spans if span.name.startswith("join ")]
    assert [span.name for span in joined] == [f"join {USER_CALL}", "join GET /v1/identity/roles/{id}"]
    assert [linked(span) for span in joined] == [[span_id(user)], [span_id(role)]]
    other = next(span_id(span) for span in servers if span_id(span) != parent_id(user))
    assert [parent_id(span) for span in joined] == [other, other]
    assert [headers["traceparent"] for headers in await world.calls()] == [traceparent(user), traceparent(role)]


async def test_a_call_of_a_request_that_is_not_recorded(traced: Any) -> None:
    """A request that is recorded has spans for the calls of one that is not, without links, since there is no span."""
    world = await traced()
    await world.fault(source="account", kind="slow", delay=0.5, times=2)
    first = asyncio.ensure_future(world.graphql(ROLE_OWNER, traceparent=NOT_SAMPLED))
    async with asyncio.timeout(10):
        while not await world.calls():  # noqa: ASYNC110 - the sandbox notifies nobody
            await asyncio.sleep(0.01)
    await world.graphql(ROLE_OWNER, traceparent=SAMPLED)
    await first
    server, *joined = await world.spans(3)
    assert server.kind is SpanKind.SERVER
    assert [span.name for span in joined] == [f"join {USER_CALL}", "join GET /v1/identity/roles/{id}"]
    assert [linked(span) for span in joined] == [[], []]
    assert [headers["traceparent"][-3:] for headers in await world.calls()] == ["-00", "-00"]


async def test_a_source_that_cannot_be_reached(traced: Any) -> None:
    """A connection that is refused is an error of the call with its cause, and of the request."""
    world = await traced(account={"base_url": "http://127.0.0.1:9", "max_attempts": 1})
    await world.graphql(USER)
    server, call = await world.spans(2)
    assert (call.attributes or {})["error.type"] == "SOURCE_UNAVAILABLE"
    assert call.status.status_code is server.status.status_code is StatusCode.ERROR
    assert "refused" in (call.status.description or "")
    assert (server.attributes or {})["error.type"] == "SOURCE_UNAVAILABLE"


async def test_a_call_that_takes_too_long(traced: Any) -> None:
    """A call that is stopped by the deadline of its request is an error."""
    world = await traced()
    await world.fault(source="account", kind="slow", delay=5, times=1)
    await world.graphql(USER, **{"X-Request-Timeout": "0.2"})
    server, call = await world.spans(2)
    assert (call.attributes or {})["error.type"] == "timeout"
    assert (server.attributes or {})["error.type"] == "SOURCE_TIMEOUT"


async def test_a_mistake_of_the_client(traced: Any) -> None:
    """A request that the client made wrong is no error of the server; its codes are on the span."""
    world = await traced()
    await world.graphql("query Wrong { nonsense }")
    await world.graphql('query None { user(id: "acus_none", source: ACCOUNT) { name } }')
    wrong, none, _call = await world.spans(3)
    assert wrong.status.status_code is none.status.status_code is StatusCode.UNSET
    assert (wrong.attributes or {})["gateway.error.codes"] == ("GRAPHQL_VALIDATION_FAILED",)


async def test_a_client_that_leaves(traced: Any) -> None:
    """Neither the request of a client that leaves nor its call is an error."""
    world = await traced()
    await world.fault(source="account", kind="slow", delay=5, times=1)
    request = asyncio.ensure_future(world.graphql(USER))
    async with asyncio.timeout(10):
        while not await world.calls():  # noqa: ASYNC110 - the sandbox notifies nobody
            await asyncio.sleep(0.01)
    request.cancel()
    server, call = await world.spans(2)
    assert server.status.status_code is call.status.status_code is StatusCode.UNSET
    assert (server.attributes or {})["gateway.client.left"] is True
    assert "http.response.status_code" not in (server.attributes or {})
    assert (call.attributes or {})["gateway.call.cancelled"] is True


async def test_other_routes(traced: Any) -> None:
    """Another route is a span with its method and route; a path without a route, or a probe, reveals nothing."""
    world = await traced()
    for path in ("/healthz", "/readyz", "/metrics", "/ada@example.com"):
        await (await world.session.get(world.url + path)).read()
    [unknown] = await world.spans(1)
    assert (unknown.name, (unknown.attributes or {})["http.response.status_code"]) == ("GET", 404)
    assert "ada@" not in unknown.to_json()


async def test_nothing_of_what_is_sent(traced: Any) -> None:
    """No span contains an id, a variable, a literal, a path without a route, or a credential."""
    world = await traced(account={"max_attempts": 1})
    await world.graphql(
        'query { person(email: "marker@example.com") { users { id } } a: user(id: "acus_marker") { name } }',
        **{"Authorization": "Bearer marker", "X-API-Key": "marker", "Cookie": "marker", "User-Agent": "marker"},
    )
    await world.graphql('mutation { updateAccountUser(id: "acus_marker", input: {name: "marker"}) { name } }')
    await world.graphql('{ marker(x: "marker") }')
    async with world.session.request("marker", f"{world.url}/graphql?marker=marker") as response:
        await response.read()
    async with world.session.get(f"{world.url}/images/marker") as response:
        await response.read()
    async with asyncio.timeout(10):
        while "GET /images/{token}" not in {span.name for span in world.exporter.get_finished_spans()}:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    spans = world.exporter.get_finished_spans()
    assert len(spans) >= 8
    assert [span.name for span in spans if "marker" in span.to_json().lower()] == []


async def test_the_log(traced: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The line of a request in the access log has the id of its trace."""
    world = await traced()
    with caplog.at_level("INFO", "gateway.access"):
        await world.graphql(USER)
    server, _call = await world.spans(2)
    [record] = [record for record in caplog.records if record.name == "gateway.access"]
    assert vars(record)["request"]["trace_id"] == f"{server.context.trace_id:032x}"


async def test_grpc(traced: Any) -> None:
    """A gRPC call is a server span by the conventions of RPC, below the caller's."""
    world = await traced()
    async with grpc.aio.insecure_channel(world.grpc) as channel:
        get = channel.unary_unary(
            "/usergateway.v1.UserService/GetUser",
            request_serializer=users_pb2.GetUserRequest.SerializeToString,
            response_deserializer=users_pb2.User.FromString,
        )
        request = users_pb2.GetUserRequest(id="acus_adalovelace1", source=users_pb2.USER_SOURCE_ACCOUNT)
        await get(request, metadata=(("traceparent", SAMPLED),))
        server, call = await world.spans(2)
        assert (server.name, server.kind) == ("usergateway.v1.UserService/GetUser", SpanKind.SERVER)
        assert f"{parent_id(server):016x}" == SAMPLED[36:52]
        attributes = dict(server.attributes or {})
        assert attributes["rpc.system.name"] == "grpc"
        assert attributes["rpc.method"] == "usergateway.v1.UserService/GetUser"
        assert attributes["rpc.response.status_code"] == "OK"
        assert parent_id(call) == span_id(server)
        world.exporter.clear()
        with pytest.raises(grpc.aio.AioRpcError):
            await get(users_pb2.GetUserRequest(id="acus_none", source=users_pb2.USER_SOURCE_ACCOUNT))
        missing, _call = await world.spans(2)
        assert missing.status.status_code is StatusCode.UNSET
        assert (missing.attributes or {})["rpc.response.status_code"] == "NOT_FOUND"


async def test_embedding(traced: Any) -> None:
    """An operation of the embedding program is below the span that is current there."""
    world = await traced()
    with trace.get_tracer("bff").start_as_current_span("page"):
        result = await world.gateway.execute(USER)
    assert not result.errors
    page, operation, call = await world.spans(3)
    assert (page.name, operation.name, operation.kind) == ("page", "query Ada", SpanKind.INTERNAL)
    assert (parent_id(operation), parent_id(call)) == (span_id(page), span_id(operation))


async def test_a_subscription(traced: Any) -> None:
    """Each event that is executed for a subscription is a trace with a link to the span of the subscription."""
    world = await traced()
    async with world.session.ws_connect(f"{world.url}/graphql", protocols=["graphql-transport-ws"]) as socket:
        await socket.send_json({"type": "connection_init"})
        assert (await socket.receive_json())["type"] == "connection_ack"
        await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": CHANGES}})
        await asyncio.sleep(0.2)
        await world.graphql(RENAME)
        assert (await socket.receive_json())["type"] == "next"
        await socket.send_json({"id": "1", "type": "complete"})
        spans = {span.name: span for span in await world.spans(6)}
    subscription, delivery = spans["subscription Changes"], spans["deliver Changes"]
    assert (subscription.kind, delivery.kind) == (SpanKind.SERVER, SpanKind.CONSUMER)
    assert linked(delivery) == [span_id(subscription)]
    assert parent_id(delivery) is None
    lookup = next(span for span in spans.values() if parent_id(span) == span_id(delivery))
    assert lookup.kind is SpanKind.CLIENT


async def test_a_webhook(traced: Any) -> None:
    """A webhook is a server span, with the calls that it needs below it."""
    world = await traced()
    event = {"event": "reseller.user.updated", "data": {"id": "00000000-0000-4000-8000-000000000001", "company": "X"}}
    body = json.dumps(event | {"triggeredAt": datetime.now(UTC).isoformat()}).encode()
    signature = base64.b64encode(hmac.digest(WEBHOOK_TOKEN.encode(), body, hashlib.sha256)).decode()
    headers = {"Webhook-Signature": signature, "Content-Type": "application/json"}
    async with world.session.post(f"{world.url}/webhooks/reseller", data=body, headers=headers) as response:
        assert response.status == 200, await response.text()
    server, call = await world.spans(2)
    assert (server.name, server.kind) == ("POST /webhooks/reseller", SpanKind.SERVER)
    assert parent_id(call) == span_id(server)


async def test_a_picture(traced: Any) -> None:
    """A picture is a server span without its token, with its calls below it; a redirect counts as sending again."""
    world = await traced()
    result = await world.graphql('{ user(id: "USR-0000-0001", source: SOFTWAREONE) { imageUrl } }')
    await world.spans(2)
    world.exporter.clear()
    async with world.session.get(world.url + result["data"]["user"]["imageUrl"].removeprefix(world.url)) as response:
        assert response.status == 200
    server, *calls = await world.spans(3)
    assert (server.name, (server.attributes or {})["url.path"]) == ("GET /images/{token}", "/images/{token}")
    assert [(call.name, parent_id(call)) for call in calls] == [("GET /{picture}", span_id(server))] * 2
    assert all((call.attributes or {})["url.full"].endswith("/{picture}") for call in calls)
    assert [(call.attributes or {}).get("http.request.resend_count") for call in calls] == [None, 1]


async def test_polling(traced: Any) -> None:
    """A round of polling is a trace of its own, with its calls."""
    world = await traced(account={"poll_interval": 60})
    poll, call = await world.spans(2)
    assert (poll.name, poll.kind, parent_id(poll)) == ("poll account", SpanKind.INTERNAL, None)
    assert (call.kind, parent_id(call)) == (SpanKind.CLIENT, span_id(poll))
