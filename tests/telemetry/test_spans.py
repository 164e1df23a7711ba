"""The spans of requests, in a program that has set OpenTelemetry's tracer provider."""

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode
from telemetry.traced import (
    CHANGES,
    NOT_SAMPLED,
    RENAME,
    ROLE_OWNER,
    SAMPLED,
    USER,
    USER_CALL,
    linked,
    parent_id,
    span_id,
    traced,
    traceparent,
)

from gateway.models import UserSource
from gateway.sandbox import WEBHOOK_TOKEN
from usergateway.v1 import users_pb2

__all__ = ["traced"]


async def test_a_method_of_the_typed_service(traced: Any) -> None:
    """A call of the typed service is an internal span with the name of the method, above those of its calls."""
    world = await traced()
    await world.gateway.users.get_user("acus_adalovelace1", UserSource.ACCOUNT)
    method, call = await world.spans(2)
    assert (method.name, method.kind) == ("gateway.Users.get_user", SpanKind.INTERNAL)
    attributes = dict(method.attributes or {})
    assert attributes["code.function.name"] == "gateway.Users.get_user"
    assert attributes["gateway.surface"] == "python"
    assert not any(name.startswith("graphql.") for name in attributes)
    assert (call.name, parent_id(call)) == (USER_CALL, span_id(method))


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


async def test_a_state_of_the_trace_that_is_not_valid(traced: Any, caplog: pytest.LogCaptureFixture) -> None:
    """It is dropped, and not logged, as it would be for each request and as it was sent; a valid one is sent on."""
    world = await traced()
    states = ["ada@example.com", "Key=1", "k=1,k=2", ",".join(f"k{number}=1" for number in range(33)), "a=1, t@b=2,"]
    for state in states:
        await world.graphql(USER, traceparent=SAMPLED, tracestate=state)
    assert [call.get("tracestate", "") for call in await world.calls()] == ["", "", "", "", "a=1,t@b=2"]
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


async def test_a_mistake_of_the_client(traced: Any) -> None:
    """A request that the client made wrong is no error of the server; its codes are on the span."""
    world = await traced()
    await world.graphql("query Wrong { nonsense }")
    await world.graphql('query None { user(id: "acus_none", source: ACCOUNT) { name } }')
    wrong, none, _call = await world.spans(3)
    assert wrong.status.status_code is none.status.status_code is StatusCode.UNSET
    assert (wrong.attributes or {})["gateway.error.codes"] == ("GRAPHQL_VALIDATION_FAILED",)


async def test_an_invalid_document_of_an_embedding_program(traced: Any) -> None:
    """The name is the one of the conventions for operations without a type, and none of HTTP."""
    world = await traced()
    await world.gateway.execute("{")
    [span] = await world.spans(1)
    assert (span.name, span.status.status_code) == ("GraphQL Operation", StatusCode.UNSET)


async def test_a_client_that_leaves(traced: Any) -> None:
    """Neither the request of a client that leaves nor its call is an error."""
    world = await traced()
    await world.fault(source="account", kind="slow", delay=60, times=1)
    request = asyncio.ensure_future(world.graphql(USER))
    async with asyncio.timeout(30):
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
    async with asyncio.timeout(30):
        # It is polled, since the exporter sets no event.
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
        async with asyncio.timeout(30):
            while not world.gateway._entered.events.subscribers:  # noqa: ASYNC110 - a subscription sets no event
                await asyncio.sleep(0.01)
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


async def test_polling(traced: Any) -> None:
    """A round of polling is a trace of its own, with its calls."""
    world = await traced(account={"poll_interval": 60})
    poll, call = await world.spans(2)
    assert (poll.name, poll.kind, parent_id(poll)) == ("poll account", SpanKind.INTERNAL, None)
    assert (call.kind, parent_id(call)) == (SpanKind.CLIENT, span_id(poll))
