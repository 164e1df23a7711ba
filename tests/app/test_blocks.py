"""The block in which a gateway is open: entered once at a time, and again after it was left."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gateway import Gateway, Settings
from gateway.models import UserSource
from gateway.testing import LANDMARKS, Sandbox

ADA = LANDMARKS["account"]["ada"]
QUERY = f'{{ user(id: "{ADA}", source: ACCOUNT) {{ name }} }}'


async def test_twice_at_once(gateway: Gateway) -> None:
    """A gateway that is open cannot be entered, and stays as it is."""
    with pytest.raises(RuntimeError, match="entered already"):
        await gateway.__aenter__()
    assert (await gateway.execute(QUERY)).errors is None


async def test_after_the_block(gateway_sandbox: Sandbox) -> None:
    """What was kept of a gateway that is closed says so, instead of calling a source with a closed client."""
    async with Gateway(gateway_sandbox.settings()) as gateway:
        users = gateway.users
    with pytest.raises(RuntimeError, match="the gateway is closed"):
        await users.get_user(ADA, UserSource.ACCOUNT)
    with pytest.raises(RuntimeError, match="the gateway is closed"):
        await anext(users.subscribe())
    with pytest.raises(RuntimeError, match="the gateway is closed"):
        await gateway.execute(QUERY)
    async with gateway:
        with pytest.raises(RuntimeError, match="the gateway is closed"):  # it belongs to the block before
            await users.get_user(ADA, UserSource.ACCOUNT)
        assert await gateway.users.get_user(ADA, UserSource.ACCOUNT)


def test_an_application_that_starts_several_times(gateway_sandbox: Sandbox) -> None:
    """An application with the gateway mounted before its start serves in each of its lifespans, each with its loop.

    A test client starts it once for each test.
    """
    gateway = Gateway(gateway_sandbox.settings())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with gateway:
            yield
            await gateway.drain()

    app = FastAPI(lifespan=lifespan)
    app.mount("/people", gateway.asgi_app())

    @app.get("/name")
    async def name() -> Any:
        user = await gateway.users.get_user(ADA, UserSource.ACCOUNT)
        return user and user.name

    for _ in range(2):
        with TestClient(app) as client:
            response = client.post("/people/graphql", json={"query": QUERY})
            assert response.json() == {"data": {"user": {"name": "Ada Lovelace"}}}
            assert client.get("/name").json() == "Ada Lovelace"
            assert client.get("/people/readyz").status_code == 200
    with pytest.raises(RuntimeError, match="the gateway is closed"):
        TestClient(app).post("/people/graphql", json={"query": QUERY})


def test_settings_of_another_type() -> None:
    """Settings as a mapping, or their class, are refused with what to pass."""
    for settings in ({"account": {}}, Settings):
        with pytest.raises(TypeError, match=r"gateway\.Settings"):
            Gateway(settings)  # type: ignore[arg-type] # what a type checker would find


async def test_no_time(gateway: Gateway) -> None:
    """A timeout of 0 is one, and not the default."""
    [error] = (await gateway.execute(QUERY, timeout=0)).errors or ()
    assert error.extensions
    assert error.extensions["code"] == "SOURCE_TIMEOUT"
