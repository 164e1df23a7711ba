"""The calls that a response reports, compared with those that the sandbox received."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from e2e.held_source import HeldSource, call_is_shared

from gateway.callers.api_keys import new_api_key
from gateway.principal import scopes as all_scopes
from gateway.sandbox import ACCOUNT_ID
from gateway.users.ids import Kind, Ref, encode
from gateway.users.model import UserSource

SENT = {"call", "batched", "retry", "hedge"}
ALL_USERS = "{ users(first: 20) { nodes { name role { name owner { type } } department { location { name } } } } }"
ADA = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name role { owner { type } } } }'


async def reported(world: Any, query: str, variables: dict[str, Any] | None = None, **headers: str) -> Any:
    """Execute an operation whose calls are requested; return the extensions of the response."""
    body = {"query": query, "variables": variables or {}, "extensions": {"calls": True, "cost": True}}
    async with world.session.post(f"{world.url}/graphql", json=body, headers=headers) as response:
        result = await response.json()
    assert "errors" not in result
    return result.get("extensions", {})


def kinds(calls: list[dict[str, Any]]) -> Counter[str]:
    """Return how many calls there are of each kind."""
    return Counter(call["kind"] for call in calls)


def api_key(folder: Path, scopes: list[str]) -> tuple[str, Path]:
    """Return a new API key and the file with it."""
    key, entry = new_api_key("caller", scopes, all_scopes(UserSource))
    file = folder / "keys.toml"
    file.write_text(entry.to_toml())
    return key, file


async def check(world: Any, calls: list[dict[str, Any]]) -> None:
    """Check that the sent ones among the reported calls are those that the sandbox received."""
    sent = [call for call in calls if call["kind"] in SENT]
    received = await world.calls()
    assert Counter((call["source"].lower(), call["method"]) for call in sent) == Counter(
        (call["source"], call["method"]) for call in received
    )
    for call in received:
        patterns = [re.sub(r"\\{\w+\\}", "[^/]+", re.escape(each["template"])) for each in sent]
        assert any(re.search(f"{pattern}$", call["path"]) for pattern in patterns), call["path"]


async def test_a_list_with_its_lookups(fresh: Callable[..., Any]) -> None:
    """Each call to a source is reported once, those for several records as batched, and none with an id or a query."""
    world = await fresh()
    extensions = await reported(world, ALL_USERS)
    calls = extensions["calls"]
    await check(world, calls)
    assert kinds(calls)["batched"] == 2
    assert {call["source"] for call in calls} == {"ACCOUNT", "SOFTWAREONE", "RESELLER"}
    assert all(set(call) == {"source", "method", "template", "status", "start", "duration", "kind"} for call in calls)
    assert all(call["status"] == 200 and call["start"] >= 0 and call["duration"] > 0 for call in calls)
    assert not re.search(r"[?@]|acus_|Bearer", json.dumps(calls))
    assert [call["start"] for call in calls] == sorted(call["start"] for call in calls)
    assert extensions["cost"]["requested"] > 0


async def test_cached_records(fresh: Callable[..., Any]) -> None:
    """Records from the cache are reported as kept, without a request."""
    world = await fresh()
    await reported(world, ADA)
    await world.forget()
    calls = (await reported(world, ADA))["calls"]
    await check(world, calls)
    assert kinds(calls) == {"call": 1, "kept": 1}
    assert next(call for call in calls if call["kind"] == "kept")["template"] == "/v1/identity/roles/{id}"


async def test_records_that_no_call_can_find(fresh: Callable[..., Any]) -> None:
    """The id of a record that is only read inside another one has no record and no call, also when that is cached."""
    world = await fresh()
    people = await world.data('{ person(email: "ada.lovelace@example.com") { users { accounts { id } } } }')
    [account, *_] = [each["id"] for user in people["person"]["users"] for each in user["accounts"] or ()]
    for _ in range(2):
        extensions = await reported(world, "query ($id: ID!) { node(id: $id) { id } }", {"id": account})
        assert extensions["calls"] == []


async def test_calls_that_are_cancelled(fresh: Callable[..., Any]) -> None:
    """A call under way when an error ends the operation is reported if, and only if, the source has received it."""
    world = await fresh()
    await world.data(ADA)  # so that a connection is there, and the next call is sent at once
    query = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name } roles(first: 201) { nodes { id } } }'
    for _ in range(5):
        await world.forget()
        body = {"query": query, "onError": "HALT", "extensions": {"calls": True}}
        async with world.session.post(f"{world.url}/graphql", json=body) as response:
            result = await response.json()
        assert result["data"] is None
        calls = result["extensions"]["calls"]
        await check(world, calls)
        assert {call["status"] for call in calls} <= {"cancelled"}


async def test_the_next_page(fresh: Callable[..., Any]) -> None:
    """A page out of users that were read for the page before it reports them as kept."""
    world = await fresh()
    query = "query ($after: String) { users(first: 1, after: $after) { pageInfo { endCursor } } }"
    variables: dict[str, Any] = {}
    for _ in range(2):  # a first page reads little more than itself, a second one much more
        page = await world.data(query, variables)
        variables = {"after": page["users"]["pageInfo"]["endCursor"]}
    await world.forget()
    calls = (await reported(world, query, variables))["calls"]
    await check(world, calls)
    assert kinds(calls) == {"kept": 3}
    assert "/v3/resellers/{reseller}/users" in [call["template"] for call in calls]


async def test_calls_of_two_operations(fresh: Callable[..., Any]) -> None:
    """Of two operations that need the same at the same time, one reports the calls and the other one shares them."""
    held = HeldSource("/account-users/")
    world = await fresh(held={"account": held}, timeout=60)
    both = asyncio.gather(reported(world, ADA), reported(world, ADA))
    await call_is_shared(world.session, world.url)
    held.release()
    calls = [call for extensions in await both for call in extensions["calls"]]
    await check(world, calls)
    assert kinds(calls) == {"call": 2, "shared": 2}


async def test_lookups_of_another_operation(fresh: Callable[..., Any]) -> None:
    """An operation reports no calls for records that only another one needs at the same time."""
    world = await fresh()
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename } }"
    others = [encode(Ref(Kind.ACCOUNT, UserSource.ACCOUNT, f"ac_other{number}")) for number in range(5)]
    own = encode(Ref(Kind.ACCOUNT, UserSource.ACCOUNT, ACCOUNT_ID))
    await world.fault(source="account", kind="slow", delay=0.3, times=7)
    first = asyncio.create_task(world.graphql(query, {"ids": others[:1]}))
    await asyncio.sleep(0.1)  # the next two wait for the batch of the first, if there is one
    other = asyncio.create_task(world.graphql(query, {"ids": others[1:]}))
    calls = (await reported(world, query, {"ids": [own]}))["calls"]
    assert kinds(calls) == {"call": 1}
    assert [len((await each)["errors"]) for each in (first, other)] == [1, 4]


async def test_retries_and_waits(fresh: Callable[..., Any]) -> None:
    """A further attempt is reported as a retry with the first one's status, and the wait for the rate limit too."""
    world = await fresh(account={"rate_limit": 2})
    await world.fault(source="account", kind="status", status=503, times=1)
    aliases = " ".join(f'u{n}: user(id: "acus_none{n}", source: ACCOUNT) {{ name }}' for n in range(4))
    calls = (await reported(world, f"{{ {aliases} }}"))["calls"]
    await check(world, calls)
    assert kinds(calls)["retry"] == 1
    assert 503 in [call["status"] for call in calls]
    waits = [call for call in calls if call["kind"] == "waited"]
    assert waits
    assert all(call["status"] is None for call in waits)


