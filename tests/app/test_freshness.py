"""How old users can be after a change elsewhere: the bounds of docs/freshness.md, with a real sandbox and its clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession
from still_clock import StillClock

from gateway import Gateway
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN
from gateway.testing import Sandbox

ADA = "acus_adalovelace1"
INTERVAL = 15


class Kept:
    """A gateway that keeps users, and the account API behind it."""

    def __init__(self, sandbox: Sandbox, gateway: Gateway, session: ClientSession) -> None:
        self.sandbox = sandbox
        self._gateway = gateway
        self._session = session

    async def name(self) -> str:
        """Read the name of Ada."""
        result = await self._gateway.execute(f'{{ user(id: "{ADA}", source: ACCOUNT) {{ name }} }}')
        assert not result.errors
        return result.data["user"]["name"]

    async def change_elsewhere(self, name: str) -> None:
        """Change the name in the account API itself."""
        url = f"{self._gateway.settings.account.base_url}/v1/identity/account-users/{ADA}"
        headers = {"Authorization": f"Bearer {ACCOUNT_TOKEN}", "OpenMRP-Account": ACCOUNT_ID}
        headers["OpenMRP-Version"] = self._gateway.settings.account.api_version
        async with self._session.patch(url, json={"name": name}, headers=headers) as response:
            assert response.status == 200, await response.text()

    def reads(self) -> int:
        """Return how many reads of Ada the account API has received."""
        return sum(call.method == "GET" and call.path.endswith(ADA) for call in self.sandbox.calls)

    def metric(self, name: str, **labels: str) -> float:
        """Return the value of a metric of the account source."""
        return self._gateway.metrics.registry.get_sample_value(name, {"source": "account"} | labels) or 0.0

    async def polls(self, seconds: float, *results: str) -> None:
        """Let time pass, and wait until a poll has ended with one of these results."""
        before = sum(self.metric("gateway_polls_total", result=result) for result in results)
        self.sandbox.advance(seconds)
        async with asyncio.timeout(30):
            while sum(self.metric("gateway_polls_total", result=result) for result in results) <= before:  # noqa: ASYNC110 - another task counts
                await asyncio.sleep(0.01)


@asynccontextmanager
async def keeping(**account: Any) -> AsyncIterator[Kept]:
    """Run a gateway that keeps users, with these settings of the account source, and has read Ada."""
    async with Sandbox(clock=StillClock()) as sandbox, ClientSession() as session:
        settings = sandbox.settings(keep_mode="on", account=account)
        async with Gateway(settings, clock=sandbox.clock) as gateway:
            kept = Kept(sandbox, gateway, session)
            if "poll_interval" in account:
                async with asyncio.timeout(30):
                    while not kept.metric("gateway_changes_reported"):  # noqa: ASYNC110 - another task counts
                        await asyncio.sleep(0.01)
            assert await kept.name() == "Ada Lovelace"
            yield kept


async def test_a_source_that_is_polled() -> None:
    """Users are kept for long, and a change elsewhere is seen once the interval has passed."""
    async with keeping(poll_interval=INTERVAL) as kept:
        for _ in range(4):
            await kept.polls(INTERVAL, "nothing")
            assert await kept.name() == "Ada Lovelace"
        assert kept.reads() == 1
        await kept.change_elsewhere("Ada Elsewhere")
        assert await kept.name() == "Ada Lovelace"  # within the bound
        await kept.polls(INTERVAL, "news")
        assert await kept.name() == "Ada Elsewhere"


async def test_a_source_whose_polls_begin_to_fail() -> None:
    """A change elsewhere is seen two intervals after the last successful poll; the next one makes lifetimes long."""
    async with keeping(poll_interval=INTERVAL) as kept:
        await kept.polls(INTERVAL, "nothing")
        kept.sandbox.fail("account", "status", status=403, path="audit-events", times=100)
        await kept.change_elsewhere("Ada Elsewhere")
        await kept.polls(INTERVAL, "failed")
        assert await kept.name() == "Ada Lovelace"
        kept.sandbox.advance(INTERVAL)
        assert await kept.name() == "Ada Elsewhere"
        assert kept.metric("gateway_changes_reported") == 0
        before = kept.reads()
        kept.sandbox.advance(5)
        await kept.name()
        assert kept.reads() == before + 1
        kept.sandbox.stop_failing()
        await kept.polls(300, "nothing", "news")
        await kept.name()
        kept.sandbox.advance(INTERVAL - 1)
        before = kept.reads()
        await kept.name()
        assert kept.reads() == before


@pytest.mark.parametrize(
    "account", [{}, {"poll_interval": INTERVAL, "keep": 5}, {"poll_interval": INTERVAL, "keep": 2}]
)
async def test_a_short_lifetime(account: dict[str, Any]) -> None:
    """Where changes are not reported, or the lifetime is set to less, they are seen once that has ended."""
    async with keeping(**account) as kept:
        await kept.change_elsewhere("Ada Elsewhere")
        assert await kept.name() == "Ada Lovelace"
        kept.sandbox.advance(account.get("keep", 5))
        assert await kept.name() == "Ada Elsewhere"


async def test_users_that_are_not_kept() -> None:
    """With 0 each read is a call."""
    async with keeping(poll_interval=INTERVAL, keep=0) as kept:
        await kept.change_elsewhere("Ada Elsewhere")
        assert await kept.name() == "Ada Elsewhere"
        assert kept.reads() == 2
