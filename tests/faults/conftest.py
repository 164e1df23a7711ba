"""Worlds with trouble: gateways, a sandbox, and a proxy in front of each of its systems, all on real sockets."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession, TCPConnector
from e2e.conftest import World
from faults.toxic import Proxy, proxied
from state.conftest import redis_url

from gateway import Settings
from gateway.app.serving import serving
from gateway.sandbox import (
    ACCOUNT_ID,
    ACCOUNT_TOKEN,
    RESELLER_ID,
    RESELLER_TOKEN,
    SOFTWAREONE_TOKEN,
    Sandbox,
    SandboxOptions,
)

__all__ = ["Troubled", "eventually", "redis_url"]

_BOUND = 15.0  # seconds: nothing here takes that long
SYSTEMS = ("account", "softwareone", "reseller")


@dataclass(frozen=True, slots=True)
class Troubled(World):
    """A gateway with a proxy in front of each system."""

    sandbox: Sandbox
    proxies: dict[str, Proxy] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    async def graphql(self, query: str, variables: dict[str, Any] | None = None, **headers: str) -> Any:
        """Send one operation; the answer's JSON, which must come within the tests' own bound."""
        async with asyncio.timeout(_BOUND):
            # Not zero-argument super(): a dataclass with slots is another class than the one it is written in.
            return await World.graphql(self, query, variables, **headers)

    async def text(self, path: str) -> tuple[int, str]:
        """What the gateway answers a GET."""
        async with self.session.get(f"{self.url}{path}") as answer:
            return answer.status, await answer.text()

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        _, text = await self.text("/metrics")
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        rows = [row for row in text.splitlines() if row.startswith(f"{name}{{") and all(one in row for one in wanted)]
        return sum(float(row.rpartition(" ")[2]) for row in rows)

    async def accounts(self) -> list[dict[str, Any]]:
        """Every account user that the source has, asked without the gateway."""
        headers = {
            "Authorization": f"Bearer {ACCOUNT_TOKEN}",
            "OpenMRP-Version": "1.0.forge-preview.3",
            "OpenMRP-Account": ACCOUNT_ID,
        }
        url: str | None = "/v1/identity/account-users?limit=1000&include[]=user"
        users: list[dict[str, Any]] = []
        while url:
            async with self.session.get(f"{self.sandbox.account_url}{url}", headers=headers) as answer:
                page = await answer.json()
            users += page["data"]
            after = urlsplit(page["page_info"]["next_page_url"] or "")
            url = f"/v1/identity/account-users?{after.query}" if after.query else None
        return users


@pytest.fixture
async def troubled() -> AsyncIterator[Callable[..., Any]]:
    """Makes worlds of a test's own.

    A system's settings are given under its name, those of all three as `every`, the others by their names.
    `behind` is a world whose sandbox and proxies this one shares.
    """
    async with AsyncExitStack() as stack:

        async def make(
            *, every: dict[str, Any] | None = None, users: int = 5, behind: Troubled | None = None, **own: Any
        ) -> Troubled:
            if behind is None:
                sandbox = await stack.enter_async_context(Sandbox(SandboxOptions(rate_limits=False, users=users)))
                port = urlsplit(sandbox.account_url).port or 0
                proxies = {name: await stack.enter_async_context(proxied("127.0.0.1", port)) for name in SYSTEMS}
            else:
                sandbox, proxies = behind.sandbox, behind.proxies
            systems: dict[str, Any] = {
                "account": {"token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID, "rate_limit": 10_000},
                "softwareone": {"token": SOFTWAREONE_TOKEN},
                "reseller": {"token": RESELLER_TOKEN, "reseller_id": RESELLER_ID, "rate_limit": 10_000},
            }
            for name, proxy in proxies.items():
                base = {"base_url": f"http://127.0.0.1:{proxy.port}/{name}"}
                systems[name] = base | systems[name] | (every or {}) | own.pop(name, {})
            addresses = await stack.enter_async_context(
                serving(Settings(http_port=0, grpc_port=None, **systems, **own))
            )
            session = await stack.enter_async_context(ClientSession(connector=TCPConnector(limit=0)))
            return Troubled(session, addresses.http, sandbox.control_url, sandbox, proxies, systems)

        yield make


async def eventually(truth: Callable[[], Any], bound: float = 10.0) -> None:
    """Wait until something is true, at most `bound` seconds; it may be awaitable."""
    until = time.monotonic() + bound
    while True:
        told = truth()
        if told if not hasattr(told, "__await__") else await told:
            return
        assert time.monotonic() < until, "it never came true"
        await asyncio.sleep(0.01)
