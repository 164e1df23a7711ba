"""The trace context of a caller is sent to the sources, where the gateway records no spans."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from e2e.held_source import HeldSource, call_is_shared

USER = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name } }'
RENAME = 'mutation { updateAccountUser(id: "acus_adalovelace1", input: {name: "Ada"}) { name } }'
ROLE_OWNER = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { role { owner { type } } } }'
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NOT_VALID = {
    "not hexadecimal": "00-x\u00e9",
    "trace id of zeros": f"00-{'0' * 32}-00f067aa0ba902b7-01",
    "parent id of zeros": f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
    "version ff": f"ff{TRACE[2:]}",
    "further field in version 00": f"{TRACE}-00",
    "capitals": TRACE.upper(),
}


@pytest.mark.parametrize("query", [USER, RENAME], ids=["read", "change"])
async def test_a_trace_is_forwarded(world: Any, query: str) -> None:
    """The `traceparent` of a request is sent with its calls, and not with the calls of the next request."""
    await world.data(query, traceparent=TRACE)
    await world.data(query)
    traced, untraced = await world.calls()
    assert traced["headers"].get("traceparent") == TRACE
    assert "traceparent" not in untraced["headers"]


async def test_the_state_of_a_trace(world: Any) -> None:
    """The `tracestate` of a request is sent with its `traceparent`, and not without one."""
    await world.data(USER, traceparent=TRACE, tracestate="vendor=1,other@x=2")
    await world.data(USER, tracestate="vendor=1")
    await world.data(USER, traceparent=TRACE, tracestate="x" * 513)
    with_both, without_trace, too_long = [call["headers"] for call in await world.calls()]
    assert (with_both["traceparent"], with_both["tracestate"]) == (TRACE, "vendor=1,other@x=2")
    assert not {"traceparent", "tracestate"} & without_trace.keys()
    assert (too_long["traceparent"], too_long.get("tracestate")) == (TRACE, None)


@pytest.mark.parametrize("sent", NOT_VALID.values(), ids=NOT_VALID)
async def test_a_trace_that_is_not_valid(world: Any, sent: str) -> None:
    """A `traceparent` that is not valid is not forwarded."""
    await world.data(USER, traceparent=sent)
    [call] = await world.calls()
    assert "traceparent" not in call["headers"]


async def test_a_later_version(world: Any) -> None:
    """A `traceparent` of a later version is forwarded with its further fields."""
    later = f"01{TRACE[2:]}-extra"
    await world.data(USER, traceparent=later)
    [call] = await world.calls()
    assert call["headers"]["traceparent"] == later


async def test_lookups_of_several_operations(fresh: Callable[..., Any]) -> None:
    """A lookup that several operations share is sent with the trace context of the one that came first."""
    held = HeldSource("/account-users/")
    world = await fresh(held={"account": held}, timeout=60)
    traces = [f"00-{number:032x}-00f067aa0ba902b7-01" for number in (1, 2)]
    reading = asyncio.gather(*(world.data(ROLE_OWNER, traceparent=trace) for trace in traces))
    await call_is_shared(world.session, world.url)
    held.release()
    await reading
    user, role = await world.calls()
    assert user["headers"]["traceparent"] in traces
    assert role["headers"]["traceparent"] == user["headers"]["traceparent"]
