"""Two gateways with one Redis that keep users while changes are made in the sources themselves, with real polls."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import ClientSession
from state.conftest import redis_url
from still_clock import StillClock

from gateway import Gateway
from gateway.errors import Outcome
from gateway.state.redis.client import connect
from gateway.testing import Sandbox

__all__ = ["redis_url"]

ADA = "acus_adalovelace1"
INTERVAL = 30.0


class World:
    """The two gateways, and the sandbox, whose clock is theirs."""

    def __init__(self, sandbox: Sandbox, gateways: list[Gateway], session: ClientSession) -> None:
        self.sandbox = sandbox
        self.gateways = gateways
        self.session = session

    async def read(self, query: str) -> tuple[list[Any], int]:
        """Return what each gateway answers to a query, and the number of calls of both for it."""
        before = len(self.sandbox.calls)
        answers = []
        for gateway in self.gateways:
            result = await gateway.execute(query)
            assert not result.errors
            answers.append(result.data)
        return answers, len(self.sandbox.calls) - before

    async def request(self, source: str, method: str, path: str, **options: Any) -> Any:
        """Change something in a source itself."""
        given = getattr(self.sandbox.settings(), source)
        headers = {"Authorization": f"Bearer {given.token.get_secret_value()}"}
        if source == "account":
            headers |= {"OpenMRP-Account": given.account_id, "OpenMRP-Version": given.api_version}
        url = f"{given.base_url}{path}"
        async with self.session.request(method, url, headers=headers, **options) as response:
            assert response.ok, await response.text()

    async def poll(self) -> None:
        """Let the gateways poll, and wait until nothing more happens."""
        self.sandbox.clock.advance(INTERVAL)
        await settle(self.sandbox)


async def settle(sandbox: Sandbox) -> None:
    """Wait until the polls that have begun are over: no call for some time."""
    calls = -1
    while calls != len(sandbox.calls):
        calls = len(sandbox.calls)
        await asyncio.sleep(0.3)


@pytest.fixture
async def world(redis_url: str) -> AsyncIterator[World]:
    client = connect(redis_url)
    await client.flushdb()
    await client.aclose()
    async with AsyncExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(users=12, clock=StillClock()))
        polled = {name: {"poll_interval": INTERVAL} for name in ("account", "softwareone", "reseller")}
        gateways = []
        for _ in range(2):
            settings = sandbox.settings(keep_mode="on", redis_url=redis_url, **polled)
            gateways.append(await stack.enter_async_context(Gateway(settings, clock=sandbox.clock)))
            await settle(sandbox)
        yield World(sandbox, gateways, await stack.enter_async_context(ClientSession()))


async def test_changes_in_the_sources(world: World) -> None:
    """Both gateways keep users for long, one of which never polls, and both learn of changes in each source."""
    people = "{ users(first: 30) { nodes { sourceId source name } } }"
    nodes = (await world.read(people))[0][0]["users"]["nodes"]
    ids = {node["source"]: node["sourceId"] for node in nodes}
    role = f'{{ user(id: "{ADA}", source: ACCOUNT) {{ name role {{ name }} }} }}'
    market = f'{{ user(id: "{ids["SOFTWAREONE"]}", source: SOFTWAREONE) {{ name }} }}'
    reseller = f'{{ user(id: "{ids["RESELLER"]}", source: RESELLER) {{ firstName }} }}'
    for query in (role, market, reseller):
        await world.read(query)
    world.sandbox.clock.advance(INTERVAL / 2 - 1)  # long after what is kept without polls
    for query in (role, market, reseller):
        assert (await world.read(query))[1] == 0
    path = f"/v1/identity/account-users/{ADA}"
    await world.request("account", "PATCH", path, json={"name": "Ada Elsewhere"})
    await world.request("softwareone", "POST", f"/public/v1/accounts/users/{ids['SOFTWAREONE']}/block")
    reseller_id = world.sandbox.settings().reseller.reseller_id
    path = f"/v3/resellers/{reseller_id}/users/{ids['RESELLER']}"
    await world.request("reseller", "PATCH", path, json={"firstName": "Elsewhere"})
    await world.poll()
    answers, calls = await world.read(role)
    assert [answer["user"]["name"] for answer in answers] == ["Ada Elsewhere"] * 2
    assert calls >= 2
    answers, _ = await world.read(reseller)
    assert [answer["user"]["firstName"] for answer in answers] == ["Elsewhere"] * 2
    assert (await world.read(market))[1] == 2
    await world.request("reseller", "DELETE", path)
    await world.poll()
    assert (await world.read(reseller))[0] == [{"user": None}] * 2


async def test_an_echo_costs_no_read(world: World) -> None:
    """A change by one gateway is seen by both; that it is found by a poll later costs none of them a read."""
    query = f'{{ user(id: "{ADA}", source: ACCOUNT) {{ name }} }}'
    await world.read(query)
    change = f'mutation {{ updateAccountUser(id: "{ADA}", input: {{name: "Ada King"}}) {{ name }} }}'
    assert not (await world.gateways[0].execute(change)).errors
    answers, calls = await world.read(query)
    assert [answer["user"]["name"] for answer in answers] == ["Ada King"] * 2
    assert calls == 1  # by the other one
    await world.poll()
    _, calls = await world.read(query)
    assert calls <= 1  # by the other one, which has not read all that the poll has read


async def test_an_unknown_outcome(world: World) -> None:
    """A user whose change by one gateway has an unknown outcome is read again by both."""
    query = f'{{ user(id: "{ADA}", source: ACCOUNT) {{ name }} }}'
    await world.read(query)
    world.sandbox.fail("account", kind="hangup-after", method="PATCH", times=10)
    change = f'mutation {{ updateAccountUser(id: "{ADA}", input: {{name: "Ada King"}}) {{ name }} }}'
    (error,) = (await world.gateways[0].execute(change)).errors or ()
    assert error.extensions["outcome"] == Outcome.UNKNOWN
    answers, _ = await world.read(query)
    assert [answer["user"]["name"] for answer in answers] == ["Ada King"] * 2
