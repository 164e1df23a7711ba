"""The gateway as one of two subgraphs behind a router; `node/orders.mjs` is the other one.

`TEST_HIVE=1` repeats all of it with Hive Gateway, which has subscriptions too.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientResponse
from e2e.federation.conftest import WITH_HIVE, Federation

ADA, PAGE = "acus_adalovelace1", 4
RECORD = "name role { name permissions } department { name location { name } }"


def counted(calls: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    """Return how often the sandbox received each call."""
    return Counter((call["source"], call["path"]) for call in calls)


def data_of(result: Any) -> Any:
    """Return the data of a result without errors."""
    assert "errors" not in result, result["errors"]
    return result["data"]


async def some_users(world: Any) -> list[dict[str, str]]:
    """Return users of the account source by their ids; the sandbox then has no calls."""
    listed = await world.data("{ users(first: 4, filter: {sources: [ACCOUNT]}) { nodes { id sourceId } } }")
    await world.forget()
    found: list[dict[str, str]] = listed["users"]["nodes"]
    assert len(found) == PAGE
    return found


async def test_a_list_gets_fields_of_another_subgraph(routed: Any, world: Any) -> None:
    """Users of a page have their orders of another subgraph, by the ids in the sources: one call to each source."""
    page = "{ users(first: 4) { nodes { sourceId orders { id } department { budget } } pageInfo { hasNextPage } } }"
    users = data_of(await routed(page))["users"]["nodes"]
    assert [user["orders"] for user in users] == [[{"id": f"order-{user['sourceId']}"}] for user in users]
    assert {user["department"] and user["department"]["budget"] for user in users} == {None, 5000}
    assert Counter(call["source"] for call in await world.calls()) == {"account": 1, "softwareone": 1, "reseller": 1}


async def test_records_of_another_subgraph_are_one_batch(routed: Any, world: Any) -> None:
    """The buyers of orders, some of them twice, take the calls that `nodes` takes for the same users."""
    users = await some_users(world)
    nodes = f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on User {{ {RECORD} }} }} }}"
    expected = (await world.data(nodes, {"ids": [user["id"] for user in users]}))["nodes"]
    calls = await world.calls()
    await world.forget()
    query = f"query ($b: [String!]!) {{ orders(buyers: $b) {{ nodes {{ buyer {{ {RECORD} }} }} }} }}"
    buyers = [user["sourceId"] for user in (*users, *users[:2])]
    orders = data_of(await routed(query, {"b": buyers}))["orders"]["nodes"]
    assert [order["buyer"] for order in orders] == [*expected, *expected[:2]]
    assert counted(await world.calls()) == counted(calls)


async def test_keys(routed: Any, world: Any) -> None:
    """A department is found by its global id, a machine and a Marketplace account by their ids in the source."""
    user = f'user(id: "{ADA}", source: ACCOUNT)'
    department = (await world.data(f"{{ {user} {{ department {{ id name }} }} }}"))["user"]["department"]
    query = f"""query ($d: ID!) {{
      budgetOf(department: $d) {{ name budget }}
      {user} {{ department {{ machines {{ nodes {{ name temperature }} }} }} }}
      person(email: "ada.lovelace@example.com") {{ users {{ accounts {{ name creditLimit }} }} }}
    }}"""
    data = data_of(await routed(query, {"d": department["id"]}))
    assert data["budgetOf"] == {"name": department["name"], "budget": 5000}
    assert {machine["temperature"] for machine in data["user"]["department"]["machines"]["nodes"]} == {21.5}
    accounts = [each for user in data["person"]["users"] for each in user["accounts"] or ()]
    assert {account["creditLimit"] for account in accounts} == {7}


async def test_a_record_that_does_not_exist(routed: Any, router: str) -> None:
    """A buyer that its source does not have is null in the order, without an error of the gateway."""
    query = '{ orders(buyers: ["acus_adalovelace1", "acus_nobody"]) { nodes { buyer { name } } } }'
    result = await routed(query)
    if router != "hive":  # without the planner in Rust it adds an error of its own (docs/federation.md)
        assert "errors" not in result
    orders = result["data"]["orders"]["nodes"]
    assert [order["buyer"] and order["buyer"]["name"] for order in orders] == ["Ada Lovelace", None]


async def test_one_record_fails(routed: Any, world: Any) -> None:
    """The error of one record has its code and request id behind the router too, and the other records are there."""
    users = await some_users(world)
    path = f"/v1/identity/account-users/{users[1]['sourceId']}"
    await world.fault(source="account", path=path, kind="status", status=503, times=9)
    query = "query ($b: [String!]!) { orders(buyers: $b) { nodes { total buyer { name } } } }"
    result = await routed(query, {"b": [user["sourceId"] for user in users]})
    orders = result["data"]["orders"]["nodes"]
    assert [order["total"] for order in orders] == [100] * PAGE
    assert [bool(order["buyer"] and order["buyer"]["name"]) for order in orders] == [True, False, True, True]
    [extensions] = [e["extensions"] for e in result["errors"] if e["extensions"].get("serviceName") == "users"]
    assert (extensions["code"], extensions["source"]) == ("SOURCE_UNAVAILABLE", "ACCOUNT")
    assert extensions["requestId"]


async def test_a_wrong_key_of_another_subgraph(routed: Any) -> None:
    """A key that is no id of a department is an error that names it."""
    result = await routed('{ budgetOf(department: "d-1") { budget name } }')
    [error] = result["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert [each["field"] for each in error["extensions"]["violations"]] == ["representations.0.id"]


async def test_a_change(routed: Any, world: Any) -> None:
    """A change is sent once, its result has fields of the other subgraph, and broken rules keep their fields."""
    change = "mutation ($n: String!) { updateAccountUser(id: $id, input: {name: $n}) { name orders { total } } }"
    change = change.replace("$id", f'"{ADA}"')
    data = data_of(await routed(change, {"n": "Ada Lovelace"}))
    assert data == {"updateAccountUser": {"name": "Ada Lovelace", "orders": [{"total": 100}]}}
    assert [call["method"] for call in await world.calls()] == ["PATCH"]
    [error] = (await routed(change, {"n": ""}))["errors"]
    assert [each["field"] for each in error["extensions"]["violations"]] == ["input.name"]


async def test_callers(routed: Any) -> None:
    """Behind a router that forwards credentials, scopes hold for each record."""
    query = f'{{ orders(buyers: ["{ADA}"]) {{ nodes {{ total buyer {{ name }} }} }} }}'
    whole = {"orders": {"nodes": [{"total": 100, "buyer": {"name": "Ada Lovelace"}}]}}
    assert data_of(await routed(query, key="all")) == whole
    result = await routed(query, key="marketplace")
    assert result["data"]["orders"]["nodes"][0]["total"] == 100
    assert "FORBIDDEN" in {error["extensions"]["code"] for error in result["errors"]}


async def test_a_caller_without_a_credential(federation: Federation, world: Any, router: str) -> None:
    """A request without a credential is refused by the gateway, and the client of the router sees why."""
    body = {"query": "{ users(first: 1) { nodes { name } } }"}
    async with world.session.post(federation.routers[f"{router} guarded"], json=body) as response:
        result = await response.json()
    assert [error["extensions"]["code"] for error in result["errors"]] == ["UNAUTHENTICATED"]


@pytest.mark.skipif(not WITH_HIVE, reason="Apollo's router for Node has no subscriptions")
@pytest.mark.parametrize("name", ["hive guarded", "hive rust guarded"])
async def test_a_subscription(federation: Federation, world: Any, world_of: Callable[..., Any], name: str) -> None:
    """Events of the gateway reach a client of Hive Gateway, with fields of the other subgraph."""
    headers = {"authorization": f"Bearer {federation.keys['all']}"}
    body = {"query": "subscription { userChanged { user { name orders { total } } } }"}
    change = 'mutation ($n: String!) { updateAccountUser(id: "acus_adalovelace1", input: {name: $n}) { name } }'
    guarded = world_of(world.session, federation.guarded)
    stream = world.session.post(federation.routers[name], json=body, headers=headers | {"accept": "text/event-stream"})
    async with asyncio.timeout(20), stream as response, asyncio.TaskGroup() as tasks:
        received = tasks.create_task(first_event(response))
        while not received.done():
            await guarded.data(change, {"n": f"Ada {time.monotonic()}"}, **headers)
            await asyncio.wait({received}, timeout=0.1)
    user = received.result()["data"]["userChanged"]["user"]
    assert (user["name"].split()[0], user["orders"]) == ("Ada", [{"total": 100}])


async def first_event(response: ClientResponse) -> Any:
    """Return the first event of a stream."""
    while not (line := await response.content.readline()).startswith(b"data: "):
        assert line, "the stream has ended"
    return json.loads(line.removeprefix(b"data: "))
