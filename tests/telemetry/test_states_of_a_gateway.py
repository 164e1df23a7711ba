"""What operators get to know of the sources, Redis, feeds and webhooks of a gateway."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from state.server import RedisServer

from gateway import Gateway, Settings
from gateway.app.serving import serving
from gateway.sandbox import (
    ACCOUNT_ID,
    ACCOUNT_TOKEN,
    LANDMARKS,
    RESELLER_ID,
    RESELLER_TOKEN,
    SOFTWAREONE_TOKEN,
    WEBHOOK_TOKEN,
    SandboxOptions,
    SandboxServer,
)

ADA = LANDMARKS["account"]["ada"]
READ = f'{{ user(id: "{ADA}", source: ACCOUNT) {{ name }} }}'
ROLES = "{ roles { nodes { name } } }"
CHANGE = f'mutation {{ updateAccountUser(id: "{ADA}", input: {{name: "Marker4711"}}) {{ id }} }}'


@pytest.fixture(autouse=True)
def _levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway")


def found(caplog: pytest.LogCaptureFixture, state: str) -> list[Any]:
    """The records of a state so far."""
    return [record for record in caplog.records if getattr(record, "state", None) == state]


def changes(caplog: pytest.LogCaptureFixture, state: str) -> list[str]:
    return [record.change for record in found(caplog, state)]


async def until(caplog: pytest.LogCaptureFixture, state: str, change: str) -> None:
    for _ in range(1_000):
        if change in changes(caplog, state):
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"{state} is not {change}")


class World:
    """A gateway over a sandbox, in this process and on real sockets."""

    def __init__(self, gateway: Gateway, sandbox: SandboxServer, session: ClientSession) -> None:
        self.gateway, self.control, self._session = gateway, sandbox.control_url, session

    async def fault(self, **fault: Any) -> None:
        async with self._session.post(f"{self.control}/faults", json=fault) as response:
            assert response.status < 300

    async def works(self) -> None:
        await (await self._session.delete(f"{self.control}/faults")).read()

    async def execute(self, query: str, times: int = 1) -> None:
        for _ in range(times):
            await self.gateway.execute(query)


@asynccontextmanager
async def world_of(**given: Any) -> AsyncIterator[World]:
    account = {"account_id": ACCOUNT_ID, "token": ACCOUNT_TOKEN, "max_attempts": 1} | given.pop("account", {})
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(SandboxServer(SandboxOptions(rate_limits=False)))
        sources: dict[str, Any] = {
            "account": {"base_url": sandbox.account_url} | account,
            "softwareone": {"base_url": sandbox.softwareone_url, "token": SOFTWAREONE_TOKEN},
            "reseller": {"base_url": sandbox.reseller_url, "token": RESELLER_TOKEN, "reseller_id": RESELLER_ID},
        }
        gateway = await stack.enter_async_context(Gateway(Settings(**sources, **given)))
        session = await stack.enter_async_context(ClientSession())
        yield World(gateway, sandbox, session)


async def test_failing_calls(caplog: pytest.LogCaptureFixture) -> None:
    """Of a source that does not respond as it should, operators get one warning, whatever it does, and one end."""
    async with world_of() as world:
        await world.fault(source="account", kind="status", status=503, times=100)
        await world.execute(READ, 2)
        assert found(caplog, "calls_fail") == []
        await world.execute(READ, 8)
        await world.works()
        await world.execute(READ, 2)
    begun, over = found(caplog, "calls_fail")
    assert begun.getMessage() == "calls to the account source fail, one after the other"
    assert begun.cause.startswith("status 503")
    assert begun.url.endswith("/v1/identity/account-users/{id}")
    assert ADA not in begun.url
    assert (over.levelname, over.change, over.count) == ("INFO", "over", 8)


async def test_a_circuit(caplog: pytest.LogCaptureFixture) -> None:
    """The warning of an open circuit has the cause and the URL of the last failure."""
    async with world_of() as world:
        await world.fault(source="account", kind="hangup-before", times=100)
        await world.execute(READ, 25)
        (begun,) = found(caplog, "circuit_open")
        assert begun.getMessage().startswith("the circuit of the account source opened")
        assert "connection was lost" in begun.cause
        assert begun.url.startswith("GET http://127.0.0.1:")
        assert [state.kind for state in world.gateway._states.active()] == ["circuit_open", "calls_fail"]
        assert world.gateway._warnings.latest()[0].message == begun.getMessage()


async def test_html(caplog: pytest.LogCaptureFixture) -> None:
    """A source that answers HTML is named at its first response."""
    async with world_of() as world:
        await world.fault(source="account", kind="html", times=2)
        await world.execute(READ, 2)
        await world.execute(READ, 2)
    begun, over = found(caplog, "responses_invalid")
    assert begun.getMessage() == "the response of the account source is not as documented"
    assert "HTML" in begun.cause
    assert over.change == "over"


async def test_credentials(caplog: pytest.LogCaptureFixture) -> None:
    """A refused credential is one warning; it is over at the first call that the source accepts."""
    async with world_of() as world:
        await world.fault(source="account", kind="status", status=401, times=3)
        await world.execute(READ, 2)
        await world.execute(ROLES)
        await world.execute(READ)
    begun, over = found(caplog, "credentials_refused")
    assert begun.cause.startswith("status 401")
    assert "GATEWAY_ACCOUNT__TOKEN" in begun.advice
    assert over.change == "over"
    assert over.count == 3


async def test_budget(caplog: pytest.LogCaptureFixture) -> None:
    """A 429 and a refusal by pacing are one warning."""
    async with world_of(account={"rate_limit": 1, "timeout": 0.5}) as world:
        await world.fault(source="account", kind="status", status=429)
        await asyncio.gather(*(world.execute(READ + " " * number) for number in range(4)))
    (begun,) = found(caplog, "out_of_budget")
    assert begun.getMessage().startswith("the account source is out of budget")


async def test_unknown_outcomes(caplog: pytest.LogCaptureFixture) -> None:
    """Each change of unknown outcome is a warning with its request id, its user and nothing of its values."""
    async with world_of() as world:
        await world.fault(source="account", kind="hangup-after", method="PATCH", times=2)
        await world.execute(CHANGE, 2)
    records: list[Any] = [record for record in caplog.records if record.name == "gateway.changes"]
    assert len(records) == 2
    assert records[0].getMessage().startswith("the outcome of a change is unknown: the account source may have")
    assert (records[0].source, records[0].operation, records[0].code) == (
        "account",
        "updateAccountUser",
        "SOURCE_UNAVAILABLE",
    )
    assert records[0].user
    assert "Marker4711" not in str(vars(records[0]))


async def test_polling(caplog: pytest.LogCaptureFixture) -> None:
    """A feed that fails is one warning, and one record when it works again."""
    async with world_of(account={"poll_interval": 1.0}) as world:
        await world.fault(source="account", kind="status", status=500, times=2)
        await until(caplog, "feed_fails", "begun")
        await until(caplog, "feed_fails", "over")
    begun, over = found(caplog, "feed_fails")
    assert begun.getMessage().startswith("polling the changes of the account source failed")
    assert begun.cause.startswith("status 500")
    assert over.seconds > 0


async def test_webhooks(caplog: pytest.LogCaptureFixture) -> None:
    """Webhooks with a wrong signature are one warning, however many there are."""
    settings = Settings(
        http_port=0,
        grpc_port=None,
        reseller={
            "base_url": "http://127.0.0.1:9",
            "token": "x",
            "reseller_id": RESELLER_ID,
            "webhook_token": WEBHOOK_TOKEN,
        },
    )
    async with serving(settings) as addresses, ClientSession() as session:
        for _ in range(3):
            headers = {"Webhook-Signature": "Marker4711"}
            async with session.post(f"{addresses.http}/webhooks/reseller", data=b"Marker", headers=headers) as response:
                assert response.status == 401
    (begun,) = found(caplog, "webhooks_refused")
    assert "GATEWAY_RESELLER__WEBHOOK_TOKEN" in begun.cause
    assert "Marker" not in str(vars(begun))


async def test_redis(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """That Redis is away is a warning with its cause, and that it is back one record."""
    server = RedisServer(tmp_path, persistent=False)
    await asyncio.to_thread(server.start)
    async with world_of(redis_url=server.url):
        await asyncio.to_thread(server.stop)
        await until(caplog, "redis_lost", "begun")
        await asyncio.to_thread(server.start)
        await until(caplog, "redis_lost", "over")
        await asyncio.to_thread(server.stop)
    begun, over = found(caplog, "redis_lost")[:2]
    assert begun.getMessage().startswith("Redis cannot be used. Until it can, changes")
    assert begun.cause
    assert over.getMessage() == "Redis can be used again"
