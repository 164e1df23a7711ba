"""The port for operators: metrics, health and status apart from the API."""

import asyncio
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientSession
from conftest import Running, command

from gateway import Gateway, Settings

PATHS = ("/metrics", "/healthz", "/readyz", "/status")
PORTS = ("--http-port", "0", "--grpc-port", "off", "--admin-port", "0", "--drain-delay", "0")


def api(running: Running) -> str:
    """Return the base URL of the API."""
    return running.address("GraphQL").removesuffix("/graphql")


def admin(running: Running) -> str:
    """Return the base URL of the admin port."""
    return running.address("metrics").removesuffix("/metrics")


async def is_executing(session: ClientSession, admin_url: str) -> bool:
    """Return whether the API is executing a request."""
    async with session.get(f"{admin_url}/metrics") as response:
        return 'gateway_active_requests{surface="http"} 1.0' in await response.text()


@pytest.mark.parametrize("server", ["aiohttp", "lean"])
async def test_what_is_served_where(server: str) -> None:
    """With an admin port, the paths for operators are served there and not on the port of the API, and vice versa."""
    with command("demo", *PORTS, last="{ user(", GATEWAY_HTTP_SERVER=server) as running:
        assert api(running) != admin(running)
        async with ClientSession() as session:
            for path in PATHS:
                assert await status(session, admin(running) + path) == 200
                assert await status(session, api(running) + path) == 404
            for path in ("/graphql", "/webhooks/reseller", "/images/x"):
                async with session.post(admin(running) + path, json={"query": "{ __typename }"}) as response:
                    assert response.status == 404
            async with session.post(
                f"{api(running)}/graphql", json={"query": "{ users { nodes { id } } }"}
            ) as response:
                assert response.status == 200
            async with session.get(f"{admin(running)}/metrics") as response:
                assert "gateway_circuit_state" in await response.text()


async def test_without_an_admin_port(gateway_url: str) -> None:
    """Without an admin port, the paths for operators are served on the port of the API."""
    async with ClientSession() as session:
        for path in PATHS:
            assert await status(session, gateway_url + path) == 200


async def test_it_is_open_until_the_end() -> None:
    """When the process stops, the admin port is open until the running requests are done: after the API's port."""
    patient = {"GATEWAY_ACCOUNT__TIMEOUT": "300"}
    with command("demo", *PORTS, "--live-drain", "0.1", last="{ user(", **patient) as running:
        control = running.address("sandbox").removesuffix("/calls")
        async with ClientSession() as session:
            fault = {"source": "account", "kind": "slow", "delay": 120, "times": 5}
            async with session.post(f"{control}/faults", json=fault) as response:
                assert response.status < 300
            body = {"query": "{ users(filter: {sources: [ACCOUNT]}) { nodes { id } } }"}
            request = asyncio.create_task(post(f"{api(running)}/graphql", body))
            async with asyncio.timeout(30):
                while not await is_executing(session, admin(running)):  # noqa: ASYNC110 - it is another process
                    await asyncio.sleep(0.05)
            os.kill(running.pid, signal.SIGTERM)
            async with asyncio.timeout(30):
                while await is_open(api(running)):
                    assert await status(session, f"{admin(running)}/healthz") == 200
                    await asyncio.sleep(0.05)
            assert not request.done()
            assert await status(session, f"{admin(running)}/readyz") == 503
            assert await status(session, f"{admin(running)}/metrics") == 200
            async with session.get(f"{admin(running)}/status") as response:
                assert (await response.json())["process"]["state"] == "stopping"
            request.cancel()
        os.kill(running.pid, signal.SIGKILL)  # the call takes much longer than the test


async def test_a_program_that_embeds_the_gateway() -> None:
    """A program that embeds the gateway starts the admin port itself, and its application then leaves the paths out."""
    async with Gateway(Settings(admin_port=0, http_port=0)) as gateway:
        served = await gateway.serve_admin()
        site = await gateway.serve_http(grace=1)
        assert served is not None
        try:
            async with ClientSession() as session:
                for path in PATHS:
                    assert await status(session, "http://{}:{}".format(*served.address) + path) == 200
                    assert await status(session, "http://{}:{}".format(*site.address) + path) == 404
        finally:
            await site.stop()
            await served.stop()
    async with Gateway(Settings()) as gateway:
        assert await gateway.serve_admin() is None


async def status(session: ClientSession, url: str) -> int:
    async with session.get(url) as response:
        return response.status


async def post(url: str, body: Any) -> Any:
    async with ClientSession() as session, session.post(url, json=body) as response:
        return await response.json()


async def is_open(url: str) -> bool:
    try:
        async with ClientSession() as session, session.get(url):
            return True
    except ClientConnectionError:
        return False


async def test_a_page_of_another_origin(caplog: pytest.LogCaptureFixture) -> None:
    """It reads nothing there, and the log advises no setting: those of the API would not change that."""
    settings = Settings(http_port=0, grpc_port=None, admin_port=0, cors_origins=("https://app.example",))
    async with Gateway(settings) as gateway, ClientSession() as session:
        server = await gateway.serve_admin()
        assert server is not None
        url = f"http://127.0.0.1:{server.address[1]}/status"
        async with session.get(url, headers={"Origin": "https://app.example"}) as response:
            assert "Access-Control-Allow-Origin" not in response.headers
        await server.stop()
    [record] = [record for record in caplog.records if record.name == "gateway.http.cors"]
    assert "CORS_ORIGINS" not in record.getMessage()


async def test_while_the_dns_hangs() -> None:
    """The status needs none of the threads in which host names are resolved: all of them may wait."""
    loop, resolved = asyncio.get_running_loop(), threading.Event()
    settings = Settings(http_port=0, grpc_port=None, admin_port=0)
    async with Gateway(settings) as gateway, ClientSession() as session:
        server = await gateway.serve_admin()
        assert server is not None
        loop.set_default_executor(ThreadPoolExecutor(1))
        waiting = loop.run_in_executor(None, resolved.wait)
        try:
            async with asyncio.timeout(30):
                assert await status(session, f"http://127.0.0.1:{server.address[1]}/status") == 200
        finally:
            resolved.set()
        await waiting
        await server.stop()
