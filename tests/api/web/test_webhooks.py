"""The webhook endpoint on a real socket: signatures, responses, and events in the log."""

import asyncio
import hashlib
import hmac
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, web
from ports import refusing_port

from gateway.api.web.aiohttp_server import aiohttp_application
from gateway.api.web.site import Site
from gateway.api.web.webhooks import RESELLER_PATH, ResellerWebhooks, WebhookResult
from gateway.errors import RateLimited
from gateway.events.log import EventLog
from gateway.events.memory import MemoryEventLog
from gateway.events.replicated import ReplicatedEventLog
from gateway.sources.reseller.webhook import read_webhook
from gateway.state.redis.client import connect
from gateway.state.redis.event_stream import RedisEventStream
from gateway.users.model import Timestamp, UserChange, UserSource
from gateway.users.source_changes import ReportedChange

OLD, NEW = "first-token", "second-token ü"
AT = "2018-04-20T13:11:34.6926949Z"
CENTURY = 3e9  # seconds: a tolerance for bodies with fixed times
USER = {"id": "u-1", "firstName": "Ada", "email": "ada@example.com", "role": "user", "updatedAt": AT}


def signed(body: bytes, token: str = OLD) -> dict[str, str]:
    """Return the signature header of a body."""
    return {"Webhook-Signature": b64encode(hmac.new(token.encode(), body, hashlib.sha256).digest()).decode()}


def webhook(event: str = "reseller.user.updated", **user: Any) -> bytes:
    """Return the body of a webhook."""
    return orjson.dumps({"event": event, "data": USER | user, "triggeredAt": AT})


class Endpoint:
    """A served endpoint with its log, and the results that it reported."""

    def __init__(self, url: str, session: ClientSession, log: EventLog, results: list[WebhookResult]) -> None:
        self.log = log
        self.results = results
        self._url = url
        self._session = session

    async def post(self, body: bytes, headers: dict[str, str] | None = None, method: str = "POST") -> tuple[int, Any]:
        """Send a body, signed by the old token unless headers are given; return the status and the JSON."""
        headers = signed(body) if headers is None else headers
        async with self._session.request(method, self._url, data=body, headers=headers) as response:
            text = await response.read()
            if response.status >= 400 and text:
                assert response.headers["Content-Type"] == "application/problem+json"
            return response.status, orjson.loads(text) if text else None


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[Endpoint]]]:
    """Start servers with one endpoint."""
    async with AsyncExitStack() as stack:

        async def serve(*tokens: str, log: EventLog | None = None, **limits: Any) -> Endpoint:
            results: list[WebhookResult] = []
            log = MemoryEventLog() if log is None else log
            read = partial(read_webhook, tenant="t1")
            limits = {"tolerance": CENTURY, **limits}
            endpoint = ResellerWebhooks(lambda: tokens, read, log, observe=results.append, **limits)
            runner = web.AppRunner(aiohttp_application(Site([endpoint.route])))
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            session = await stack.enter_async_context(ClientSession())
            url = f"http://127.0.0.1:{runner.addresses[0][1]}{RESELLER_PATH}"
            return Endpoint(url, session, log, results)

        yield serve


@pytest.mark.parametrize("change", UserChange)
async def test_an_event(serve: Any, change: UserChange) -> None:
    """A signed event reaches subscriptions with its change and its user, who belongs to the configured reseller."""
    endpoint = await serve(OLD)
    async with endpoint.log.subscribe() as subscription:
        assert await endpoint.post(webhook(f"reseller.user.{change}")) == (200, {"result": "accepted"})
        event = await anext(subscription)
    user = event.user
    assert (event.change, user.source, user.tenant, user.source_id) == (change, UserSource.RESELLER, "t1", "u-1")
    assert (user.first_name, user.email, user.updated_at) == ("Ada", "ada@example.com", Timestamp(AT))
    assert endpoint.results == [WebhookResult.ACCEPTED]


async def test_a_signature_made_elsewhere(serve: Any) -> None:
    """The signature is `openssl dgst -sha256 -hmac first-token -binary | base64` of the raw body."""
    body = (
        b'{"event":"reseller.user.updated","data":{"id":"u-1","firstName":"Ada"},'
        b'"triggeredAt":"2018-04-20T13:11:34.6926949Z"}'
    )
    endpoint = await serve(OLD)
    headers = {"webhook-signature": "ohJXY3gZfEwiZ0pCWMTSa1mqIPPF72pGeCyIL44DQcI="}
    assert await endpoint.post(body, headers) == (200, {"result": "accepted"})


