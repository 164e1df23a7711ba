"""Fixtures: gateways, a sandbox, and a proxy with faults in front of each of its sources, all on real sockets."""

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
from state.conftest import redis_pair, redis_url
from steady_loop import SteadyLoop

from gateway import Settings
from gateway.app.serving import serving
from gateway.sandbox import (
    ACCOUNT_ID,
    ACCOUNT_TOKEN,
    RESELLER_ID,
    RESELLER_TOKEN,
    SOFTWAREONE_TOKEN,
    SandboxOptions,
    SandboxServer,
)

__all__ = ["FaultyWorld", "eventually", "redis_pair", "redis_url"]

_TIMEOUT = 60.0  # seconds: nothing here takes that long
SOURCES = ("account", "softwareone", "reseller")


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run all tests with faults in an event loop for which no time passes while a busy machine stops this process."""
    return {"steady": SteadyLoop}


@dataclass(frozen=True, slots=True)
class FaultyWorld(World):
    """A gateway with a proxy in front of each source."""

    sandbox: SandboxServer
    proxies: dict[str, Proxy] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    async def graphql(self, query: str, variables: dict[str, Any] | None = None, **headers: str) -> Any:
        """Send one operation and return the JSON of the response, within the timeout of the tests."""
        async with asyncio.timeout(_TIMEOUT):
            # Not super() without arguments: a dataclass with slots is another class than that of its source text.
            return await World.graphql(self, query, variables, **headers)

    async def text(self, path: str) -> tuple[int, str]:
        """Return the status and the body of the response to a GET."""
        async with self.session.get(f"{self.url}{path}") as response:
            return response.status, await response.text()

    async def metric(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of a metric that have these labels."""
        _, text = await self.text("/metrics")
        selectors = [f'{label}="{value}"' for label, value in labels.items()]
        lines = [line for line in text.splitlines() if line.startswith(f"{name}{{")]
        samples = [line for line in lines if all(selector in line for selector in selectors)]
        return sum(float(sample.rpartition(" ")[2]) for sample in samples)

    async def accounts(self) -> list[dict[str, Any]]:
        """Return every account user in the source, read without the gateway."""
        headers = {
            "Authorization": f"Bearer {ACCOUNT_TOKEN}",
            "OpenMRP-Version": "1.0.forge-preview.3",
            "OpenMRP-Account": ACCOUNT_ID,
        }
        url: str | None = "/v1/identity/account-users?limit=1000&include[]=user"
        users: list[dict[str, Any]] = []
        while url:
            async with self.session.get(f"{self.sandbox.account_url}{url}", headers=headers) as response:
                page = await response.json()
            users += page["data"]
            after = urlsplit(page["page_info"]["next_page_url"] or "")
            url = f"/v1/identity/account-users?{after.query}" if after.query else None
        return users


@pytest.fixture
async def faulty_world() -> AsyncIterator[Callable[..., Any]]:
    """A function that starts a gateway with a sandbox and proxies.

    The settings of a source are given under its name, those of all three as `every`, others by their names.
    `behind` is another world, whose sandbox and proxies are used.
    """
    async with AsyncExitStack() as stack:

        async def make(
            *, every: dict[str, Any] | None = None, users: int = 5, behind: FaultyWorld | None = None, **settings: Any
        ) -> FaultyWorld:
            if behind is None:
                sandbox = await stack.enter_async_context(SandboxServer(SandboxOptions(rate_limits=False, users=users)))
                port = urlsplit(sandbox.account_url).port or 0
                proxies = {name: await stack.enter_async_context(proxied("127.0.0.1", port)) for name in SOURCES}
            else:
                sandbox, proxies = behind.sandbox, behind.proxies
            sources: dict[str, Any] = {
                "account": {"token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID, "rate_limit": 10_000},
                "softwareone": {"token": SOFTWAREONE_TOKEN},
                "reseller": {"token": RESELLER_TOKEN, "reseller_id": RESELLER_ID, "rate_limit": 10_000},
            }
            for name, proxy in proxies.items():
                base = {"base_url": f"http://127.0.0.1:{proxy.port}/{name}"}
                sources[name] = base | sources[name] | (every or {}) | settings.pop(name, {})
            addresses = await stack.enter_async_context(
                serving(Settings(http_port=0, grpc_port=None, **sources, **settings))
            )
            session = await stack.enter_async_context(ClientSession(connector=TCPConnector(limit=0)))
            return FaultyWorld(session, addresses.http, sandbox.control_url, sandbox, proxies, sources)

        yield make


async def eventually(condition: Callable[[], Any], max_wait: float = 30.0) -> None:
    """Wait at most `max_wait` seconds until the condition, which may be a coroutine function, is true."""
    deadline = time.monotonic() + max_wait
    while True:
        result = condition()
        if result if not hasattr(result, "__await__") else await result:
            return
        assert time.monotonic() < deadline, "the condition did not become true in time"
        await asyncio.sleep(0.01)
