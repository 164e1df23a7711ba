"""Calls of every kind with users that are kept, as the sandbox counts them, with and without Redis.

Without polling, users are kept for five seconds, which do not pass on the clock of a test.
"""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from aiohttp import ClientSession
from conftest import FROM_ENVIRONMENT
from e2e.conftest import World
from security.outside import wait_until
from state.conftest import redis_url
from still_clock import StillClock

from gateway import Gateway
from gateway.sandbox import SandboxOptions, SandboxServer
from gateway.testing import Sandbox
from gateway.testing.settings import sandbox_settings
from gateway.users.ids import Kind, Ref, encode
from gateway.users.model import UserSource
from usergateway.v1 import users_pb2, users_pb2_grpc

__all__ = ["redis_url"]

ADA = "acus_adalovelace1"
MARKET_ADA = "ada.lovelace@example.com"
NAME = "... on User { name }"
FIRST = "{ users(first: 5, filter: {sources: [ACCOUNT]}) { nodes { sourceId name } } }"
CREATE = """mutation ($email: String!) {
  createAccountUser(input: {email: $email, name: "New", roleId: "rl_viewer000000"}) { id sourceId }
}"""
USER = "query ($id: ID!) { user(id: $id) { id sourceId name role { name } createdAt } }"


@dataclass(frozen=True, slots=True)
class KeptWorld(World):
    """A gateway and its sandbox; gRPC is served at `grpc_address`."""

    grpc_address: str