async def test_rotation(serve: Any) -> None:
    """During a rotation both tokens are valid; one that was removed is not."""
    endpoint = await serve(OLD, NEW)
    first, second = webhook(id="u-1"), webhook(id="u-2")
    assert (await endpoint.post(first, signed(first, OLD)))[0] == 200
    assert (await endpoint.post(second, signed(second, NEW)))[0] == 200
    later = await serve(NEW)
    assert (await later.post(first, signed(first, OLD)))[0] == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Webhook-Signature": ""},
        signed(webhook(), "another"),
        signed(webhook() + b" "),
        {"Webhook-Signature": signed(webhook())["Webhook-Signature"].lower()},
        {"Webhook-Signature": hmac.new(OLD.encode(), webhook(), hashlib.sha256).hexdigest()},
        {"Webhook-Signature": f"{signed(webhook())['Webhook-Signature']}, x"},
        {"Webhook-Signature": "ü" * 44},
    ],
)
async def test_a_bad_signature(serve: Any, headers: dict[str, str]) -> None:
    """Without a valid signature of the body the webhook is refused, whatever it contains, and the log stays empty."""
    endpoint = await serve(OLD, NEW)
    status, problem = await endpoint.post(webhook(), headers)
    assert (status, problem["status"], problem["title"]) == (401, 401, "Unauthorized")
    assert endpoint.results == [WebhookResult.UNSIGNED]
    assert len(endpoint.log) == 0


async def test_the_time_of_an_event(serve: Any) -> None:
    """An event occurred at the time in the webhook; without one, when the gateway received it."""
    endpoint = await serve(OLD)
    async with endpoint.log.subscribe() as subscription:
        await endpoint.post(webhook())
        assert (await anext(subscription)).occurred_at == AT
        before = datetime.now(UTC)
        await endpoint.post(orjson.dumps({"event": "reseller.user.updated", "data": USER | {"id": "u-2"}}))
        assert before <= (await anext(subscription)).occurred_at.instant() <= datetime.now(UTC)


@pytest.mark.parametrize("at", [None, "", "string", "20-04-2018 13:11", 1524229894, {}])
async def test_a_time_that_is_not_readable(serve: Any, at: Any) -> None:
    """A webhook whose time of sending is missing or in an unknown format is accepted, with the time of the gateway."""
    endpoint = await serve(OLD)
    before = datetime.now(UTC)
    async with endpoint.log.subscribe() as subscription:
        body = orjson.dumps({"event": "reseller.user.updated", "data": USER, "triggeredAt": at})
        assert (await endpoint.post(body))[0] == 200
        assert (await anext(subscription)).occurred_at.instant() >= before
    other = orjson.dumps({"event": "license.created", "data": {}, "triggeredAt": at})
    assert await endpoint.post(other) == (200, {"result": "unknown"})


@pytest.mark.parametrize(("age", "status"), [(-70, 400), (-50, 200), (0, 200), (50, 200), (70, 400)])
async def test_an_old_webhook(serve: Any, age: float, status: int) -> None:
    """A webhook whose time is further from the present than the tolerance is refused, and adds no event."""
    endpoint = await serve(OLD, tolerance=60.0)
    at = (datetime.now(UTC) - timedelta(seconds=age)).isoformat()
    body = orjson.dumps({"event": "reseller.user.updated", "data": USER, "triggeredAt": at})
    assert (await endpoint.post(body))[0] == status
    assert endpoint.results == [WebhookResult.ACCEPTED if status == 200 else WebhookResult.EXPIRED]
    assert len(endpoint.log) == (status == 200)


async def test_a_user_that_cannot_be_read(serve: Any) -> None:
    """While the source does not say whose user it is, the response is 503, so that the sender repeats the webhook."""

    async def complete(_: ReportedChange) -> ReportedChange | None:
        raise RateLimited("Too many calls.", retry_after=3.2)

    endpoint = await serve(OLD, complete=complete)
    assert (await endpoint.post(webhook()))[0] == 503
    assert (endpoint.results, len(endpoint.log)) == ([WebhookResult.UNAVAILABLE], 0)


async def test_a_user_of_another_reseller(serve: Any) -> None:
    """A user that the configured reseller does not have is acknowledged and counted, and adds no event."""

    async def complete(_: ReportedChange) -> ReportedChange | None:
        return None

    endpoint = await serve(OLD, complete=complete)
    assert await endpoint.post(webhook()) == (200, {"result": "foreign"})
    assert (endpoint.results, len(endpoint.log)) == ([WebhookResult.FOREIGN], 0)


async def test_repeated(serve: Any) -> None:
    """A repeated event is acknowledged and logged once, also if the time of sending is different."""
    endpoint = await serve(OLD)
    later = orjson.dumps({"event": "reseller.user.updated", "data": USER, "triggeredAt": "2018-04-20T13:16:34Z"})
    responses = [await endpoint.post(body) for body in (webhook(), webhook(), later)]
    assert responses == [(200, {"result": result}) for result in ("accepted", "repeated", "repeated")]
    assert len(endpoint.log) == 1


