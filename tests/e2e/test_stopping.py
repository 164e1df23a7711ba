"""Stopping a process: readiness fails before the ports are closed."""

import asyncio
import os
import signal
from typing import Any

from aiohttp import ClientSession
from conftest import command


async def test_readiness_fails_first() -> None:
    """A stopping process returns 503 at /readyz, and still executes requests until the end of its delay."""
    with command("demo", "--http-port", "0", "--grpc-port", "0", last="{ user(", GATEWAY_DRAIN_DELAY="3") as running:
        url = running.address("GraphQL").removesuffix("/graphql")
        async with ClientSession() as session:
            assert await _status(session, f"{url}/readyz") == 200
            os.kill(running.pid, signal.SIGTERM)
            async with asyncio.timeout(2.5):
                while await _status(session, f"{url}/readyz") != 503:
                    pass
            assert await _status(session, f"{url}/healthz") == 200
            async with session.post(f"{url}/graphql", json={"query": "{ __typename }"}) as response:
                result: Any = await response.json()
            assert result == {"data": {"__typename": "Query"}}


async def _status(session: ClientSession, url: str) -> int:
    async with session.get(url) as response:
        return response.status
