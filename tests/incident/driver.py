"""Runs the incident in front of `gateway serve`, with the sources of `gateway sandbox`, and returns its evidence.

The account source is behind a proxy that can refuse connections.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from aiohttp import ClientSession, TCPConnector
from faults.toxic import proxied
from incident.callers import Callers
from incident.evidence import Evidence, parse_log, parse_span
from incident.facts import Addresses, Facts
from incident.operations import DOCUMENTS
from incident.script import Incident
from ports import free_port
from state.server import RedisServer
from telemetry.otlp_receiver import receiving

from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, RESELLER_ID, RESELLER_TOKEN, SOFTWAREONE_TOKEN, WEBHOOK_TOKEN

__all__ = ["run_incident"]

_GATEWAY = str(Path(sys.executable).with_name("gateway"))
_READY_TIMEOUT = 20.0  # seconds
_STOP_TIMEOUT = 15.0  # seconds
_INCIDENT_TIMEOUT = 240.0  # seconds
_EXPORT_INTERVAL = 200  # milliseconds between exports of spans
_ALLOWANCE = 9_000  # the cost that a caller may spend in a minute


async def run_incident(folder: Path) -> tuple[Evidence, Facts]:
    """Run the incident, stop the gateway, and return what is left of it and what happened."""
    async with asyncio.timeout(_INCIDENT_TIMEOUT), AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(receiving())
        redis = RedisServer(folder)
        await asyncio.to_thread(redis.start)
        stack.callback(redis.stop)
        ports = [free_port() for _ in range(4)]
        addresses = _addresses(ports)
        await stack.enter_async_context(_sandbox(folder, ports[3], addresses))
        proxy = await stack.enter_async_context(proxied("127.0.0.1", ports[3]))
        callers = Callers(folder / "keys.toml")
        (folder / "documents.json").write_text(json.dumps(DOCUMENTS))
        environment = _environment(
            folder,
            ports,
            {
                "ACCOUNT__BASE_URL": f"http://127.0.0.1:{proxy.port}/account",
                "OTLP_ENDPOINT": receiver.url,
                "REDIS_URL": redis.url,
            },
        )
        log = folder / "gateway.log"
        async with _running([_GATEWAY, "serve"], log, environment, f"{addresses.admin}/readyz"):
            session = await stack.enter_async_context(ClientSession(connector=TCPConnector(limit=0)))
            incident = Incident(session, addresses, proxy, redis, callers)
            incident.facts.account_address = f"127.0.0.1:{proxy.port}"
            scraping = asyncio.create_task(incident.scrape_repeatedly())
            try:
                during = await incident.run()
            finally:
                scraping.cancel()
                await asyncio.wait({scraping})
            await incident.scrape()
            status = await incident.status()
        spans = [parse_span(span) for span in receiver.spans()]
        evidence = Evidence(parse_log(log.read_text()), incident.metrics, spans, during, status)
        return evidence, incident.facts


def _addresses(ports: list[int]) -> Addresses:
    http, admin, grpc, sandbox = ports
    local = "http://127.0.0.1"
    return Addresses(f"{local}:{http}", f"{local}:{admin}", f"127.0.0.1:{grpc}", f"{local}:{sandbox}/_sandbox")


def _environment(folder: Path, ports: list[int], urls: dict[str, str]) -> dict[str, str]:
    """Return the settings of a gateway in production, with timeouts that nothing exceeds."""
    http, admin, grpc, sandbox = ports
    settings = {
        "ENVIRONMENT": "production",
        "HTTP_PORT": str(http),
        "ADMIN_PORT": str(admin),
        "GRPC_PORT": str(grpc),
        "AUTH__MODE": "api_key",
        "AUTH__KEYS_FILE": str(folder / "keys.toml"),
        "CURSOR_SECRET": "the secret of the cursors",
        "RATE_LIMIT__COST": str(_ALLOWANCE),
        "DOCUMENTS__MANIFESTS": str(folder / "documents.json"),
        "DOCUMENTS__TRUST": "log",
        "DRAIN_DELAY": "0",
        "LOG_FORMAT": "json",
        "TRACE_RATIO": "1",
        "ACCOUNT__TOKEN": ACCOUNT_TOKEN,
        "ACCOUNT__ACCOUNT_ID": ACCOUNT_ID,
        "ACCOUNT__TIMEOUT": "25",
        "ACCOUNT__TRY_TIMEOUT": "20",
        "ACCOUNT__RATE_LIMIT": "1000",
        "SOFTWAREONE__BASE_URL": f"http://127.0.0.1:{sandbox}/softwareone",
        "SOFTWAREONE__TOKEN": SOFTWAREONE_TOKEN,
        "RESELLER__BASE_URL": f"http://127.0.0.1:{sandbox}/reseller",
        "RESELLER__TOKEN": RESELLER_TOKEN,
        "RESELLER__RESELLER_ID": RESELLER_ID,
        "RESELLER__WEBHOOK_TOKEN": WEBHOOK_TOKEN,
        **urls,
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "OTEL_"))}
    exports = {"OTEL_BSP_SCHEDULE_DELAY": str(_EXPORT_INTERVAL), "OTEL_METRIC_EXPORT_INTERVAL": "1000"}
    return clean | exports | {f"GATEWAY_{name}": value for name, value in settings.items()}


@asynccontextmanager
async def _sandbox(folder: Path, port: int, addresses: Addresses) -> AsyncIterator[None]:
    """Run `gateway sandbox`, which sends webhooks to the gateway."""
    command = [_GATEWAY, "sandbox", "--port", str(port), "--no-rate-limits"]
    command += ["--webhook-url", f"{addresses.http}/webhooks/reseller", "--webhook-token", WEBHOOK_TOKEN]
    async with _running(command, folder / "sandbox.log", dict(os.environ), f"{addresses.control}/calls"):
        yield


@asynccontextmanager
async def _running(command: list[str], log: Path, environment: dict[str, str], ready: str) -> AsyncIterator[None]:
    """Run a program until the block ends, from the time at which the URL `ready` responds with 200."""
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=out, stderr=out)
    try:
        async with ClientSession() as session, asyncio.timeout(_READY_TIMEOUT):
            while not await _responds(session, ready):
                assert process.returncode is None, f"`gateway {command[1]}` ended early: see {log}"
                await asyncio.sleep(0.05)
        yield
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_TIMEOUT)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _responds(session: ClientSession, url: str) -> bool:
    with suppress(OSError):
        async with session.get(url) as response:
            return response.status == 200
    return False
