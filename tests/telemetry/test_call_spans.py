"""The spans of calls to sources, in a program that has set OpenTelemetry's tracer provider."""

import asyncio
from typing import Any

from opentelemetry.trace import SpanKind, StatusCode
from telemetry.traced import (
    NOT_SAMPLED,
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

__all__ = ["traced"]


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
    await world.fault(source="account", kind="slow", delay=60, times=1)
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
    async with asyncio.timeout(30):
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
    await world.fault(source="account", kind="slow", delay=60, times=1)
    await world.graphql(USER, **{"X-Request-Timeout": "1"})
    server, call = await world.spans(2)
    assert (call.attributes or {})["error.type"] == "timeout"
    assert (server.attributes or {})["error.type"] == "SOURCE_TIMEOUT"


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
