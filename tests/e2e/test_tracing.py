"""The trace context of a caller is sent to the sources."""

from typing import Any

import pytest

USER = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name } }'
RENAME = 'mutation { updateAccountUser(id: "acus_adalovelace1", input: {name: "Ada"}) { name } }'
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("query", [USER, RENAME], ids=["read", "change"])
async def test_a_trace_is_forwarded(world: Any, query: str) -> None:
    """The `traceparent` of a request is sent with its calls, and not with the calls of the next request."""
    await world.data(query, traceparent=TRACE)
    await world.data(query)
    traced, untraced = await world.calls()
    assert traced["headers"].get("traceparent") == TRACE
    assert "traceparent" not in untraced["headers"]


async def test_a_trace_that_is_not_valid(world: Any) -> None:
    """A `traceparent` that is not valid is not forwarded."""
    await world.data(USER, traceparent="00-x\u00e9")
    [call] = await world.calls()
    assert "traceparent" not in call["headers"]
