"""Being told to stop: load balancers hear of it first."""

import asyncio
import os
import signal
from typing import Any

from aiohttp import ClientSession
from conftest import command


async def test_readiness_goes_first() -> None:
    """A process that is told to stop says so at /readyz, and still answers until its delay is over."""
    with command("demo", "--http-port", "0", "--grpc-port", "0", last="{ user(", GATEWAY_DRAIN_DELAY="3") as running:
        url = running.address("GraphQL").removesuffix("/graphql")
        async with ClientSession() as session:
            assert await _status(session, f"{url}/readyz") == 200
            os.kill(running.pid, signal.SIGTERM)
            async with asyncio.timeout(2.5):
                while await _status(session, f"{url}/readyz") != 503:
                    pass
            assert await _status(session, f"{url}/healthz") == 200
            async with session.post(f"{url}/graphql", json={"query": "{ __typename }"}) as answer:
                said: Any = await answer.json()
            assert said == {"data": {"__typename": "Query"}}


async def _status(session: ClientSession, url: str) -> int:
    async with session.get(url) as answer:
        return answer.status
