"""A gateway over a sandbox with its HTTP server in this process, and a client of its Connect methods."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientSession
from connect_client import ConnectClient
from still_clock import running_clock

from gateway import Gateway, Settings
from gateway.telemetry.report import RequestReport
from gateway.testing import Sandbox
from gateway.testing.clock import AdjustableClock


@dataclass(slots=True)
class World:
    """A gateway, its client, and the reports of its requests."""

    sandbox: Sandbox
    gateway: Gateway
    client: ConnectClient
    reports: list[RequestReport]


@asynccontextmanager
async def opened(
    authenticate: Any = None, clock: AdjustableClock | None = None, **settings: Any
) -> AsyncIterator[World]:
    """Open a world with these settings."""
    async with Sandbox(clock=clock or running_clock()) as sandbox, ClientSession() as session:
        configured: Settings = sandbox.settings(http_port=0, grpc_port=None, **settings)
        async with Gateway(configured, authenticate=authenticate, clock=sandbox.clock) as gateway:
            reports: list[RequestReport] = []
            gateway._telemetry._sinks = (*gateway._telemetry._sinks, reports.extend)
            server = await gateway.serve_http(grace=0.2)
            try:
                url = f"http://127.0.0.1:{server.address[1]}"
                yield World(sandbox, gateway, ConnectClient(session, url), reports)
            finally:
                await server.stop()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A world over all sources, without authentication."""
    async with opened(http_server="lean") as world:  # `open_world` has the default, so that both are tested
        yield world


@pytest.fixture
def open_world() -> Any:
    """Opens a world with other settings."""
    return opened
