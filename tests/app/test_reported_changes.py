"""Two gateways with one Redis that keep users while changes are made in the sources themselves, with real polls."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from typing import Any

import pytest
from aiohttp import ClientSession
from state.conftest import redis_url
from still_clock import StillClock

from gateway import Gateway
from gateway.errors import Outcome
from gateway.models import UserSource
from gateway.state.redis.client import connect
from gateway.testing import ResellerUser, Sandbox

__all__ = ["redis_url"]

ADA = "acus_adalovelace1"
INTERVAL = 30.0


class World:
    """The two gateways, and the sandbox, whose clock is theirs.

    `marked` is the id of a user whose changes mark the end of others: events have the same order everywhere.
    """

    def __init__(self, sandbox: Sandbox, gateways: list[Gateway], session: ClientSession, marked: str) -> None:
        self.sandbox = sandbox
        self.gateways = gateways
        self.session = session
        self._marked = marked
        self._marks = 0

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
        """Let the gateways poll all sources, and wait until both know what was found."""
        before = [rounds(gateway) for gateway in self.gateways]
        self.sandbox.clock.advance(INTERVAL)
        for gateway, counts in zip(self.gateways, before, strict=True):
            await polled(gateway, counts)
        await self.settle()

    async def settle(self) -> None:
        """Wait until both gateways know of all changes that were reported until now."""
        self._marks += 1
        name = f"Mark {self._marks}"

        async def is_seen(gateway: Gateway) -> None:
            async with aclosing(gateway.users.subscribe(ids=[self._marked])) as events:
                async for event in events:
                    if event.user.first_name == name:
                        return

        async with asyncio.timeout(30):
            seeing = [asyncio.create_task(is_seen(gateway)) for gateway in self.gateways]
            while not all(gateway._entered.events.subscribers for gateway in self.gateways):  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.01)
            await self.gateways[0].users.update_reseller_user(self._marked, {"first_name": name})
            await asyncio.gather(*seeing)
            while any(gateway._entered.events.subscribers for gateway in self.gateways):  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.01)


def rounds(gateway: Gateway) -> list[float]:
    """Return how often a gateway has polled each source, or found that another one does."""
    counts = dict.fromkeys(map(str, UserSource), 0.0)
    for family in gateway.metrics.registry.collect():
        for sample in family.samples:
            if sample.name == "gateway_polls_total":
                counts[sample.labels["source"]] += sample.value
    return list(counts.values())


async def polled(gateway: Gateway, before: list[float]) -> None:
    """Wait until a gateway has polled each source more often than before."""
    async with asyncio.timeout(30):
        while any(now <= then for now, then in zip(rounds(gateway), before, strict=True)):  # noqa: ASYNC110 - another task counts
            await asyncio.sleep(0.01)


@pytest.fixture
async def world(redis_url: str) -> AsyncIterator[World]:
    client = connect(redis_url)
    await client.flushdb()
    await client.aclose()
    async with AsyncExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(users=12, clock=StillClock()))
        # A pause before another attempt would be one on the clock, which stands still.
        each = {name: {"poll_interval": INTERVAL, "max_attempts": 1} for name in map(str, UserSource)}
        gateways = []
        for _ in range(2):
            settings = sandbox.settings(keep_mode="on", redis_url=redis_url, **each)
            gateways.append(await stack.enter_async_context(Gateway(settings, clock=sandbox.clock)))
            await polled(gateways[-1], [0.0] * len(each))
        session = await stack.enter_async_context(ClientSession())
        marked = sandbox.seed(ResellerUser(first_name="Mark"))
        yield World(sandbox, gateways, session, marked)


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
    await world.settle()
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
    await world.settle()
    answers, _ = await world.read(query)
    assert [answer["user"]["name"] for answer in answers] == ["Ada King"] * 2
