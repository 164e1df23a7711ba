"""The number of calls to sources for a query, as counted by the sandbox."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import WSMsgType

DEEP = "name role { name owner { type account { name } } permissions } department { name location { name } }"


@pytest.fixture
async def world(fresh: Callable[..., Any]) -> Any:
    """A gateway of each test: the lookups of another one are cached for half a minute."""
    return await fresh()


@pytest.fixture
async def user_id(world: Any) -> str:
    """The id of a new account user with a role and a department."""
    user_id = await _create(world, 0)
    await world.forget()
    return user_id


@pytest.mark.parametrize(
    ("selection", "calls"),
    [
        ("id sourceId status", 1),
        ("name role { name } department { name }", 1),
        ("role { id name type createdAt } department { id notes }", 1),
        ("name role { owner { type } }", 2),
        (DEEP, 3),
        ("department { machines { nodes { name department { name } } } scanningStations { nodes { name } } }", 2),
    ],
)
async def test_one_account_user(world: Any, user_id: str, selection: str, calls: int) -> None:
    """Included records are in the response of one call; each other kind of records is one more call."""
    data = await world.data(f'{{ user(id: "{user_id}", source: ACCOUNT) {{ {selection} }} }}')
    assert data["user"]
    assert len(await world.calls()) == calls


async def test_ten_users_with_everything(world: Any) -> None:
    """Ten users with role owners and department locations are ten calls, and one list for each kind of lookups."""
    user_ids = [await _create(world, number) for number in range(10)]
    await world.forget()
    aliases = " ".join(
        f'u{n}: user(id: "{user_id}", source: ACCOUNT) {{ {DEEP} }}' for n, user_id in enumerate(user_ids)
    )
    data = await world.data(f"{{ {aliases} }}")
    assert all(data[f"u{n}"]["name"] for n in range(10))
    calls = await world.calls()
    assert len(calls) <= 12
    lists = [call for call in calls if call["path"] in {"/v1/identity/roles", "/v1/operations/departments"}]
    assert all("limit=1000" in call["query"] for call in lists)


async def test_only_selected_records_are_included(world: Any) -> None:
    """A call includes the selected records, also those in fragments, without skipped ones."""
    await world.data(
        """query ($no: Boolean = false) {
          user(id: "acus_adalovelace1", source: ACCOUNT) { ...Person department @include(if: $no) { name } }
        }
        fragment Person on User { sourceId role { name } }"""
    )
    [call] = await world.calls()
    assert call["query"] in {"include[]=role", "include%5B%5D=role"}


async def test_one_user_by_two_aliases(world: Any) -> None:
    """A record is fetched once for an operation."""
    user = 'user(id: "acus_adalovelace1", source: ACCOUNT)'
    await world.data(f"{{ a: {user} {{ name }} b: {user} {{ role {{ name }} }} }}")
    assert len(await world.calls()) == 1


async def test_operations_of_a_socket_do_not_share_records(world: Any) -> None:
    """The second query on a WebSocket returns a change that was made after the first."""
    query = '{ user(id: "acus_plainperson1", source: ACCOUNT) { name } }'
    async with world.session.ws_connect(f"{world.url}/graphql", protocols=["graphql-transport-ws"]) as socket:
        await socket.send_json({"type": "connection_init"})
        assert (await socket.receive_json())["type"] == "connection_ack"
        names = []
        for name in ("Before", "After"):
            await world.data(
                'mutation ($n: String) { updateAccountUser(id: "acus_plainperson1", input: {name: $n}) { id } }',
                {"n": name},
            )
            await socket.send_json({"id": name, "type": "subscribe", "payload": {"query": query}})
            async with asyncio.timeout(30):
                async for message in socket:
                    assert message.type is WSMsgType.TEXT
                    body = message.json()
                    if body["type"] == "next":
                        names.append(body["payload"]["data"]["user"]["name"])
                    if body["type"] == "complete":
                        break
    assert names == ["Before", "After"]


async def _create(world: Any, number: int) -> str:
    document = "mutation ($input: CreateAccountUserInput!) { createAccountUser(input: $input) { sourceId } }"
    roles, departments = ["rl_admin0000000", "rl_viewer000000"], ["dp_returns00000", "dp_sewing000000"]
    given = {
        "email": f"person-{number}@calls.example",
        "name": f"Person {number}",
        "roleId": roles[number % 2],
        "departmentId": departments[number % 2],
    }
    return (await world.data(document, {"input": given}))["createAccountUser"]["sourceId"]