async def test_parts(fresh: Callable[..., Any]) -> None:
    """With `@defer` the last part has the calls."""
    world = await fresh()
    query = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name ... @defer { role { owner { type } } } } }'
    body = {"query": query, "extensions": {"calls": True}}
    headers = {"Accept": "multipart/mixed"}
    async with world.session.post(f"{world.url}/graphql", json=body, headers=headers) as response:
        parts = [json.loads(part) for part in re.findall(r"^\{.*\}\r?$", await response.text(), re.MULTILINE)]
    assert ["calls" in part.get("extensions", {}) for part in parts] == [False] * (len(parts) - 1) + [True]
    await check(world, parts[-1]["extensions"]["calls"])


async def test_only_on_request(fresh: Callable[..., Any]) -> None:
    """Without a request for them a response has no calls."""
    world = await fresh()
    assert "extensions" not in await world.graphql(ADA)


@pytest.mark.parametrize(("scopes", "shown"), [(["users:read"], False), (["users:read", "calls:read"], True)])
async def test_in_production(fresh: Callable[..., Any], tmp_path: Path, scopes: list[str], *, shown: bool) -> None:
    """In production only callers with the scope `calls:read` get the calls."""
    key, file = api_key(tmp_path, scopes)
    world = await fresh(environment="production", auth={"mode": "api_key", "keys_file": file})
    extensions = await reported(world, ADA, **{"X-API-Key": key})
    assert ("calls" in extensions, "cost" in extensions) == (shown, True)
