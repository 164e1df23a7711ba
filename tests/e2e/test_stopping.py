"""Stopping a process: readiness fails before the ports are closed."""

import asyncio
import os
import signal
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientSession
from conftest import Running, command


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


@pytest.mark.parametrize("server", ["aiohttp", "lean"])
async def test_a_load_balancer_that_checks(server: str) -> None:
    """Where /readyz is requested, requests are served for the time of three checks, and close their connections."""
    with _serving(server) as running:
        url = running.address("GraphQL").removesuffix("/graphql")
        async with ClientSession() as session:
            assert await _status(session, f"{url}/readyz") == 200
            os.kill(running.pid, signal.SIGTERM)
            stopped = time.monotonic()
            served = 0.0
            while True:
                try:
                    async with session.post(f"{url}/graphql", json={"query": "{ __typename }"}) as response:
                        assert response.status == 200
                except ClientConnectionError:
                    break
                served = time.monotonic() - stopped
                if served > 1:
                    assert response.headers["Connection"] == "close"
                await asyncio.sleep(0.1)
            assert served > 7


@pytest.mark.parametrize("server", ["aiohttp", "lean"])
def test_nobody_checks(server: str) -> None:
    """Where /readyz is not requested, no time passes between the signal and the closing of the ports."""
    with _serving(server) as running:
        os.kill(running.pid, signal.SIGTERM)
        started = time.monotonic()
        while Path(f"/proc/{running.pid}/fd/0").exists() and time.monotonic() - started < 10:
            time.sleep(0.02)
        assert time.monotonic() - started < 6


def _serving(server: str) -> AbstractContextManager[Running]:
    return command("demo", "--http-port", "0", "--grpc-port", "0", last="{ user(", GATEWAY_HTTP_SERVER=server)


async def _status(session: ClientSession, url: str) -> int:
    async with session.get(url) as response:
        return response.status
