"""From a webhook to subscriptions: an independent sender, changes through the gateway, and a Redis that is killed."""

import asyncio
import base64
import hashlib
import hmac
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, web
from state.server import RedisServer

from gateway.api.web.aiohttp_server import aiohttp_application
from gateway.api.web.site import Site
from gateway.api.web.webhooks import RESELLER_PATH, ResellerWebhooks, WebhookResult
from gateway.app.sources import build
from gateway.errors import SourceUnavailable
from gateway.events.log import EventLog, EventLogSettings, Subscription
from gateway.events.memory import MemoryEventLog
from gateway.events.replicated import ReplicatedEventLog
from gateway.sandbox import RESELLER_ID, RESELLER_TOKEN, SandboxOptions, SandboxServer
from gateway.settings import ResellerSettings, Settings
from gateway.sources.http.aiohttp_transport import AiohttpTransport
from gateway.sources.http.exchange import TransportLimits
from gateway.sources.reseller.webhook import read_webhook
from gateway.state.redis.client import connect
from gateway.state.redis.event_stream import RedisEventStream
from gateway.users.model import UserChange, UserSource
from gateway.users.service import UserService
from gateway.users.source import Sources

TOKEN = "a-token"


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """A stack of what is closed after the test."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def endpoint(stack: AsyncExitStack) -> Callable[..., Any]:
    """Serve the endpoint of a log; return its URL and the queue of its results."""

    async def endpoint(log: EventLog) -> tuple[str, asyncio.Queue[WebhookResult]]:
        results: asyncio.Queue[WebhookResult] = asyncio.Queue()
        read = partial(read_webhook, tenant=RESELLER_ID)
        hooks = ResellerWebhooks(lambda: [TOKEN], read, log, tolerance=3600.0, observe=results.put_nowait)
        runner = web.AppRunner(aiohttp_application(Site([hooks.route])))
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}{RESELLER_PATH}", results

    return endpoint


async def test_a_change_and_its_webhook_are_one_event(stack: AsyncExitStack, endpoint: Any) -> None:
    """A change through the gateway and the webhook about it are one event; a later change is another one."""
    log = MemoryEventLog()
    url, results = await endpoint(log)
    sandbox = await stack.enter_async_context(SandboxServer(SandboxOptions(rate_limits=False, users=3)))
    sandbox.webhooks.send_to(url, TOKEN)
    settings = Settings(
        reseller=ResellerSettings.model_validate(
            {"base_url": sandbox.reseller_url, "token": RESELLER_TOKEN, "reseller_id": RESELLER_ID}
        )
    )
    transport = AiohttpTransport(TransportLimits())
    stack.push_async_callback(transport.aclose)
    users = UserService(Sources((build(UserSource.RESELLER, settings, transport.send),)), publish=log.publish_and_wait)
    stack.push_async_callback(users.drain)
    user_id = next(iter(sandbox.LANDMARKS["reseller"].values()))
    async with log.subscribe() as subscription:
        for name in ("First", "Second"):
            changed = await users.update_reseller_user(user_id, {"first_name": name})
            async with asyncio.timeout(30):
                event = await anext(subscription)
                assert await results.get() in {
                    WebhookResult.REPEATED,
                    WebhookResult.ACCEPTED,
                }  # the webhook may arrive before the change is published
            assert (event.change, event.user.first_name) == (UserChange.UPDATED, name)
            assert event.user.updated_at == changed.updated_at
    assert len(log) == 2


async def _subscription(stack: AsyncExitStack, log: EventLog) -> Subscription:
    """Subscribe to a log as soon as it has read from its Redis, for which a caller waits a second."""
    while True:
        with suppress(SourceUnavailable):
            return await stack.enter_async_context(log.subscribe())


async def test_acknowledged_while_redis_is_killed(stack: AsyncExitStack, endpoint: Any, tmp_path: Path) -> None:
    """Every acknowledged webhook reaches every replica once, although Redis is killed meanwhile."""
    server = RedisServer(tmp_path)
    server.start()
    stack.callback(server.stop, signal.SIGKILL)
    logs = []
    for _ in range(2):
        client = connect(server.url)
        stack.push_async_callback(client.aclose)
        log = ReplicatedEventLog(RedisEventStream(client), EventLogSettings(queue_size=10_000))
        stack.push_async_callback(log.aclose)
        log.start()
        logs.append(log)
    urls = [(await endpoint(log))[0] for log in logs]
    session = await stack.enter_async_context(ClientSession())
    refused = asyncio.Event()

    async def send(number: int) -> None:
        """Send a webhook until it is acknowledged, to the replicas alternately, as a load balancer does."""
        webhook = {"event": "reseller.user.updated", "data": {"id": f"u-{number}", "updatedAt": "2026-11-22T12:00:00Z"}}
        body = orjson.dumps(webhook)
        signature = base64.b64encode(hmac.digest(TOKEN.encode(), body, hashlib.sha256)).decode()
        for attempt in range(1000):
            url = urls[(number + attempt) % 2]
            async with session.post(url, data=body, headers={"Webhook-Signature": signature}) as response:
                if response.status == 200:
                    return
                assert response.status == 503
                refused.set()
            await asyncio.sleep(0.02)
        pytest.fail("it was never acknowledged")

    async def send_all() -> None:
        while not killed.is_set():
            await send(next(numbers))

    numbers, killed = count(), asyncio.Event()
    async with asyncio.timeout(60):
        first, second = [await _subscription(stack, log) for log in logs]
        sending = asyncio.gather(*(send_all() for _ in range(4)))
        for _ in range(2):
            await asyncio.sleep(0.05)
            await asyncio.to_thread(server.stop, signal.SIGKILL)
            refused.clear()
            await refused.wait()
            await asyncio.to_thread(server.start)
        killed.set()
        await sending
        sent = next(numbers)
        received = [
            [(await anext(subscription)).user.source_id for _ in range(sent)] for subscription in (first, second)
        ]
    assert received[0] == received[1]
    assert sorted(received[0]) == sorted(f"u-{number}" for number in range(sent))
