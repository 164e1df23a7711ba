"""The webhook endpoint on a real socket: whom it believes, what it answers, and what follows from it."""

import asyncio
import hashlib
import hmac
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, web

from gateway.api.web.aiohttp_server import aiohttp_application
from gateway.api.web.site import Site
from gateway.api.web.webhooks import RESELLER_PATH, ResellerWebhooks, WebhookResult
from gateway.events.log import EventLog
from gateway.events.memory import MemoryEventLog
from gateway.events.replicated import ReplicatedEventLog
from gateway.sources.reseller.webhook import read_webhook
from gateway.state.redis.client import connect
from gateway.state.redis.event_stream import RedisEventStream
from gateway.users.model import Timestamp, UserChange, UserSource

OLD, NEW = "first-token", "second-token ü"
AT = "2018-04-20T13:11:34.6926949Z"
USER = {"id": "u-1", "firstName": "Ada", "email": "ada@example.com", "role": "user", "updatedAt": AT}


def signed(body: bytes, token: str = OLD) -> dict[str, str]:
    """The header of a body."""
    return {"Webhook-Signature": b64encode(hmac.new(token.encode(), body, hashlib.sha256).digest()).decode()}


def told(event: str = "reseller.user.updated", **user: Any) -> bytes:
    """A webhook's body."""
    return orjson.dumps({"event": event, "data": USER | user, "triggeredAt": AT})


Post = Callable[..., Awaitable[tuple[int, Any]]]


class Endpoint:
    """A served endpoint: its log, the results that it told, and how to send to it."""

    def __init__(self, url: str, session: ClientSession, log: EventLog, results: list[WebhookResult]) -> None:
        self.log = log
        self.results = results
        self._url = url
        self._session = session

    async def post(self, body: bytes, headers: dict[str, str] | None = None, method: str = "POST") -> tuple[int, Any]:
        """Send it, signed by the old token unless there are other headers; the status and the JSON answered."""
        headers = signed(body) if headers is None else headers
        async with self._session.request(method, self._url, data=body, headers=headers) as answer:
            text = await answer.read()
            if answer.status >= 400 and text:
                assert answer.headers["Content-Type"] == "application/problem+json"
            return answer.status, orjson.loads(text) if text else None


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[Endpoint]]]:
    """Serves endpoints."""
    async with AsyncExitStack() as stack:

        async def serve(*tokens: str, log: EventLog | None = None, **limits: Any) -> Endpoint:
            results: list[WebhookResult] = []
            log = MemoryEventLog() if log is None else log
            read = partial(read_webhook, tenant="t1")
            endpoint = ResellerWebhooks(tokens, read, log, observe=results.append, **limits)
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
    """A signed event reaches who follows: what happened, and the user as it was sent, of the configured reseller."""
    endpoint = await serve(OLD)
    async with endpoint.log.subscribe() as subscription:
        assert await endpoint.post(told(f"reseller.user.{change}")) == (200, {"result": "accepted"})
        event = await anext(subscription)
    user = event.user
    assert (event.change, user.source, user.tenant, user.source_id) == (change, UserSource.RESELLER, "t1", "u-1")
    assert (user.first_name, user.email, user.updated_at) == ("Ada", "ada@example.com", Timestamp(AT))
    assert endpoint.results == [WebhookResult.ACCEPTED]


async def test_a_signature_made_elsewhere(serve: Any) -> None:
    """The signature is what `openssl dgst -sha256 -hmac first-token -binary | base64` makes of the raw body."""
    body = (
        b'{"event":"reseller.user.updated","data":{"id":"u-1","firstName":"Ada"},'
        b'"triggeredAt":"2018-04-20T13:11:34.6926949Z"}'
    )
    endpoint = await serve(OLD)
    headers = {"webhook-signature": "ohJXY3gZfEwiZ0pCWMTSa1mqIPPF72pGeCyIL44DQcI="}
    assert await endpoint.post(body, headers) == (200, {"result": "accepted"})


async def test_rotation(serve: Any) -> None:
    """While tokens change, both are good; one that was taken away is not."""
    endpoint = await serve(OLD, NEW)
    first, second = told(id="u-1"), told(id="u-2")
    assert (await endpoint.post(first, signed(first, OLD)))[0] == 200
    assert (await endpoint.post(second, signed(second, NEW)))[0] == 200
    later = await serve(NEW)
    assert (await later.post(first, signed(first, OLD)))[0] == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Webhook-Signature": ""},
        signed(told(), "another"),
        signed(told() + b" "),
        {"Webhook-Signature": signed(told())["Webhook-Signature"].lower()},
        {"Webhook-Signature": hmac.new(OLD.encode(), told(), hashlib.sha256).hexdigest()},
        {"Webhook-Signature": f"{signed(told())['Webhook-Signature']}, x"},
        {"Webhook-Signature": "ü" * 44},
    ],
)
async def test_a_bad_signature(serve: Any, headers: dict[str, str]) -> None:
    """Without the body's own signature nothing is believed, whatever the body says, and the log stays empty."""
    endpoint = await serve(OLD, NEW)
    status, problem = await endpoint.post(told(), headers)
    assert (status, problem["status"], problem["title"]) == (401, 401, "Unauthorized")
    assert endpoint.results == [WebhookResult.UNSIGNED]
    assert len(endpoint.log) == 0


