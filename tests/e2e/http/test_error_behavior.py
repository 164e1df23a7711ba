"""The request attribute `onError`: what a response has where errors occur, by POST, GET, parts, and embedded."""

import asyncio
import json
from typing import Any

import pytest

# `nodes` is non-null, and refused without a call for more than 100 ids; `user` succeeds.
TOO_MANY = f"nodes(ids: {json.dumps(['raw'] * 101)}) {{ id }}"
TWO_FIELDS = f'{{ {TOO_MANY} user(id: "acus_adalovelace1", source: ACCOUNT) {{ name }} }}'
# The permissions need a lookup of their own; both fields fail with it.
LOOKUPS = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name role { name permissions owner { type } } } }'
TWO_CHANGES = """
    mutation {
        refused: updateAccountUser(id: "acus_adalovelace1", input: {username: "!"}) { name }
        accepted: updateAccountUser(id: "acus_adalovelace1", input: {name: "Ada Lovelace"}) { name }
    }
"""
ADA = {"name": "Ada Lovelace"}
PARTS = {"Accept": "multipart/mixed, application/json"}


async def send(world: Any, query: str, on_error: Any = None, **headers: str) -> Any:
    """Return the response to a request, with `onError` unless it is None."""
    body = {"query": query} | ({} if on_error is None else {"onError": on_error})
    async with world.session.post(f"{world.url}/graphql", json=body, headers=headers) as answer:
        return await answer.json(content_type=None)


def paths(response: Any) -> list[Any]:
    """Return the paths of the errors, in a fixed order."""
    return sorted((error["path"] for error in response["errors"]), key=str)


@pytest.mark.parametrize(
    ("on_error", "data"),
    [(None, None), ("PROPAGATE", None), ("NULL", {"nodes": None, "user": ADA}), ("HALT", None)],
)
async def test_a_field_whose_type_is_non_null(world: Any, on_error: str | None, data: Any) -> None:
    """With `NULL` its error leaves the other fields in the data; otherwise the data is null."""
    response = await send(world, TWO_FIELDS, on_error)
    assert response["data"] == data
    assert paths(response) == [["nodes"]]


@pytest.mark.parametrize(("on_error", "user"), [("PROPAGATE", True), ("NULL", True), ("HALT", False)])
async def test_several_errors(fresh: Any, on_error: str, *, user: bool) -> None:
    """`HALT` reports the first error alone and no data, also below nullable fields; the others report all errors."""
    world = await fresh(max_attempts=1)
    await world.fault(source="account", path="roles", kind="status", status=500, times=9)
    response = await send(world, LOOKUPS, on_error)
    role = {"name": "Admin", "permissions": None, "owner": None}
    assert response["data"] == ({"user": ADA | {"role": role}} if user else None)
    below = [["user", "role", "owner"], ["user", "role", "permissions"]]
    if user:
        assert paths(response) == below
    else:
        [path] = paths(response)
        assert path in below


@pytest.mark.parametrize(("on_error", "sent"), [("PROPAGATE", 1), ("NULL", 1), ("HALT", 0)])
async def test_changes_after_an_error(world: Any, on_error: str, sent: int) -> None:
    """With `HALT` no change is executed after one that failed."""
    response = await send(world, TWO_CHANGES, on_error)
    assert response["data"] == ({"refused": None, "accepted": ADA} if sent else None)
    assert paths(response) == [["refused"]]
    assert len([call for call in await world.calls() if call["method"] == "PATCH"]) == sent


async def test_by_get(world: Any) -> None:
    """A query by GET has it as a parameter of the URL."""
    params = {"query": TWO_FIELDS, "onError": "NULL"}
    headers = {"GraphQL-Require-Preflight": "1"}
    async with world.session.get(f"{world.url}/graphql", params=params, headers=headers) as answer:
        assert (await answer.json())["data"] == {"nodes": None, "user": ADA}


@pytest.mark.parametrize("value", ["IGNORE", "null", "", "NULL ", 7, ["NULL"], {"NULL": 1}, True])
async def test_an_unknown_behavior(world: Any, value: Any) -> None:
    """Another value is refused, by a message that names the values there are, and nothing is executed."""
    body = {"query": TWO_CHANGES, "onError": value}
    async with world.session.post(f"{world.url}/graphql", json=body) as answer:
        response = await answer.json()
    assert answer.status == 400
    [error] = response["errors"]
    assert "data" not in response
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["message"] == (
        "onError must be NULL, PROPAGATE or HALT." if isinstance(value, str) else "`onError` must be a string."
    )
    assert await world.calls() == []


async def test_the_drafts_status_of_an_unknown_behavior(fresh: Any) -> None:
    """In the profile `draft` it is a 422, as for other requests that can be parsed and are not valid."""
    world = await fresh(status_profile="draft")
    async with world.session.post(f"{world.url}/graphql", json={"query": TWO_FIELDS, "onError": "no"}) as answer:
        assert answer.status == 422


@pytest.mark.parametrize("more", ["", '__type(name: "Role") { name }'], ids=["compiled", "by graphql-core"])
async def test_calls_under_way(fresh: Any, more: str) -> None:
    """With `HALT` the response does not wait for the calls of other fields."""
    world = await fresh(timeout=300, request_timeout=300)
    await world.fault(source="account", path="roles", kind="slow", delay=200)
    query = f'{{ {more} roles {{ nodes {{ id }} }} user(id: "raw") {{ name }} }}'
    async with asyncio.timeout(30):
        response = await send(world, query, "HALT")
    assert (response["data"], paths(response)) == (None, [["user"]])


async def test_null_means_not_given(world: Any) -> None:
    """The value null is that of a request without the attribute, as for every optional attribute."""
    async with world.session.post(f"{world.url}/graphql", json={"query": TWO_FIELDS, "onError": None}) as answer:
        assert (await answer.json())["data"] is None


async def test_parts(world: Any) -> None:
    """With `NULL` a deferred part has null at a non-null field that failed; with `HALT` there are no parts."""
    query = f'{{ user(id: "acus_adalovelace1", source: ACCOUNT) {{ name }} ... @defer {{ {TOO_MANY} }} }}'
    received = {}
    for on_error in ("PROPAGATE", "NULL", "HALT"):
        body = {"query": query, "onError": on_error}
        async with world.session.post(f"{world.url}/graphql", json=body, headers=PARTS) as answer:
            text = await answer.text()
        received[on_error] = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    first, *_, last = received["PROPAGATE"]
    assert first["data"] == {"user": ADA}
    assert last["completed"][0]["errors"][0]["path"] == ["nodes"]
    first, *_, last = received["NULL"]
    assert first["data"] == {"user": ADA}
    [part] = last["incremental"]
    assert (part["data"], paths(part)) == ({"nodes": None}, [["nodes"]])
    [whole] = received["HALT"]
    assert (whole["data"], paths(whole)) == (None, [["nodes"]])


async def test_introspection(world: Any) -> None:
    """The behavior holds for operations that are not compiled, too."""
    query = TWO_FIELDS.replace("{", '{ __type(name: "Role") { name }', 1)
    found = {on_error: (await send(world, query, on_error))["data"] for on_error in ("PROPAGATE", "NULL", "HALT")}
    assert found == {
        "PROPAGATE": None,
        "NULL": {"__type": {"name": "Role"}, "nodes": None, "user": ADA},
        "HALT": None,
    }