@pytest.fixture(params=["memory", "redis"])
async def kept(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """The world of a gateway that keeps users, as a subgraph; it is connected to Redis, or has no replicas."""
    changes: dict[str, Any] = {name[8:].lower(): os.environ[name] for name in FROM_ENVIRONMENT & os.environ.keys()}
    if request.param == "redis":
        changes["redis_url"] = request.getfixturevalue("redis_url")
    clock = StillClock()
    async with SandboxServer(SandboxOptions(rate_limits=False), clock) as sandbox, ClientSession() as session:
        settings = sandbox_settings(sandbox, {"keep_mode": "on", "federation": True} | changes)
        async with Gateway(settings, clock=clock) as gateway:
            http, rpc = await gateway.serve_http(grace=1), await gateway.serve_grpc()
            assert rpc is not None
            world = KeptWorld(session, "http://{}:{}".format(*http.address), sandbox.control_url, rpc.address)

            async def repeats_no_call() -> bool:
                await world.data('{ person(email: "nobody@example.com") { users { id } } }')
                return await count(world) == 0

            await wait_until(repeats_no_call)  # with Redis, nothing is kept before it is connected
            clock.advance(1)  # users that are read in the instant of the connection to Redis are not prefetched
            yield world
            await rpc.stop(1)
            await http.stop()


async def count(world: Any) -> int:
    """Return the number of calls since the last time."""
    calls = await world.calls()
    await world.forget()
    return len(calls)


async def test_every_way_to_one_user(kept: Any) -> None:
    """A user that one field has read is kept for every other field, operation and surface, with fewer needs as well."""
    user_id = encode(Ref(Kind.USER, UserSource.ACCOUNT, ADA))
    queries = [
        f'{{ user(id: "{ADA}", source: ACCOUNT) {{ name role {{ name }} department {{ name }} createdAt }} }}',
        f'{{ user(id: "{ADA}", source: ACCOUNT) {{ name }} }}',
        f'{{ user(id: "{user_id}") {{ name email settings {{ cultureCode }} }} }}',
        f'{{ node(id: "{user_id}") {{ {NAME} }} }}',
        f'{{ nodes(ids: ["{user_id}"]) {{ {NAME} }} }}',
        f'{{ _entities(representations: [{{__typename: "User", id: "{user_id}"}}]) {{ {NAME} }} }}',
        f'{{ a: user(id: "{user_id}") {{ name }} b: user(id: "{ADA}", source: ACCOUNT) {{ role {{ name }} }} }}',
    ]
    for query, calls in zip(queries, [1, *[0] * 6], strict=True):
        assert "Ada Lovelace" in str(await kept.data(query))
        assert await count(kept) == calls, query
    async with grpc.aio.insecure_channel(kept.grpc_address) as channel:
        stub = users_pb2_grpc.UserServiceStub(channel)
        request = users_pb2.GetUserRequest(id=ADA, source=users_pb2.USER_SOURCE_ACCOUNT)
        assert (await stub.GetUser(request, metadata=[("x-fields", "name")])).name == "Ada Lovelace"
        assert await count(kept) == 0
        assert (await stub.GetUser(request, metadata=[("cache-control", "no-cache")])).name == "Ada Lovelace"
    assert await count(kept) == 1
    for query, calls in zip(queries, [1, *[0] * 6], strict=True):
        await kept.data(query, None, **{"Cache-Control": "max-age=0" if calls else "only-if-cached"})
        assert await count(kept) == calls, query


async def test_a_list_and_its_users(kept: Any) -> None:
    """Users of a list are no further call; those who lack something are one, with which they are kept."""
    await kept.data('mutation { updateAccountUser(id: "acus_plainperson1", input: {name: "P"}) { id } }')
    await kept.forget()
    query = "{ users(first: 9) { nodes { id source name email } pageInfo { endCursor } } }"
    page = (await kept.data(query))["users"]
    assert await count(kept) == 3
    assert (await kept.data(query))["users"]["nodes"] == page["nodes"]
    assert await count(kept) == 0
    sources = set()
    for node in page["nodes"]:
        sources.add(node["source"])
        found = await kept.data("query ($id: ID!) { user(id: $id) { id source name email createdAt } }", node)
        assert found["user"].items() >= node.items()
    assert await count(kept) == 0
    by_source = {node["source"]: node for node in page["nodes"]}
    for node in by_source.values():
        lacking = "query ($id: ID!) { user(id: $id) { name role { name } accounts { name } } }"
        await kept.data(lacking, node)
        await kept.data(lacking, node)
    assert await count(kept) == len(by_source.keys() & {"ACCOUNT", "SOFTWAREONE"})
    assert sources


async def test_the_next_page(kept: Any) -> None:
    """A page and the next one are read once, for several walks; a caller who does not want that has them read again."""
    query = "query ($a: String) { users(first: 3, after: $a) { nodes { id } pageInfo { endCursor } } }"
    first = await kept.data(query)
    second = await kept.data(query, {"a": first["users"]["pageInfo"]["endCursor"]})
    calls = await count(kept)
    again = await kept.data(query)
    assert again["users"]["nodes"] == first["users"]["nodes"]
    assert (await kept.data(query, {"a": again["users"]["pageInfo"]["endCursor"]}))["users"]["nodes"] == (
        second["users"]["nodes"]
    )
    assert (calls, await count(kept)) == (3, 0)
    after = {"a": again["users"]["pageInfo"]["endCursor"]}
    for variables in ({}, after):
        await kept.data(query, variables, **{"Cache-Control": "only-if-cached"})
        assert await count(kept) == 0
        await kept.data(query, variables, **{"Cache-Control": "no-cache"})
        assert await count(kept) == 3


async def test_a_person(kept: Any) -> None:
    """A person and its users are one call for each source."""
    query = f'{{ person(email: "{MARKET_ADA}") {{ users {{ id name }} }} }}'
    users = (await kept.data(query))["person"]["users"]
    for user in users:
        found = await kept.data("query ($id: ID!) { user(id: $id) { id name } }", user)
        assert found["user"] == user
    await kept.data(query)
    assert (len(users), await count(kept)) == (3, 3)


async def test_a_user_by_address_and_by_id(kept: Any) -> None:
    """A SoftwareOne user that was read by its e-mail address is kept by its id, too."""
    change = 'mutation ($id: ID!) { updateSoftwareOneUser(id: $id, input: {firstName: "Ada"}) { id } }'
    found = await kept.data(f'{{ user(id: "{MARKET_ADA}", source: SOFTWAREONE) {{ id }} }}')
    await kept.data(change, found["user"])  # which drops what is kept
    await kept.forget()
    query = f'{{ user(id: "{MARKET_ADA}", source: SOFTWAREONE) {{ id name createdAt }} }}'
    user = (await kept.data(query))["user"]
    assert await count(kept) == 2  # of which the first one finds the id alone
    assert (await kept.data(query))["user"] == user
    assert (await kept.data("query ($id: ID!) { user(id: $id) { id name createdAt } }", user))["user"] == user
    assert await count(kept) == 0


async def test_a_created_user(kept: Any) -> None:
    """A created user is no further call, on the first page at once, and found where there was no such user before."""
    email = "kept.creation@example.com"
    person = f'{{ person(email: "{email}") {{ users {{ source }} }} }}'
    assert (await kept.data(person))["person"]["users"] == []
    await kept.data(FIRST)
    await kept.forget()
    created = (await kept.data(CREATE, {"email": email}))["createAccountUser"]
    assert await count(kept) == 1
    user = (await kept.data(USER, created))["user"]
    assert (user["name"], user["role"], await count(kept)) == ("New", {"name": "Viewer"}, 0)
    assert (await kept.data(FIRST))["users"]["nodes"][0] == {"sourceId": user["sourceId"], "name": "New"}
    assert await count(kept) == 1
    assert (await kept.data(person))["person"]["users"] == [{"source": "ACCOUNT"}]


async def test_changed_users(kept: Any) -> None:
    """Of each source, a user that was changed is read as the change returned it, by one id and by another one."""
    for name, source, source_id in (
        ("Account", "ACCOUNT", "acus_plainperson1"),
        ("SoftwareOne", "SOFTWAREONE", MARKET_ADA),
        ("Reseller", "RESELLER", None),
    ):
        if source_id is None:
            listed = await kept.data("{ users(first: 1, filter: {sources: [RESELLER]}) { nodes { id } } }")
            user_id = listed["users"]["nodes"][0]["id"]
        else:
            found = await kept.data(f'{{ user(id: "{source_id}", source: {source}) {{ id name }} }}')
            user_id = found["user"]["id"]
        field = "name" if source == "ACCOUNT" else "firstName"
        change = f'mutation ($id: ID!) {{ update{name}User(id: $id, input: {{{field}: "Changed"}}) {{ name }} }}'
        await kept.data("query ($id: ID!) { user(id: $id) { name } }", {"id": user_id})
        await kept.data(change, {"id": user_id})
        await kept.forget()
        found = await kept.data("query ($id: ID!) { user(id: $id) { name } }", {"id": user_id})
        assert found["user"]["name"].startswith("Changed")
        assert await count(kept) == 0, source
        if source_id is not None:
            found = await kept.data(f'{{ user(id: "{source_id}", source: {source}) {{ name }} }}')
            assert found["user"]["name"].startswith("Changed")


async def test_reported_calls(kept: Any) -> None:
    """What is kept is reported where the call would be: users, pages, and users that were read for an earlier page."""
    query = """query ($n: Int = 2, $a: String) {
      users(first: $n, after: $a, filter: {sources: [ACCOUNT]}) { pageInfo { endCursor } }
    }"""
    cursor = (await kept.data(query))["users"]["pageInfo"]["endCursor"]
    await kept.data(f'{{ user(id: "{ADA}", source: ACCOUNT) {{ name }} }}')
    user = f'{{ user(id: "{ADA}", source: ACCOUNT) {{ name }} }}'
    for document, variables, template in (
        (user, {}, "/v1/identity/account-users/{id}"),
        (query, {}, "/v1/identity/account-users"),
        (query, {"n": 1, "a": cursor}, "/v1/identity/account-users"),
    ):
        body = {"query": document, "variables": variables, "extensions": {"calls": True}}
        async with kept.session.post(f"{kept.url}/graphql", json=body) as response:
            [call, *_] = (await response.json())["extensions"]["calls"]
        assert (call["kind"], call["template"], call["status"]) == ("kept", template, None)


async def test_a_completed_response(kept: Any) -> None:
    """What SoftwareOne left out of its response to a change is read once, for the response and for later reads."""
    found = await kept.data(f'{{ user(id: "{MARKET_ADA}", source: SOFTWAREONE) {{ id }} }}')
    selected = "{ id createdAt accounts { name } }"
    change = f'mutation ($id: ID!) {{ updateSoftwareOneUser(id: $id, input: {{firstName: "Ada"}}) {selected} }}'
    await kept.forget()
    changed = (await kept.data(change, found["user"]))["updateSoftwareOneUser"]
    assert (bool(changed["accounts"]), await count(kept)) == (True, 2)
    assert (await kept.data(f"query ($id: ID!) {{ user(id: $id) {selected} }}", found["user"]))["user"] == changed
    assert await count(kept) == 0


async def test_in_python() -> None:
    """Python and GraphQL in Python have what is kept in common; a record shows what was requested alone."""
    async with (
        Sandbox(clock=StillClock()) as sandbox,
        Gateway(sandbox.settings(keep_mode="on"), clock=sandbox.clock) as gateway,
    ):
        page = await gateway.users.list_users(first=5)
        sandbox.calls.clear()
        for user in page.users:
            assert (await gateway.users.get_user(user.id)).name == user.name
            await gateway.execute("query ($id: ID!) { user(id: $id) { name email } }", {"id": user.id})
        assert not sandbox.calls


async def test_two_replicas(redis_url: str) -> None:
    """A change at one replica is in the next read of the user, and of a list, at the other one, which reads it once."""
    async with Sandbox(clock=StillClock()) as sandbox:
        settings, clock = sandbox.settings(keep_mode="on", redis_url=redis_url), sandbox.clock
        async with Gateway(settings, clock=clock) as first, Gateway(settings, clock=clock) as second:
            for gateway in (first, second):
                await gateway.users.list_users(first=3)
            created = await first.users.create_account_user({"email": "replicas@example.com", "name": "Before"})
            for gateway in (first, second):
                page = await gateway.users.list_users(first=3)
                assert page.users[0].id == created.id
            for name in ("After", "Later"):
                await first.users.update_account_user(created.id, {"name": name})
                sandbox.calls.clear()
                for _ in range(2):
                    assert (await second.users.get_user(created.id)).name == name
                    assert (await first.users.get_user(created.id)).name == name
                assert len(sandbox.calls) == 1
                assert (await second.users.list_users(first=3)).users[0].name == name