async def test_repeated(serve: Any) -> None:
    """The same event is answered as taken, and told once: sent again as it was, or with another time of sending."""
    endpoint = await serve(OLD)
    again = orjson.dumps({"event": "reseller.user.updated", "data": USER, "triggeredAt": "2018-04-20T13:16:34Z"})
    answers = [await endpoint.post(body) for body in (told(), told(), again)]
    assert answers == [(200, {"result": result}) for result in ("accepted", "repeated", "repeated")]
    assert len(endpoint.log) == 1


async def test_repeated_without_a_time(serve: Any) -> None:
    """An event whose user has no time of change is known by its body."""
    endpoint = await serve(OLD)
    undated, other = told(updatedAt=None), told(updatedAt=None, email="x@example.com")
    assert [(await endpoint.post(body))[1]["result"] for body in (undated, other, undated)] == [
        "accepted",
        "accepted",
        "repeated",
    ]


async def test_what_is_no_repetition(serve: Any) -> None:
    """Another event, another user, another time, another content: each is told."""
    endpoint = await serve(OLD)
    bodies = [
        told(),
        told("reseller.user.created"),
        told(id="u-2"),
        told(updatedAt="2018-04-20T13:11:34.6926950Z"),
        told(email="x@example.com"),
    ]
    assert [(await endpoint.post(body))[1]["result"] for body in bodies] == ["accepted"] * 5
    assert len(endpoint.log) == 5


@pytest.mark.parametrize("event", ["reseller.organization.created", "reseller.user.exploded", ""])
async def test_another_kind_of_event(serve: Any, event: str) -> None:
    """An event that tells of no user is acknowledged and counted, so that its sender goes on sending."""
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
        b'{"event":"reseller.user.updated","data":' + b"[" * 50_000,
    ],
)
async def test_malformed(serve: Any, body: bytes) -> None:
    """What is signed and yet no event as documented is the sender's mistake."""
    endpoint = await serve(OLD)
    status, problem = await endpoint.post(body)
    assert (status, problem["title"], endpoint.results) == (400, "Bad Request", [WebhookResult.MALFORMED])


async def test_a_large_body(serve: Any) -> None:
    """A body over the cap is refused however it is signed; one of just that size is not."""
    endpoint = await serve(OLD, most=len(told()))
    assert (await endpoint.post(told()))[0] == 200
    assert (await endpoint.post(told() + b" "))[0] == 413
    assert endpoint.results == [WebhookResult.ACCEPTED, WebhookResult.TOO_LARGE]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_other_methods(serve: Any, method: str) -> None:
    """Only POST is taken."""
    endpoint = await serve(OLD)
    assert (await endpoint.post(told(), method=method))[0] == 405


async def test_not_configured(serve: Any) -> None:
    """Without a token there is no such endpoint, also for who signs with an empty one."""
    endpoint = await serve()
    assert (await endpoint.post(told(), signed(told(), "")))[0] == 404


async def test_the_log_is_away(serve: Any) -> None:
    """Where Redis is away, and the event cannot be kept, the sender is told to come back: nothing was acknowledged."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        client = connect(f"redis://127.0.0.1:{closed.getsockname()[1]}/0")
        endpoint = await serve(OLD, log=ReplicatedEventLog(RedisEventStream(client)))
        status, problem = await endpoint.post(told())
        await client.aclose()
    assert (status, problem["status"]) == (503, 503)
    assert endpoint.results == [WebhookResult.UNAVAILABLE]


async def test_draining(serve: Any) -> None:
    """A closed log takes no more: the next try reaches another replica, or this one after its restart."""
    endpoint = await serve(OLD)
    await endpoint.log.close()
    assert (await endpoint.post(told()))[0] == 503


async def test_at_once(serve: Any) -> None:
    """Many at a time are all answered, each told once."""
    endpoint = await serve(OLD)
    async with endpoint.log.subscribe() as subscription:
        answers = await asyncio.gather(*(endpoint.post(told(id=f"u-{n % 50}")) for n in range(200)))
        assert [status for status, _ in answers] == [200] * 200
        ids = {(await anext(subscription)).user.source_id for _ in range(50)}
    assert len(ids) == len(endpoint.log) == 50
