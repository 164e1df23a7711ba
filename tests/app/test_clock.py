"""The clock that an embedding program passes: what is measured by it, with a real sandbox behind the gateway."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from still_clock import StillClock

from gateway import Gateway, Settings
from gateway.callers.api_keys import new_api_key
from gateway.errors import GatewayError, IdempotencyConflict
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, RESELLER_ID, RESELLER_TOKEN, SandboxOptions, SandboxServer
from gateway.users.ids import Kind, Ref, encode
from gateway.users.model import UserSource

USER = "acus_adalovelace1"
ADA = "00000000-0000-4000-8000-000000000001"


class Embedded:
    """A gateway with a clock of the test, in front of a sandbox."""

    def __init__(self, sandbox: SandboxServer, gateway: Gateway, clock: StillClock, session: ClientSession) -> None:
        self.gateway, self.clock = gateway, clock
        self._control, self._session = sandbox.control_url, session

    async def calls(self, path: str) -> int:
        """Return how many requests with that part of a path the sandbox has received."""
        async with self._session.get(f"{self._control}/calls") as response:
            return sum(path in call["path"] for call in await response.json())

    async def more_calls(self, path: str, before: int) -> int:
        """Wait until there are more of them than before, and return how many."""
        async with asyncio.timeout(30):
            while (calls := await self.calls(path)) <= before:  # noqa: ASYNC110 - the log is read over HTTP
                await asyncio.sleep(0.01)
        return calls

    async def fail(self, **fault: Any) -> None:
        """Let the sandbox fail."""
        async with self._session.post(f"{self._control}/faults", json=fault) as response:
            assert response.status < 300, await response.text()


@asynccontextmanager
async def embedded(**changes: Any) -> AsyncIterator[Embedded]:
    clock = StillClock()
    async with SandboxServer(SandboxOptions(rate_limits=False)) as sandbox, ClientSession() as session:
        account = {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID}
        account |= changes.pop("account", {})
        reseller = {"base_url": sandbox.reseller_url, "token": RESELLER_TOKEN, "reseller_id": RESELLER_ID}
        async with Gateway(Settings(account=account, reseller=reseller, **changes), clock=clock) as gateway:  # type: ignore[arg-type]  # pydantic reads the values
            yield Embedded(sandbox, gateway, clock, session)


async def test_reference_data_expires() -> None:
    """Roles are read again once their time has passed on the clock."""
    async with embedded(reference_ttl=30) as running:
        query = f'{{ user(id: "{USER}", source: ACCOUNT) {{ role {{ permissions }} }} }}'

        async def calls() -> int:
            result = await running.gateway.execute(query)
            assert result.errors is None, result.errors
            return await running.calls("/roles")

        first = await calls()
        assert first
        running.clock.advance(29)
        assert await calls() == first
        running.clock.advance(2)
        assert await calls() == first + 1


async def test_idempotency_keys_are_forgotten() -> None:
    """A key may be used for another change once its record has expired on the clock."""
    async with embedded(idempotency_ttl=3600) as running:
        change, user = (
            running.gateway.users.update_reseller_user,
            encode(Ref(Kind.USER, UserSource.RESELLER, ADA, RESELLER_ID)),
        )
        await change(user, {"first_name": "Ada"}, idempotency_key="one")
        with pytest.raises(IdempotencyConflict):
            await change(user, {"first_name": "Countess"}, idempotency_key="one")
        running.clock.advance(3601)
        changed = await change(user, {"first_name": "Countess"}, idempotency_key="one")
        assert changed.first_name == "Countess"


async def test_a_circuit_is_half_open() -> None:
    """The seconds for which a circuit is open pass on the clock."""
    async with embedded(account={"max_attempts": 1, "rate_limit": 1000}) as running:
        await running.fail(source="account", kind="status", status=503, times=20)
        for _ in range(20):
            with pytest.raises(GatewayError):
                await running.gateway.users.get_user(USER, UserSource.ACCOUNT)
        before = await running.calls("/account-users")
        with pytest.raises(GatewayError, match="is not called"):
            await running.gateway.users.get_user(USER, UserSource.ACCOUNT)
        assert await running.calls("/account-users") == before
        running.clock.advance(11)
        assert await running.gateway.users.get_user(USER, UserSource.ACCOUNT)


async def test_pauses_between_attempts() -> None:
    """A call that waits before its next attempt is sent as soon as the pause has passed on the clock."""
    async with embedded(account={"timeout": 60}) as running:
        await running.fail(source="account", kind="status", status=429, retryAfter=25, times=1)
        reading = asyncio.ensure_future(running.gateway.users.get_user(USER, UserSource.ACCOUNT))
        await running.more_calls("/account-users", 0)
        async with asyncio.timeout(30):
            while await running.calls("/account-users") < 2:
                running.clock.advance(1)
        assert (await reading) is not None


async def test_polling() -> None:
    """A source is polled once its interval has passed on the clock."""
    async with embedded(account={"poll_interval": 300}) as running:
        count = partial(running.gateway.metrics.registry.get_sample_value, "gateway_polls_total")
        async with asyncio.timeout(30):
            while not count({"source": "account", "result": "nothing"}):  # noqa: ASYNC110 - it sets no event
                await asyncio.sleep(0.01)
        first = await running.calls("/audit")
        assert first
        running.clock.advance(301)
        assert await running.more_calls("/audit", first) > first


async def test_api_keys_expire(tmp_path: Path) -> None:
    """A key that expires on the clock is refused from then on."""
    expires = datetime.now(UTC) + timedelta(hours=1)
    key, entry = new_api_key("bff", ["users:read"], frozenset({"users:read"}), expires=expires)
    file = tmp_path / "keys.toml"
    file.write_text(
        f'[[keys]]\nname = "bff"\nsha256 = "{entry.sha256}"\nscopes = ["users:read"]\nexpires = {expires.isoformat()}\n'
    )
    auth = {"mode": "api_key", "keys_file": file}
    async with embedded(auth=auth, http_port=0) as running, ClientSession(headers={"X-API-Key": key}) as session:
        server = await running.gateway.serve_http(grace=0)
        url = f"http://127.0.0.1:{server.address[1]}/graphql"

        async def status() -> int:
            async with session.post(url, json={"query": "{ __typename }"}) as response:
                return response.status

        try:
            assert await status() == 200
            running.clock.advance(expires.timestamp() - running.clock.time() - 1)
            assert await status() == 200
            running.clock.advance(2)
            assert await status() == 401
        finally:
            await server.stop()