async def test_repeated_without_a_time(serve: Any) -> None:
    """An event whose user has no time of change is recognised by its body."""
    endpoint = await serve(OLD)
    undated, other = webhook(updatedAt=None), webhook(updatedAt=None, email="x@example.com")
    assert [(await endpoint.post(body))[1]["result"] for body in (undated, other, undated)] == [
        "accepted",
        "accepted",
        "repeated",
    ]


async def test_a_late_webhook(serve: Any) -> None:
    """A webhook that is older than the last event of its user is accepted with 200, and is no event."""
    endpoint = await serve(OLD)
    late = webhook(email="x@example.com")
    assert await endpoint.post(webhook(updatedAt="2018-04-20T13:11:34.6926950Z")) == (200, {"result": "accepted"})
    for _ in range(2):
        assert await endpoint.post(late) == (200, {"result": "repeated"})
    assert len(endpoint.log) == 1


async def test_different_events(serve: Any) -> None:
    """Events with another change, user, time or content are all logged."""
    endpoint = await serve(OLD)
    bodies = [
        webhook(),
        webhook("reseller.user.created"),
        webhook(id="u-2"),
        webhook(email="x@example.com"),
        webhook(updatedAt="2018-04-20T13:11:34.6926950Z"),
    ]
    assert [(await endpoint.post(body))[1]["result"] for body in bodies] == ["accepted"] * 5
    assert len(endpoint.log) == 5


@pytest.mark.parametrize("event", ["reseller.organization.created", "reseller.user.exploded", ""])
async def test_another_kind_of_event(serve: Any, event: str) -> None:
    """An event that is not about a user is acknowledged and counted, so that its sender continues."""
    endpoint = await serve(OLD)
    assert await endpoint.post(orjson.dumps({"event": event, "data": []})) == (200, {"result": "unknown"})
    assert endpoint.results == [WebhookResult.UNKNOWN]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no JSON",
        b"\xff",
        b"[]",
        b"{}",
        b'{"event": 1}',
        b'{"event":"reseller.user.updated"}',
        b'{"event":"reseller.user.updated","data":{"id":null}}',
        b'{"event":"reseller.user.updated","data":{"id":""}}',
        b'{"event":"reseller.user.updated","data":{"id":".."}}',
        b'{"event":"reseller.user.updated","data":' + b"[" * 50_000,
    ],
)
async def test_malformed(serve: Any, body: bytes) -> None:
    """A signed body that is not an event as documented is refused with 400."""
    endpoint = await serve(OLD)
    status, problem = await endpoint.post(body)
    assert (status, problem["title"], endpoint.results) == (400, "Bad Request", [WebhookResult.MALFORMED])


async def test_a_large_body(serve: Any) -> None:
    """A body over the limit is refused whatever its signature is; one of exactly the limit is accepted."""
    endpoint = await serve(OLD, max_bytes=len(webhook()))
    assert (await endpoint.post(webhook()))[0] == 200
    assert (await endpoint.post(webhook() + b" "))[0] == 413
    assert endpoint.results == [WebhookResult.ACCEPTED, WebhookResult.TOO_LARGE]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_other_methods(serve: Any, method: str) -> None:
    """Only POST is allowed."""
    endpoint = await serve(OLD)
    assert (await endpoint.post(webhook(), method=method))[0] == 405


async def test_not_configured(serve: Any) -> None:
    """Without a token the endpoint responds 404, also to a body that is signed with an empty token."""
    endpoint = await serve()
    assert (await endpoint.post(webhook(), signed(webhook(), "")))[0] == 404


async def test_the_log_is_unavailable(serve: Any) -> None:
    """While Redis is unreachable the response is 503, so that the sender repeats the webhook."""
    with refusing_port() as port:
        client = connect(f"redis://127.0.0.1:{port}/0")
        endpoint = await serve(OLD, log=ReplicatedEventLog(RedisEventStream(client)))
        status, problem = await endpoint.post(webhook())
        await client.aclose()
    assert (status, problem["status"]) == (503, 503)
    assert endpoint.results == [WebhookResult.UNAVAILABLE]


async def test_draining(serve: Any) -> None:
    """A closed log accepts no events, so the sender repeats the webhook, to another replica or after the restart."""
    endpoint = await serve(OLD)
    await endpoint.log.aclose()
    assert (await endpoint.post(webhook()))[0] == 503


async def test_concurrent_webhooks(serve: Any) -> None:
    """Many webhooks at the same time are all acknowledged, and each event is logged once."""
    endpoint = await serve(OLD)
    async with endpoint.log.subscribe() as subscription:
        responses = await asyncio.gather(*(endpoint.post(webhook(id=f"u-{n % 50}")) for n in range(200)))
        assert [status for status, _ in responses] == [200] * 200
        ids = {(await anext(subscription)).user.source_id for _ in range(50)}
    assert len(ids) == len(endpoint.log) == 50
