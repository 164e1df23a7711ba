"""The findings of graphql-cop in production and in development."""

from collections.abc import Callable

import pytest
from security.cop import ADDITIONAL, TWELVE, Check, Endpoint, get_queries
from security.outside import Caller, RecordedProcess, Serve


async def _findings(caller: Caller, checks: dict[str, Check]) -> set[str]:
    assert (await caller.execute("{ __typename }")) == {"data": {"__typename": "Query"}}  # the caller is authenticated
    endpoint = Endpoint(caller.session, caller.url, dict(caller.headers))
    return {name for name, check in checks.items() if await check(endpoint)}


def test_there_are_twelve() -> None:
    """All twelve checks of the tool are there, and the additional ones are not among them."""
    assert len(TWELVE) == 12
    assert not TWELVE.keys() & ADDITIONAL.keys()


async def test_production(production: RecordedProcess, caller_of: Callable[..., Caller]) -> None:
    """In production the checks find only that queries by GET are executed, for a caller with every scope.

    The check sends the caller's key with its GET, as no page of another site can; see `test_foreign_pages.py`.
    """
    assert await _findings(caller_of(production, "all"), TWELVE | ADDITIONAL) == {get_queries.__name__}
    unknown = caller_of(production)
    assert not await get_queries(Endpoint(unknown.session, unknown.url, {}))


async def test_development(development: RecordedProcess, caller_of: Callable[..., Caller]) -> None:
    """In development the checks find the three features that are on there, and nothing else."""
    assert await _findings(caller_of(development), TWELVE | ADDITIONAL) == {
        "introspection",
        "field_suggestions",
        "graphiql",
    }


@pytest.mark.parametrize("convenience", ["introspection", "graphiql"])
async def test_a_convenience_in_production(
    serve: Serve, production_settings: dict[str, str], caller_of: Callable[..., Caller], convenience: str
) -> None:
    """A feature that is turned on in production is found, so the checks are effective."""
    with serve(**production_settings, **{f"GATEWAY_{convenience.upper()}": "true"}) as running:
        assert convenience in await _findings(caller_of(running, "all"), TWELVE)
