"""The checks of graphql-cop, from outside: what they find in production and in development."""

from collections.abc import Callable

import pytest
from security.cop import BEYOND, TWELVE, Check, Endpoint
from security.outside import Caller, Recorded, Serve


async def _findings(caller: Caller, checks: dict[str, Check]) -> set[str]:
    assert (await caller.ask("{ __typename }")) == {"data": {"__typename": "Query"}}  # it is let in, and answered
    endpoint = Endpoint(caller.session, caller.url, dict(caller.headers))
    return {name for name, check in checks.items() if await check(endpoint)}


def test_there_are_twelve() -> None:
    """The tool's twelve are all here; what is checked beyond them is none of them."""
    assert len(TWELVE) == 12
    assert not TWELVE.keys() & BEYOND.keys()


async def test_production(production: Recorded, at: Callable[..., Caller]) -> None:
    """Where it is put on the internet the twelve checks find nothing, not even for a caller with every scope."""
    assert await _findings(at(production, "all"), TWELVE | BEYOND) == set()


async def test_development(development: Recorded, at: Callable[..., Caller]) -> None:
    """In development they find the three conveniences that are on there, and nothing else."""
    assert await _findings(at(development), TWELVE | BEYOND) == {"introspection", "field_suggestions", "graphiql"}


@pytest.mark.parametrize("convenience", ["introspection", "graphiql"])
async def test_a_convenience_in_production(
    serve: Serve, production_settings: dict[str, str], at: Callable[..., Caller], convenience: str
) -> None:
    """What production leaves out can be set on there, and is found then: the checks do look."""
    with serve(**production_settings, **{f"GATEWAY_{convenience.upper()}": "true"}) as running:
        assert convenience in await _findings(at(running, "all"), TWELVE)
