"""Partial failures, rate limits, circuits and hedging."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from faults.toxic import FOREVER, Toxic

ADA = "acus_adalovelace1"
READS = {
    "account": f'{{ user(id: "{ADA}", source: ACCOUNT) {{ name }} }}',
    "softwareone": '{ user(id: "USR-0000-0001", source: SOFTWAREONE) { name } }',
    "reseller": f'{{ user(id: "00000000-0000-4000-8000-{1:012}", source: RESELLER) {{ name }} }}',
}


@pytest.mark.parametrize("toxic", [Toxic.RESET_BEFORE, Toxic.GARBAGE, Toxic.HALF_BODY])
@pytest.mark.parametrize(
    ("field", "selection", "path"),
    [
        ("role", "owner { type }", "/identity/roles"),
        ("role", "permissions", "/identity/roles"),
        ("department", "location { name }", "/operations/departments"),
        ("department", "machines { nodes { name } }", "/operations/departments"),
        ("department", "scanningStations { nodes { name } }", "/operations/departments"),
    ],
)
async def test_a_lookup_fails_alone(
    faulty_world: Callable[..., Any], field: str, selection: str, path: str, toxic: Toxic
) -> None:
    """A nested lookup that fails is null, with one error that has its path and code; other fields are unaffected."""
    world = await faulty_world()
    world.proxies["account"].poison(toxic, FOREVER, call=path)
    rest = f"sourceId role {{ name {selection if field == 'role' else ''} }}"
    rest += f" department {{ name {selection if field == 'department' else ''} }}"
    response = await world.graphql(f'{{ user(id: "{ADA}", source: ACCOUNT) {{ {rest} }} }}')
    user = response["data"]["user"]
    name = selection.partition(" ")[0]
    assert user["sourceId"] == ADA
    assert user["role"]["name"]
    assert user["department"]["name"]
    assert user[field][name] is None
    [error] = response["errors"]
    assert error["path"] == ["user", field, name]
    code = "SOURCE_INVALID_RESPONSE" if toxic is Toxic.GARBAGE else "SOURCE_UNAVAILABLE"
    assert (error["extensions"]["code"], error["extensions"]["source"]) == (code, "ACCOUNT")


async def test_an_organization_fails_alone(faulty_world: Callable[..., Any]) -> None:
    """An organization that is a bare reference, and whose lookup fails, is null with its error."""
    world = await faulty_world()
    ada = f"00000000-0000-4000-8000-{1:012}"
    # Not through the API of the sandbox, which would refuse it.
    world.sandbox._parts.store.update("reseller_users", ada, {"organization_id": "bare-reference"})
    world.proxies["reseller"].poison(Toxic.RESET_BEFORE, FOREVER, call="organizations")
    response = await world.graphql(
        f'{{ user(id: "{ada}", source: RESELLER) {{ name role {{ name }} organization {{ name }} }} }}'
    )
    assert response["data"]["user"]["role"]["name"]
    assert response["data"]["user"]["organization"] is None
    [error] = response["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["user", "organization"], "SOURCE_UNAVAILABLE")


async def test_a_failed_lookup_after_a_change(faulty_world: Callable[..., Any]) -> None:
    """A change that was executed is returned, although a lookup of its selection fails."""
    world = await faulty_world()
    world.proxies["account"].poison(Toxic.RESET_BEFORE, FOREVER, call="roles")
    response = await world.graphql(
        f'mutation {{ updateAccountUser(id: "{ADA}", input: {{name: "Kept"}}) {{ name role {{ owner {{ type }} }} }} }}'
    )
    assert response["data"]["updateAccountUser"] == {"name": "Kept", "role": {"owner": None}}
    assert [error["path"] for error in response["errors"]] == [["updateAccountUser", "role", "owner"]]


async def test_a_rate_limit_is_kept(faulty_world: Callable[..., Any]) -> None:
    """Calls within the rate limit are sent; all others are refused at once with a retry delay."""
    world = await faulty_world(every={"timeout": 50}, account={"rate_limit": 0.02})
    reads = [f'{{ user(id: "acus_nobody{n}", source: ACCOUNT) {{ name }} }}' for n in range(10)]
    responses = await asyncio.gather(*map(world.graphql, reads))
    refused = [response["errors"][0]["extensions"] for response in responses if "errors" in response]
    assert len(refused) == 9
    assert {(error["code"], error["retryable"], error["source"]) for error in refused} == {
        ("RATE_LIMITED", True, "ACCOUNT")
    }
    assert all(error["retryAfter"] > 49 for error in refused)
    assert len(await world.calls()) == 1
    assert await world.metric("gateway_source_events_total", event="refused", detail="pace") == 9


@pytest.mark.parametrize("status", [500, 503])
async def test_a_circuit(faulty_world: Callable[..., Any], status: int) -> None:
    """After enough failures a source is not called; the gateway is unready only when all circuits are open."""
    world = await faulty_world(every={"max_attempts": 1})
    for source, read in READS.items():
        await world.fault(source=source, kind="status", status=status, times=1_000)
        for _ in range(19):
            await world.graphql(read)
    for source, read in READS.items():  # which takes less time than a circuit is open
        assert (await world.text("/readyz"))[0] == 200
        assert await world.metric("gateway_circuit_state", source=source, state="open") == 0
        await world.graphql(read)
        calls = await world.calls()
        [error] = (await world.graphql(read))["errors"]
        extensions = error["extensions"]
        assert (extensions["code"], extensions["retryable"]) == ("SOURCE_UNAVAILABLE", True)
        assert 0 < extensions["retryAfter"] <= 10
        assert await world.calls() == calls
        assert await world.metric("gateway_circuit_state", source=source, state="open") == 1
        assert await world.metric("gateway_source_events_total", source=source, event="opened") == 1
        assert await world.metric("gateway_source_events_total", source=source, detail="circuit") == 1
    assert (await world.text("/readyz"))[0] == 503
    assert (await world.text("/healthz"))[0] == 200


async def test_refusals_open_no_circuit(faulty_world: Callable[..., Any]) -> None:
    """Responses with 4xx, also 429, do not open the circuit: the source is available."""
    world = await faulty_world(every={"max_attempts": 1})
    for status in (400, 401, 403, 404, 409, 429):
        await world.fault(source="account", kind="status", status=status, retryAfter=0, times=20)
        for _ in range(20):
            await world.graphql(READS["account"])
    assert len(await world.calls()) == 120
    assert await world.metric("gateway_circuit_state", source="account", state="closed") == 1


@pytest.mark.parametrize("hedge", [True, False])
async def test_hedging(faulty_world: Callable[..., Any], *, hedge: bool) -> None:
    """With hedging on, a slow read is sent a second time, and the first response is used."""
    world = await faulty_world(account={"hedge": hedge, "try_timeout": 10})
    for _ in range(20):
        assert "errors" not in await world.graphql(READS["account"])
    await world.fault(source="account", kind="slow", delay=2)
    assert "errors" not in await world.graphql(READS["account"])
    assert len(await world.calls()) == 21 + hedge
    assert await world.metric("gateway_source_events_total", event="hedged") == hedge
    assert await world.metric("gateway_source_events_total", event="hedge_won") == hedge


async def test_changes_are_not_hedged(faulty_world: Callable[..., Any]) -> None:
    """A slow change is not sent a second time, although hedging is on."""
    world = await faulty_world(account={"hedge": True, "try_timeout": 10})
    for _ in range(20):
        await world.graphql(READS["account"])
    await world.fault(source="account", method="PATCH", kind="slow", delay=0.5)
    await world.data(f'mutation {{ updateAccountUser(id: "{ADA}", input: {{name: "Slow"}}) {{ name }} }}')
    assert len(await world.calls()) == 21
