"""The status of a running gateway: as JSON, and in the terminal."""

import asyncio
import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from typing import Any

import grpc
import msgspec
import pytest
from aiohttp import ClientSession, web
from conftest import GATEWAY, ROOT, Running, command
from e2e.conftest import World
from security.outside import call_grpc, wait_until
from state.conftest import redis_url
from web_app import running

from gateway import Gateway, Settings
from gateway.telemetry.status import Status

__all__ = ["redis_url"]

USERS = "query Users { users(first: 5) { nodes { id } unavailable { code } } }"
BAD_CHANGE = 'mutation Rename { updateAccountUser(id: "x", input: {}) { id } }'
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


async def read(world: World) -> Any:
    """Return the status as JSON."""
    async with world.session.get(f"{world.url}/status") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
        return await response.json()


def source(status: Any, name: str) -> Any:
    """Return the part of a status about one source."""
    [found] = [each for each in status["sources"] if each["name"] == name]
    return found


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return subprocess.run(
        [GATEWAY, "status", *arguments],
        env=clean | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_what_works_and_what_fails(fresh: Callable[..., Any]) -> None:
    """One sees which source fails and how, which operations fail because of it, and who calls."""
    world = await fresh(max_attempts=1)
    for _ in range(3):
        await world.data(USERS)
    await world.fault(source="softwareone", kind="status", status=503, times=50)
    for _ in range(2):
        await world.data(USERS)
    await world.graphql(BAD_CHANGE)
    status = await read(world)
    assert status["process"]["state"] == "ready"
    softwareone, account = source(status, "softwareone"), source(status, "account")
    assert softwareone["calls"]["last_minute"]["failed"] == 2
    assert softwareone["calls"]["last_minute"]["count"] == 5
    assert account["calls"]["last_minute"]["failed"] == 0
    assert account["calls"]["last_minute"]["p95_ms"] > 0
    assert account["budget"]["limit"] == 20
    assert softwareone["host"].startswith("127.0.0.1:")
    assert "status 503" in softwareone["last_failure"]["cause"]
    operations = {each["operation"]: each for each in status["operations"]}
    assert operations["Rename"]["failed"] == 1
    assert operations["Users"]["count"] == 5
    [caller] = status["callers"]
    assert caller["operations"] == 6
    assert caller["calls"]["account"] == 5
    assert status["requests"]["last_minute"]["count"] == 6


async def test_the_cause_of_a_failure(fresh: Callable[..., Any]) -> None:
    """A source that answers HTML fails although its status is 200; one sees since when, where and why, and no query."""
    world = await fresh(max_attempts=1)
    await world.data(USERS)
    await world.fault(source="reseller", kind="html", times=50)
    for _ in range(3):
        await world.data(USERS)
    status = await read(world)
    reseller = source(status, "reseller")
    assert reseller["calls"]["last_minute"]["failed"] == 3
    assert reseller["last_failure"]["code"] == "SOURCE_INVALID_RESPONSE"
    assert "an HTML page instead of JSON" in reseller["last_failure"]["cause"]
    assert "/v3/" in reseller["last_failure"]["cause"]
    assert "?" not in reseller["last_failure"]["cause"]
    assert source(status, "account")["last_failure"] is None
    [state] = status["states"]
    assert (state["state"], state["source"], state["count"]) == ("responses_invalid", "reseller", 3)
    assert state["since"] <= reseller["last_failure"]["time"]
    warning = status["warnings"][0]
    assert warning["fields"]["state"] == "responses_invalid"
    assert warning["level"] == "warning"
    text = await terminal(world)
    assert "responses invalid" in text
    assert "reseller failed" in text


async def terminal(world: World) -> str:
    """Return what `gateway status` prints."""
    completed = await asyncio.to_thread(run, "--url", world.url)
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


async def test_the_circuit_and_the_state(fresh: Callable[..., Any]) -> None:
    """While no source can be called, the state and the circuits show it."""
    world = await fresh(max_attempts=1)
    for name in ("account", "softwareone", "reseller"):
        await world.fault(source=name, kind="status", status=503, times=200)
    for _ in range(21):
        await world.graphql(USERS)
    status = await read(world)
    assert status["process"]["state"] == "not ready"
    assert [each["circuit"] for each in status["sources"]] == ["open"] * 3
    assert sum(interval["failed"] for interval in source(status, "reseller")["calls"]["intervals"]) >= 1


async def test_every_surface() -> None:
    """Operations of HTTP, of WebSockets, of gRPC and of the embedding program are all listed."""
    async with Gateway(Settings(http_port=0, grpc_port=0)) as gateway:
        http, grpc_server = await gateway.serve_http(grace=1), await gateway.serve_grpc()
        assert grpc_server is not None
        url = f"127.0.0.1:{http.address[1]}"
        try:
            async with ClientSession() as session:
                body = {"query": "query Posted { __typename }"}
                async with session.post(f"http://{url}/graphql", json=body) as response:
                    assert response.status == 200
                async with session.ws_connect(f"ws://{url}/graphql", protocols=["graphql-transport-ws"]) as socket:
                    await socket.send_json({"type": "connection_init"})
                    body = {"query": "query Sent { __typename }"}
                    await socket.send_json({"type": "subscribe", "id": "1", "payload": body})
                    while (await socket.receive_json())["type"] != "complete":
                        pass
                async with grpc.aio.insecure_channel(grpc_server.address) as channel:
                    with pytest.raises(grpc.aio.AioRpcError):
                        await call_grpc(channel, "GetUser", id="x", source="USER_SOURCE_ACCOUNT")
                await gateway.execute("query Embedded { __typename }")
                async with session.get(f"http://{url}/status") as response:
                    status = await response.json()
        finally:
            await grpc_server.stop(1)
            await http.stop()
    found = {f"{each['kind']} {each['operation'].rpartition('/')[2]}" for each in status["operations"]}
    assert found == {"query Posted", "query Sent", "query Embedded", "unary GetUser"}


async def test_feeds(fresh: Callable[..., Any]) -> None:
    """A source that is polled has the result and the age of the last poll; one without a feed is not listed."""
    began = time.monotonic()
    world = await fresh(account={"poll_interval": 1})
    status = await read(world)
    [feed] = status["feeds"]
    assert (feed["source"], feed["kind"]) == ("account", "polling")
    assert 0 <= feed["lag_seconds"] <= round(time.monotonic() - began, 1)


async def test_sources_that_are_left_out(fresh: Callable[..., Any]) -> None:
    """A source that is not configured is listed with the setting that it needs."""
    world = await fresh(reseller={"token": None})
    [left_out] = (await read(world))["left_out"]
    assert left_out["name"] == "reseller"
    assert "GATEWAY_RESELLER__TOKEN" in left_out["reason"]


async def test_replicas(fresh: Callable[..., Any], redis_url: str) -> None:
    """Replicas with one Redis list each other."""
    first, second = await fresh(redis_url=redis_url), await fresh(redis_url=redis_url)
    expected = {(await read(world))["process"]["replica"] for world in (first, second)}

    async def lists_both() -> bool:
        lists = [(await read(world))["replicas"] for world in (first, second)]
        return all(expected <= {each["replica"] for each in listed} for listed in lists)

    await wait_until(lists_both)


async def test_without_redis(fresh: Callable[..., Any]) -> None:
    """A gateway with its state in memory knows of no replicas."""
    assert (await read(await fresh()))["replicas"] is None


async def test_a_browser_gets_a_page(fresh: Callable[..., Any]) -> None:
    """A browser gets HTML that loads and runs nothing; a program gets JSON, and so does who requests it."""
    world = await fresh()
    async with world.session.get(f"{world.url}/status", headers=HTML) as response:
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        policy, text = response.headers["Content-Security-Policy"], await response.text()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script" not in text
    async with world.session.get(f"{world.url}/status?format=json", headers=HTML) as response:
        assert (await response.json())["process"]["state"] == "ready"
    async with world.session.get(f"{world.url}/status?refresh=off", headers=HTML) as response:
        assert "http-equiv" not in await response.text()
    assert 'http-equiv="refresh"' in text


@pytest.mark.parametrize("port", ["HTTP", "ADMIN"])
async def test_another_site_cannot_read_it(fresh: Callable[..., Any], port: str) -> None:
    """A page of another site whose name leads to this machine gets neither the status nor the metrics."""
    with command("demo", "--http-port", "0", "--grpc-port", "off", *_admin(port), last="{ user(") as process:
        async with ClientSession() as session:
            for url in (process.address("status"), process.address("metrics")):
                async with session.get(url, headers={"Host": "attacker.example"}) as response:
                    assert response.status == 421
                async with session.get(url, headers={"Host": "localhost"}) as response:
                    assert response.status == 200


def _admin(port: str) -> tuple[str, ...]:
    return ("--admin-port", "0") if port == "ADMIN" else ()


def test_the_table_has_every_field() -> None:
    """docs/status.md describes exactly the fields that the status has."""
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs/status.md").read_text(), re.MULTILINE)
    documented = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(documented) == sorted(field.name for field in msgspec.structs.fields(Status))


async def test_the_terminal(demo: Running, world: World) -> None:
    """`gateway status` prints sources, callers and operations as tables, and with `--json` what the page has."""
    await world.data(USERS)
    completed = run("--url", world.url)
    assert completed.returncode == 0, completed.stderr
    assert completed.stdout.startswith("ready, version ")
    rows = [line.split() for line in completed.stdout.splitlines()]
    for name in ("account", "SoftwareOne", "reseller"):
        assert any(row[:2] == [name, "closed"] for row in rows), completed.stdout
    assert any(row[:2] == ["query", "Users"] for row in rows), completed.stdout
    status = json.loads(run("--json", "--url", demo.address("status")).stdout)
    assert status["process"]["state"] == "ready"
    assert {each["name"] for each in status["sources"]} == {"account", "softwareone", "reseller"}


async def test_the_address_of_the_settings(demo: Running) -> None:
    """Without `--url`, the address is that of the settings, also where they listen on all interfaces."""
    port = demo.address("status").removesuffix("/status").rpartition(":")[2]
    for environment in (
        {"GATEWAY_HTTP_PORT": port},
        {"GATEWAY_ADMIN_PORT": port, "GATEWAY_ADMIN_HOST": "0.0.0.0"},  # noqa: S104 - to connect to
    ):
        completed = run(**environment)
        assert completed.returncode == 0, completed.stderr


async def test_a_name_that_a_terminal_would_obey(fresh: Callable[..., Any]) -> None:
    """A name with control characters, as an issuer of tokens may choose it, does nothing to the terminal."""
    status = await read(await fresh())
    escape = "\x1b]0;title\x07\x1b[2J"
    status["callers"] = [{"caller": escape, "operations": 1, "failed": 0, "calls": {}, "codes": {}}]

    async def respond(_request: web.Request) -> web.Response:
        return web.json_response(status)

    app = web.Application()
    app.router.add_get("/status", respond)
    async with running(app) as url:
        completed = await asyncio.to_thread(run, "--url", url)
    assert completed.returncode == 0, completed.stderr
    assert "\x1b" not in completed.stdout
    assert "\x07" not in completed.stdout
    assert "title" in completed.stdout


def test_no_gateway() -> None:
    """Where nothing responds, the command fails with one line that has the address and what to do."""
    completed = run("--url", "http://127.0.0.1:1")
    assert completed.returncode == 1
    [line] = completed.stderr.splitlines()
    assert "http://127.0.0.1:1/status could not be read (" in line
    assert "refused" in line
    assert "--url" in line


async def test_what_is_no_status(demo: Running) -> None:
    """Where something else responds, the command says so, and that the page may be on another port."""
    control = demo.address("sandbox").removesuffix("/calls")
    completed = run("--url", control)
    assert completed.returncode == 1
    assert "404" in completed.stderr
    assert "GATEWAY_ADMIN_PORT" in completed.stderr


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "http://"])
def test_a_bad_address(url: str) -> None:
    """An address that is no URL of HTTP is a usage error."""
    completed = run("--url", url)
    assert completed.returncode == 2
    assert "--url" in completed.stderr


def test_a_port_that_only_the_gateway_knows() -> None:
    """With a free port in the settings, the command says that it needs the address."""
    completed = run(GATEWAY_ADMIN_PORT="0")
    assert completed.returncode == 2
    assert "--url" in completed.stderr
