"""The gateway embedded in another program."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, web

from gateway import Gateway, Settings
from gateway.errors import BadUserInput
from gateway.sandbox import (
    ACCOUNT_ID,
    ACCOUNT_TOKEN,
    RESELLER_ID,
    RESELLER_TOKEN,
    SOFTWAREONE_TOKEN,
    SandboxOptions,
    SandboxServer,
)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with SandboxServer(SandboxOptions()) as sandbox:
        settings: dict[str, Any] = {
            "account": {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID},
            "softwareone": {"base_url": sandbox.softwareone_url, "token": SOFTWAREONE_TOKEN},
            "reseller": {"base_url": sandbox.reseller_url, "token": RESELLER_TOKEN, "reseller_id": RESELLER_ID},
        }
        async with Gateway(Settings(**settings)) as gateway:
            yield gateway


async def test_execute(gateway: Gateway) -> None:
    """A document is executed without HTTP, with errors in the same form as over HTTP."""
    query = "query ($id: ID!) { user(id: $id, source: ACCOUNT) { name role { name } } }"
    result = await gateway.execute(query, {"id": "acus_adalovelace1"})
    assert result.errors is None
    assert result.data
    assert result.data["user"]["role"]
    failed = await gateway.execute('{ user(id: "raw") { name } }')
    assert failed.errors
    assert (failed.errors[0].extensions or {})["code"] == "BAD_USER_INPUT"


async def test_error_behaviors(gateway: Gateway) -> None:
    """`on_error` is the error behavior of the execution; an unknown one is refused."""
    query = f"{{ __typename nodes(ids: {json.dumps(['raw'] * 101)}) {{ id }} }}"
    assert (await gateway.execute(query)).data is None
    assert (await gateway.execute(query, on_error="NULL")).data == {"__typename": "Query", "nodes": None}
    refused = await gateway.execute(query, on_error="IGNORE")
    assert not refused.executed
    assert refused.errors
    assert refused.errors[0].message == "onError must be NULL, PROPAGATE or HALT."


async def test_the_typed_service(gateway: Gateway) -> None:
    """Users are read and changed without GraphQL; errors are exceptions of `gateway.errors`."""
    changed = await gateway.users.update_account_user("acus_adalovelace1", {"department_id": None})
    assert changed.department is None
    again = await gateway.users.get_user(changed.source_id, changed.source)
    assert again is not None
    assert again.name == changed.name
    with pytest.raises(BadUserInput) as refused:
        await gateway.users.update_account_user("acus_adalovelace1", {"name": None})
    assert [violation.path for violation in refused.value.violations] == [("name",)]


async def test_as_a_sub_application(gateway: Gateway) -> None:
    """An application that is mounted at a prefix serves GraphQL, and GraphiQL with its assets, below it."""
    outer = web.Application()
    outer.add_subapp("/users", gateway.aiohttp_app())
    runner = web.AppRunner(outer)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}/users"
        async with ClientSession() as session:
            async with session.post(f"{base}/graphql", json={"query": "{ __typename }"}) as answer:
                assert (await answer.json())["data"] == {"__typename": "Query"}
            async with session.get(f"{base}/") as root:
                assert str(root.url) == f"{base}/graphql"
            async with session.get(f"{base}/graphql", headers={"Accept": "text/html"}) as page:
                assert page.status == 200
                script = (await page.text()).partition('<script type="module" src="')[2].partition('"')[0]
            async with session.get(f"{base}/{script}") as asset:
                assert asset.status == 200
    finally:
        await runner.cleanup()
