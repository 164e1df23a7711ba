"""Several gateways in one process: they share the process, its log and its event loop, and nothing else."""

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aiohttp import ClientSession

from gateway import Gateway, Settings
from gateway.models import UserSource
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, RESELLER_ID, RESELLER_TOKEN, SandboxOptions, SandboxServer

USER = "acus_adalovelace1"
QUERY = f'{{ user(id: "{USER}", source: ACCOUNT) {{ name role {{ name }} }} }}'
RENAME = "mutation ($id: ID!, $name: String!) { updateAccountUser(id: $id, input: {name: $name}) { name } }"


class Beside:
    """A gateway in front of a sandbox that no other gateway calls."""

    def __init__(self, gateway: Gateway, sandbox: SandboxServer) -> None:
        self.gateway, self.sandbox = gateway, sandbox

    async def query(self, query: str = QUERY, **variables: Any) -> Any:
        result = await self.gateway.execute(query, variables)
        assert result.errors is None, result.errors
        return result.data

    async def calls(self) -> int:
        async with ClientSession() as session, session.get(f"{self.sandbox.control_url}/calls") as response:
            return len(await response.json())

    async def fail(self, **fault: Any) -> None:
        url = f"{self.sandbox.control_url}/faults"
        async with ClientSession() as session, session.post(url, json=fault) as response:
            assert response.status < 300, await response.text()

    def counted(self, metric: str, **labels: str) -> float:
        """Return a number of the gateway's metrics."""
        self.gateway._telemetry.flush()
        return sum(
            sample.value
            for family in self.gateway.metrics.registry.collect()
            for sample in family.samples
            if sample.name == metric and labels.items() <= sample.labels.items()
        )


@asynccontextmanager
async def beside(**changes: Any) -> AsyncIterator[Beside]:
    async with SandboxServer(SandboxOptions(rate_limits=False)) as sandbox:
        account = {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID}
        account["rate_limit"] = 1000
        reseller = {"base_url": sandbox.reseller_url, "token": RESELLER_TOKEN, "reseller_id": RESELLER_ID}
        async with Gateway(Settings(account=account, reseller=reseller, **changes)) as gateway:
            yield Beside(gateway, sandbox)


async def test_under_load() -> None:
    """Each gateway responds with the users of its sources, and counts its requests and calls alone."""
    async with beside() as first, beside(reference_ttl=0) as second:
        await first.query(RENAME, id=USER, name="First")
        await second.query(RENAME, id=USER, name="Second")
        before = await first.calls(), await second.calls()
        found = await asyncio.gather(*[each.query() for _ in range(100) for each in (first, second)])
        assert {data["user"]["name"] for data in found[::2]} == {"First"}
        assert {data["user"]["name"] for data in found[1::2]} == {"Second"}
        for each, calls in zip((first, second), before, strict=True):
            assert each.counted("http_client_request_duration_seconds_count") == await each.calls() > calls
            assert each.counted("gateway_operation_duration_seconds_count") == 101


async def test_failures_are_those_of_one_gateway() -> None:
    """Warnings, states and open circuits are those of the gateway whose source fails, in every kind of task."""
    async with beside() as first, beside() as second:
        await first.fail(source="account", kind="status", status=503, times=1000)
        many = "query { users(first: 5, filter: {sources: [ACCOUNT, RESELLER]}) { edges { node { name } } } }"
        await asyncio.gather(*[each.gateway.execute(query) for query in (QUERY, many) * 30 for each in (first, second)])
        typed = [each.gateway.users.list_users(filter={"sources": [UserSource.ACCOUNT]}) for each in (first, second)]
        await asyncio.gather(*typed, return_exceptions=True)
        assert [warning.logger for warning in first.gateway._warnings.latest()]
        assert [*first.gateway._states.active()]
        assert second.gateway._warnings.latest() == []
        assert [*second.gateway._states.active()] == []
        assert await second.query()


async def test_one_ends_before_the_other() -> None:
    """The end of a gateway leaves the others as they are, and nothing keeps it in memory."""
    async with AsyncExitStack() as stack:
        second = await stack.enter_async_context(beside())
        async with beside() as first:
            await asyncio.gather(first.query(), second.query())
        kept = weakref.ref(first.gateway)
        del first
        gc.collect()
        assert kept() is None
        assert await second.query()


def test_in_several_threads() -> None:
    """Gateways may be entered in event loops that are not those of the main thread, at the same time."""
    names: dict[str, set[str]] = {}
    errors: list[BaseException] = []

    async def run(name: str) -> None:
        async with beside(http_port=0) as running:
            await running.query(RENAME, id=USER, name=name)
            server = await running.gateway.serve_http(grace=0)
            url = f"http://127.0.0.1:{server.address[1]}/graphql"
            async with ClientSession() as session:
                for _ in range(20):
                    async with session.post(url, json={"query": QUERY}) as response:
                        names.setdefault(name, set()).add((await response.json())["data"]["user"]["name"])
            await server.stop()

    def work(name: str) -> None:
        try:
            asyncio.run(run(name))
        except BaseException as error:  # noqa: BLE001 - reported by the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("One", "Two", "Three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert names == {name: {name} for name in ("One", "Two", "Three")}
