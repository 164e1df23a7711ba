"""What callers request of kept users by `Cache-Control`, and what that does to other callers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import ClientSession
from still_clock import StillClock

from gateway import Gateway
from gateway.testing import Sandbox

ADA = "acus_adalovelace1"
READ_ADA = f'{{ user(id: "{ADA}", source: ACCOUNT) {{ name }} }}'


class Web:
    """A gateway over HTTP whose sandbox keeps its rate limits."""

    def __init__(self, sandbox: Sandbox, gateway: Gateway, session: ClientSession, url: str) -> None:
        self.sandbox, self.gateway, self._session, self._url = sandbox, gateway, session, url

    async def read(self, query: str = READ_ADA, cache_control: str | None = None, **headers: str) -> Any:
        """Return the result of a query, and add the header `Cache-Status`."""
        if cache_control is not None:
            headers["Cache-Control"] = cache_control
        async with self._session.post(self._url, json={"query": query}, headers=headers) as response:
            result = await response.json()
            return result | {"status": response.headers.get("Cache-Status", "")}

    @property
    def calls(self) -> int:
        return len(self.sandbox.calls.to("account"))


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., Any]]:
    async with AsyncExitStack() as stack:

        async def make(*, rate_limits: bool = False, **account: Any) -> Web:
            clock = None if rate_limits else StillClock()  # calls that are paced wait for time to pass
            sandbox = stack.enter_context(Sandbox(users=40, rate_limits=rate_limits, clock=clock))
            settings = sandbox.settings(keep_mode="on", account={"keep": 5, "max_attempts": 1} | account)
            gateway = await stack.enter_async_context(Gateway(settings, clock=sandbox.clock))
            http = await gateway.serve_http(grace=0)
            stack.push_async_callback(http.stop)
            session = await stack.enter_async_context(ClientSession())
            return Web(sandbox, gateway, session, f"http://127.0.0.1:{http.address[1]}/graphql")

        yield make


async def test_older_users_for_one_caller(opened: Any) -> None:
    """That one caller accepts users past their lifetime makes those of the others no older."""
    web = await opened()
    await web.read()
    web.sandbox.update(ADA, "account", name="Ada Augusta")
    web.sandbox.clock.advance(6)
    stale = await web.read(cache_control="max-stale=3600, max-age=3600")
    assert (stale["data"]["user"]["name"], stale["extensions"]["freshness"][0]["path"]) == ("Ada Lovelace", ["user"])
    assert (await web.read())["data"]["user"]["name"] == "Ada Augusta"


async def test_many_older_users(opened: Any) -> None:
    """Reads in the background leave others what they need of the rate limit: none of them waits or is refused."""
    web = await opened(rate_limits=True, rate_limit=20)
    users = (await web.read("{ users(first: 40, filter: { sources: [ACCOUNT] }) { nodes { id name } } }"))["data"]
    queries = [f'{{ user(id: "{user["id"]}") {{ name }} }}' for user in users["users"]["nodes"]]
    for query in queries:
        assert "errors" not in await web.read(query)
    web.sandbox.clock.advance(60)
    before = web.calls
    stale = await asyncio.gather(*(web.read(query, "max-stale") for query in queries * 5))
    assert not any("errors" in result for result in stale)
    assert web.calls - before <= len(queries)  # each is read again once, as far as there are tokens
    fresh = await asyncio.gather(*(web.read(query) for query in queries[:4]))
    assert not any("errors" in result or "extensions" in result for result in fresh)
    assert [call.status for call in web.sandbox.calls.to("account") if call.status >= 400] == []


async def test_only_what_is_kept(opened: Any) -> None:
    """A caller that accepts only what is kept causes no call, whatever it asks for."""
    web = await opened()
    queries = [
        READ_ADA,
        "{ users { nodes { name } } }",
        '{ person(email: "ada@example.com") { users { name } } }',
        "{ roles { nodes { name } } }",
    ]
    for query in queries:
        result = await web.read(query, "only-if-cached, max-stale")
        assert "SOURCE_UNAVAILABLE" in str(result), query
    assert web.calls == 0


@pytest.mark.parametrize(
    "header",
    [
        "max-age=-1",
        "max-age=1e9",
        "max-age==5",
        'max-stale="',
        "no-cache=\u00e9",
        "public, immutable, s-maxage=1",
        "only-if-cached=no, , ,;",
        "," * 2000,
        "max_stale=100, max stale=100",
    ],
)
async def test_hostile_headers(opened: Any, header: str) -> None:
    """A header that is not valid requests nothing: neither older users, nor an error."""
    web = await opened()
    await web.read()
    web.sandbox.update(ADA, "account", name="Ada Augusta")
    web.sandbox.clock.advance(6)
    result = await web.read(cache_control=header)
    assert (result["data"]["user"]["name"], "errors" in result) == ("Ada Augusta", False)


async def test_a_flood_that_refuses_what_is_kept(opened: Any) -> None:
    """Callers that refuse what is kept share calls, and others go on being given what is kept."""
    web = await opened()
    await web.read()
    before = web.calls
    results = await asyncio.gather(*(web.read(cache_control="no-cache") for _ in range(50)))
    assert not any("errors" in result for result in results)
    assert web.calls - before < 50
    before = web.calls
    assert (await web.read())["data"]["user"]["name"] == "Ada Lovelace"
    assert web.calls == before
