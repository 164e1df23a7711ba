"""GraphQL operations that the embedding program executes on behalf of its callers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from still_clock import StillClock

from gateway import Gateway, Settings
from gateway.auth import Principal
from gateway.errors import Code
from gateway.models import User, UserChange, UserSource
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, RESELLER_ID, RESELLER_TOKEN, SandboxOptions, SandboxServer

ADA = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name } }'
CHANGED = "subscription { userChanged { user { name } } }"
READER = Principal("reader", frozenset({"users:read:account"}))


@pytest.fixture
def clock() -> StillClock:
    """The clock of the gateway."""
    return StillClock()


@pytest.fixture
async def gateway(clock: StillClock) -> AsyncIterator[Gateway]:
    """A gateway over two sources, with an allowance of two small queries for each caller."""
    async with SandboxServer(SandboxOptions(users=8, rate_limits=False)) as sandbox:
        unpaced = {"rate_limit": 100_000}  # the clock stands still for the pace of calls, too
        account = {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID}
        settings: dict[str, Any] = {
            "account": account | unpaced,
            "reseller": {"base_url": sandbox.reseller_url, "token": RESELLER_TOKEN, "reseller_id": RESELLER_ID},
        }
        async with Gateway(Settings(rate_limit={"cost": 400, "window": 60}, **settings), clock=clock) as gateway:
            yield gateway


def code_of(result: Any) -> Code:
    """Return the code of the only error of a result."""
    [error] = result.errors
    return Code(error.extensions["code"])


async def publish(
    gateway: Gateway, name: str, source: UserSource = UserSource.ACCOUNT, *, subscribers: int = 1
) -> None:
    """Publish an event as soon as there are so many subscribers."""
    async with asyncio.timeout(30):
        while gateway._entered.events.subscribers < subscribers:  # noqa: ASYNC110 - the log sets no event
            await asyncio.sleep(0.01)
    gateway._entered.events.publish(UserChange.UPDATED, User(source, "u", name=name))  # type: ignore[attr-defined]  # in memory


async def test_scopes(gateway: Gateway) -> None:
    """A principal may do what its scopes permit; without any it is refused; without a principal all is permitted."""
    assert (await gateway.execute(ADA, principal=READER)).data == {"user": {"name": "Ada Lovelace"}}
    assert (await gateway.execute(ADA)).data == {"user": {"name": "Ada Lovelace"}}
    for principal, query in (
        (Principal("nobody"), ADA),
        (READER, "{ users(filter: {sources: [RESELLER]}) { nodes { name } } }"),
        (READER, 'mutation { updateAccountUser(id: "acus_adalovelace1", input: {name: "New"}) { name } }'),
    ):
        assert code_of(await gateway.execute(query, principal=principal)) is Code.FORBIDDEN


async def test_expired(gateway: Gateway, clock: StillClock) -> None:
    """A principal that has expired is refused before anything is executed."""
    expired = Principal("reader", READER.scopes, expires=clock.time() - 1)
    result = await gateway.execute(ADA, principal=expired)
    assert (code_of(result), result.executed) == (Code.UNAUTHENTICATED, False)
    [last] = [result async for result in gateway.subscribe(CHANGED, principal=expired)]
    assert (code_of(last), last.executed) == (Code.UNAUTHENTICATED, False)


async def test_allowances(gateway: Gateway) -> None:
    """What is executed for a principal is charged to it, and to no other."""
    async with asyncio.timeout(30):
        while (result := await gateway.execute(ADA, principal=READER)).errors is None:
            pass
    assert code_of(result) is Code.RATE_LIMITED
    [last] = [result async for result in gateway.subscribe(CHANGED, principal=READER)]
    assert code_of(last) is Code.RATE_LIMITED
    assert (await gateway.execute(ADA, principal=Principal("other", READER.scopes))).errors is None


async def test_events(gateway: Gateway) -> None:
    """A subscription yields a result for each event of the sources that its principal may read."""
    async with aclosing(gateway.subscribe(CHANGED, principal=READER)) as results:
        first = asyncio.ensure_future(anext(results))
        await publish(gateway, "hidden", UserSource.RESELLER)
        await publish(gateway, "shown")
        result = await first
    assert (result.data, result.errors) == ({"userChanged": {"user": {"name": "shown"}}}, None)
    async with asyncio.timeout(30):
        while gateway._entered.events.subscribers:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)


async def test_variables_and_errors(gateway: Gateway) -> None:
    """Queries can be executed as well; errors have their path, position and code, as over HTTP."""
    query = "query ($id: ID!) { user(id: $id) { name } }"
    [result] = [result async for result in gateway.subscribe(query, {"id": "raw"}, principal=READER)]
    executed = await gateway.execute(query, {"id": "raw"}, principal=READER)
    shown, expected = result.payload(), executed.payload()
    for payload in (shown, expected):
        del payload["errors"][0]["extensions"]["requestId"]
    assert shown == expected
    [invalid] = [result async for result in gateway.subscribe("{ nothing }")]
    assert (code_of(invalid), invalid.executed) == (Code.GRAPHQL_VALIDATION_FAILED, False)


@pytest.mark.parametrize("expires", [None, 60])
async def test_the_end_of_a_principal(gateway: Gateway, clock: StillClock, expires: float | None) -> None:
    """A subscription ends when its principal expires or is revoked; other principals are not affected."""
    at = None if expires is None else clock.time() + expires
    ada, grace = (Principal(name, READER.scopes, expires=at) for name in ("ada", "grace"))
    async with aclosing(gateway.subscribe(CHANGED, principal=ada)) as results:
        first = asyncio.ensure_future(anext(results))
        other = asyncio.ensure_future(anext(gateway.subscribe(CHANGED, principal=grace)))
        await publish(gateway, "before", subscribers=2)
        assert (await first).executed
        async with asyncio.timeout(30):
            await other
            last = asyncio.ensure_future(anext(results))
            await asyncio.sleep(0)
            if expires is None:
                gateway.revoke("grace")
                gateway.revoke("ada")
            else:
                clock.advance(expires)
            result = await last
        assert (code_of(result), result.executed) == (Code.UNAUTHENTICATED, False)
        assert await anext(results, None) is None


async def test_the_end_of_the_gateway(gateway: Gateway) -> None:
    """A subscription ends when the gateway is closed."""
    received = asyncio.Event()

    async def count() -> int:
        number = 0
        async for _ in gateway.subscribe(CHANGED):
            number += 1
            received.set()
        return number

    counting = asyncio.create_task(count())
    await publish(gateway, "before")
    async with asyncio.timeout(30):
        await received.wait()
    await gateway.__aexit__(None, None, None)
    assert await counting == 1
