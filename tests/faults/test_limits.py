"""Parts that fail alone, limits that are kept, circuits that open, reads that are hedged."""

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


@pytest.mark.parametrize("trouble", [Toxic.RESET_BEFORE, Toxic.GARBAGE, Toxic.HALF_BODY])
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
    troubled: Callable[..., Any], field: str, selection: str, path: str, trouble: Toxic
) -> None:
    """A nested lookup that fails is null, with one error that has its path and code; the rest stands."""
    world = await troubled()
    world.proxies["account"].poison(trouble, FOREVER, call=path)
    rest = f"sourceId role {{ name {selection if field == 'role' else ''} }}"
    rest += f" department {{ name {selection if field == 'department' else ''} }}"
    answer = await world.graphql(f'{{ user(id: "{ADA}", source: ACCOUNT) {{ {rest} }} }}')
    user = answer["data"]["user"]
    name = selection.partition(" ")[0]
    assert user["sourceId"] == ADA
    assert user["role"]["name"]
    assert user["department"]["name"]
    assert user[field][name] is None
    [error] = answer["errors"]
    assert error["path"] == ["user", field, name]
    code = "SOURCE_INVALID_RESPONSE" if trouble is Toxic.GARBAGE else "SOURCE_UNAVAILABLE"
    assert (error["extensions"]["code"], error["extensions"]["source"]) == (code, "ACCOUNT")


async def test_an_organization_fails_alone(troubled: Callable[..., Any]) -> None:
    """A reseller user's organization that was told by its id alone, and cannot be looked up, is null with its error."""
    world = await troubled()
    ada = f"00000000-0000-4000-8000-{1:012}"
    # The sandbox's own API would not let it be: it is there before.
    world.sandbox._store.update("reseller_users", ada, {"organization_id": "told-by-id-alone"})
    world.proxies["reseller"].poison(Toxic.RESET_BEFORE, FOREVER, call="organizations")
    answer = await world.graphql(
        f'{{ user(id: "{ada}", source: RESELLER) {{ name role {{ name }} organization {{ name }} }} }}'
    )
    assert answer["data"]["user"]["role"]["name"]
    assert answer["data"]["user"]["organization"] is None
    [error] = answer["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["user", "organization"], "SOURCE_UNAVAILABLE")


async def test_a_failed_lookup_after_a_change(troubled: Callable[..., Any]) -> None:
    """A change that was carried out stands, whatever happens to what its caller selects beside it."""
    world = await troubled()
    world.proxies["account"].poison(Toxic.RESET_BEFORE, FOREVER, call="roles")
    answer = await world.graphql(
        f'mutation {{ updateAccountUser(id: "{ADA}", input: {{name: "Kept"}}) {{ name role {{ owner {{ type }} }} }} }}'
    )
    assert answer["data"]["updateAccountUser"] == {"name": "Kept", "role": {"owner": None}}
    assert [error["path"] for error in answer["errors"]] == [["updateAccountUser", "role", "owner"]]


async def test_a_rate_limit_is_kept(troubled: Callable[..., Any]) -> None:
    """What the limit allows passes; the rest is refused at once with the time to come back, and never sent."""
    world = await troubled(every={"timeout": 50}, account={"rate_limit": 0.02})
    reads = [f'{{ user(id: "acus_nobody{n}", source: ACCOUNT) {{ name }} }}' for n in range(10)]
    answers = await asyncio.gather(*map(world.graphql, reads))
    refused = [answer["errors"][0]["extensions"] for answer in answers if "errors" in answer]
    assert len(refused) == 9
    assert {(one["code"], one["retryable"], one["source"]) for one in refused} == {("RATE_LIMITED", True, "ACCOUNT")}
    assert all(one["retryAfter"] > 49 for one in refused)
    assert len(await world.calls()) == 1
    assert await world.metric("gateway_source_events_total", event="refused", detail="pace") == 9


@pytest.mark.parametrize("status", [500, 503])
async def test_a_circuit(troubled: Callable[..., Any], status: int) -> None:
    """After enough failures a source is not asked; the gateway is unready only when that is so of every source."""
    world = await troubled(every={"max_attempts": 1})
    for source, read in READS.items():
        await world.fault(source=source, kind="status", status=status, times=1_000)
        assert (await world.text("/readyz"))[0] == 200
        for _ in range(20):
            assert await world.metric("gateway_circuit_state", source=source, state="open") == 0
            await world.graphql(read)
        await world.forget()
        [error] = (await world.graphql(read))["errors"]
        told = error["extensions"]
        assert (told["code"], told["retryable"]) == ("SOURCE_UNAVAILABLE", True)
        assert 0 < told["retryAfter"] <= 10
        assert await world.calls() == []
        assert await world.metric("gateway_circuit_state", source=source, state="open") == 1
        assert await world.metric("gateway_source_events_total", source=source, event="opened") == 1
        assert await world.metric("gateway_source_events_total", source=source, detail="circuit") == 1
    assert (await world.text("/readyz"))[0] == 503
    assert (await world.text("/healthz"))[0] == 200


async def test_refusals_open_no_circuit(troubled: Callable[..., Any]) -> None:
    """4xx and 429 say that the source is there: its circuit stays closed."""
    world = await troubled(every={"max_attempts": 1})
    for status in (400, 401, 403, 404, 409, 429):
        await world.fault(source="account", kind="status", status=status, retryAfter=0, times=20)
        for _ in range(20):
            await world.graphql(READS["account"])
    assert len(await world.calls()) == 120
    assert await world.metric("gateway_circuit_state", source="account", state="closed") == 1


@pytest.mark.parametrize("hedge", [True, False])
async def test_hedging(troubled: Callable[..., Any], *, hedge: bool) -> None:
    """Where it is set on, a read that is slower than most is sent a second time, and the quicker answer counts."""
    world = await troubled(account={"hedge": hedge, "try_timeout": 10})
    for _ in range(20):
        assert "errors" not in await world.graphql(READS["account"])
    await world.fault(source="account", kind="slow", delay=2)
    assert "errors" not in await world.graphql(READS["account"])
    assert len(await world.calls()) == 21 + hedge
    assert await world.metric("gateway_source_events_total", event="hedged") == hedge
    assert await world.metric("gateway_source_events_total", event="hedge_won") == hedge


async def test_changes_are_not_hedged(troubled: Callable[..., Any]) -> None:
    """A slow change is waited for, whatever is set for reads."""
    world = await troubled(account={"hedge": True, "try_timeout": 10})
    for _ in range(20):
        await world.graphql(READS["account"])
    await world.fault(source="account", method="PATCH", kind="slow", delay=0.5)
    await world.data(f'mutation {{ updateAccountUser(id: "{ADA}", input: {{name: "Slow"}}) {{ name }} }}')
    assert len(await world.calls()) == 21
