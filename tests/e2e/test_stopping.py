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
    with command("demo", "--http-port", "0", "--grpc-port", "0", last="{ user(", GATEWAY_DRAIN_DELAY="60") as running:
        url = running.address("GraphQL").removesuffix("/graphql")
        async with ClientSession() as session:
            assert await _status(session, f"{url}/readyz") == 200
            os.kill(running.pid, signal.SIGTERM)
            await _fails(session, f"{url}/readyz")
            assert await _status(session, f"{url}/healthz") == 200
            async with session.post(f"{url}/graphql", json={"query": "{ __typename }"}) as response:
                result: Any = await response.json()
            assert result == {"data": {"__typename": "Query"}}
        os.kill(running.pid, signal.SIGKILL)  # the delay is much longer than the test


@pytest.mark.parametrize("server", ["aiohttp", "lean"])
async def test_a_load_balancer_that_checks(server: str) -> None:
    """Where /readyz is requested, requests are served for the time of three checks, and close their connections.

    Where nobody requests it, no time passes between the signal and the closing of the ports: the other process ends
    long before.
    """
    with _serving(server) as running, _serving(server) as unchecked:
        url = running.address("GraphQL").removesuffix("/graphql")
        async with ClientSession() as session:
            assert await _status(session, f"{url}/readyz") == 200
            signalled = time.monotonic()
            for process in (running, unchecked):
                os.kill(process.pid, signal.SIGTERM)
            await _fails(session, f"{url}/readyz")
            served_alone = 0
            while True:
                has_ended = not _is_running(unchecked)
                try:
                    async with session.post(f"{url}/graphql", json={"query": "{ __typename }"}) as response:
                        assert (response.status, response.headers["Connection"]) == (200, "close")
                except ClientConnectionError:
                    break
                served_alone += has_ended
                await asyncio.sleep(0.1)
            # A machine that is slow lets the end be seen later, not earlier.
            assert time.monotonic() - signalled > 7
            assert served_alone > 10


def _serving(server: str) -> AbstractContextManager[Running]:
    return command("demo", "--http-port", "0", "--grpc-port", "0", last="{ user(", GATEWAY_HTTP_SERVER=server)


def _is_running(process: Running) -> bool:
    return Path(f"/proc/{process.pid}/fd/0").exists()


async def _status(session: ClientSession, url: str) -> int:
    async with session.get(url) as response:
        return response.status


async def _fails(session: ClientSession, url: str) -> None:
    """Wait until a URL returns 503."""
    async with asyncio.timeout(30):
        while await _status(session, url) != 503:
            pass
