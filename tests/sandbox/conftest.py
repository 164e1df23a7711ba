"""A running sandbox, clients for its three APIs and its control API, and a receiver of its webhooks."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from still_clock import StillClock
from yarl import URL

from gateway.sandbox import (
    ACCOUNT_ID,
    ACCOUNT_TOKEN,
    RESELLER_ID,
    RESELLER_TOKEN,
    SOFTWAREONE_TOKEN,
    WEBHOOK_TOKEN,
    SandboxOptions,
    SandboxServer,
)
from gateway.sandbox.clock import SandboxClock

USERS = "/v1/identity/account-users"


@dataclass
class ReceivedResponse:
    """A response that was received completely."""

    status: int
    headers: Mapping[str, str]
    json: Any
    text: str


class Client:
    """Sends requests to one API with its credentials; the target is sent exactly as given."""

    def __init__(self, session: aiohttp.ClientSession, base: str, headers: dict[str, str]):
        self.session = session
        self.base = base
        self.headers = headers

    async def __call__(
        self, method: str, target: str, *, json: Any = None, data: Any = None, headers: Any = None
    ) -> ReceivedResponse:
        """Send one request; headers with the value None are left out."""
        merged = {name: value for name, value in {**self.headers, **(headers or {})}.items() if value is not None}
        url = URL(self.base + target, encoded=True)
        async with self.session.request(
            method, url, json=json, data=data, headers=merged, allow_redirects=False
        ) as response:
            text = (await response.read()).decode("utf-8", "replace")
            is_json = response.content_type == "application/json" and text
            return ReceivedResponse(response.status, response.headers, await response.json() if is_json else None, text)


@dataclass
class World:
    """A sandbox, and a client for each of its APIs."""

    sandbox: SandboxServer
    account: Client
    softwareone: Client
    reseller: Client
    control: Client

    async def fault(self, **fault: Any) -> None:
        """Plan a fault."""
        assert (await self.control("POST", "/faults", json=fault)).status == 204

    async def received(self, count: int) -> None:
        """Wait until so many calls have arrived, which need not have a response yet."""
        async with asyncio.timeout(30):
            while len((await self.control("GET", "/calls")).json) < count:  # noqa: ASYNC110 - the sandbox sets no event
                await asyncio.sleep(0.01)


async def start_worlds(options: SandboxOptions, clock: SandboxClock | None = None) -> AsyncIterator[World]:
    """Start a sandbox and its clients; stop them afterwards."""
    async with SandboxServer(options, clock) as sandbox, aiohttp.ClientSession() as session:
        account = {
            "Authorization": f"Bearer {ACCOUNT_TOKEN}",
            "OpenMRP-Version": "1.0.forge-preview.3",
            "OpenMRP-Account": ACCOUNT_ID,
        }
        if options.dialect == "april":
            account |= {"OpenMRP-Version": "1.0.forge-preview.1"}
        yield World(
            sandbox,
            Client(session, sandbox.account_url, account),
            Client(
                session,
                f"{sandbox.softwareone_url}/public/v1/accounts",
                {"Authorization": f"Bearer {SOFTWAREONE_TOKEN}"},
            ),
            Client(
                session,
                f"{sandbox.reseller_url}/v3/resellers/{RESELLER_ID}",
                {"Authorization": f"Bearer {RESELLER_TOKEN}"},
            ),
            Client(session, sandbox.control_url, {}),
        )


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A sandbox without rate limits."""
    async for world in start_worlds(SandboxOptions(rate_limits=False)):
        yield world


@pytest.fixture
async def april_world() -> AsyncIterator[World]:
    """A sandbox whose account API is that of April 2026; its client sends preview.1."""
    async for world in start_worlds(SandboxOptions(rate_limits=False, dialect="april")):
        yield world


@pytest.fixture
async def strict_world() -> AsyncIterator[World]:
    """A sandbox with the documented rate limits, on a clock that stands still."""
    async for world in start_worlds(SandboxOptions(), StillClock()):
        yield world


class Receiver:
    """A server that keeps the webhooks it receives; it responds with `statuses` first, and then with 204."""

    def __init__(self) -> None:
        self.deliveries: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.may_respond = asyncio.Event()
        self.may_respond.set()
        self.url = ""
        self._condition = asyncio.Condition()

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """Receive one webhook."""
        body = await request.read()
        async with self._condition:
            self.deliveries.append((dict(request.headers), body))
            self._condition.notify_all()
        await self.may_respond.wait()
        status = self.statuses.pop(0) if self.statuses else 204
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else None)

    async def received(self, count: int) -> list[dict[str, Any]]:
        """Wait until `count` webhooks were received; return their bodies."""
        async with asyncio.timeout(30), self._condition:
            await self._condition.wait_for(lambda: len(self.deliveries) >= count)
        return [json.loads(body) for _, body in self.deliveries]

    def signatures_valid(self) -> list[bool]:
        """Return for each webhook whether it was signed with the token."""
        return [
            headers["Webhook-Signature"]
            == base64.b64encode(hmac.new(WEBHOOK_TOKEN.encode(), body, hashlib.sha256).digest()).decode()
            for headers, body in self.deliveries
        ]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A running receiver."""
    receiver = Receiver()
    runner = web.ServerRunner(web.Server(receiver), shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/webhooks/reseller"
    yield receiver
    receiver.may_respond.set()
    await runner.cleanup()


@pytest.fixture
async def webhook_world(receiver: Receiver) -> AsyncIterator[World]:
    """A sandbox that sends webhooks to the receiver, and retries almost at once."""
    options = SandboxOptions(rate_limits=False, webhook_url=receiver.url, webhook_pauses=(0.01,) * 5)
    async for world in start_worlds(options):
        yield world
