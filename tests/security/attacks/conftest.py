"""What callers can do to others: take memory, time, descriptors, the disk or the calls to a source.

Each attack is made on real sockets with the settings of production. `GATEWAY_ATTACK_SCALE` multiplies the amounts (1 by
default). Limits of time and memory are several times what was measured, and a fraction of what the attack caused before
it was defended against.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from security.outside import Serve

__all__ = ["READ", "scaled"]

SCALE = float(os.environ.get("GATEWAY_ATTACK_SCALE", "1"))
READ = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name } }'


def scaled(count: int) -> int:
    """Return the number of repetitions for this run."""
    return max(1, int(count * SCALE))


@pytest.fixture(scope="module", params=["aiohttp", "lean"])
def target(request: pytest.FixtureRequest, serve: Serve, production_settings: dict[str, str]) -> Iterator[Any]:
    """A gateway with the settings of production, on each of the HTTP servers."""
    with serve(**production_settings, GATEWAY_HTTP_SERVER=request.param) as running:
        yield running
