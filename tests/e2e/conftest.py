"""A client of the gateway, and the sandbox's own account of what reached it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientSession
from conftest import Running

from gateway import Settings
from gateway.app.serving import serving
from gateway.sandbox import (
    ACCOUNT_ID,
    ACCOUNT_TOKEN,
    RESELLER_ID,
    RESELLER_TOKEN,
    SOFTWAREONE_TOKEN,
    Sandbox,
    SandboxOptions,
)


@dataclass(frozen=True, slots=True)
class World:
    """A running gateway and the sandbox behind it, over HTTP."""

    session: ClientSession
    url: str
    control: str

    async def graphql(self, query: str, variables: dict[str, Any] | None = None, **headers: str) -> Any:
        """Send one operation; the answer's JSON."""
        sent = {"query": query, "variables": variables or {}}
        async with self.session.post(f"{self.url}/graphql", json=sent, headers=headers) as answer:
            return await answer.json()

    async def data(self, query: str, variables: dict[str, Any] | None = None, **headers: str) -> Any:
        """Send one operation that must succeed; its data."""
        answer = await self.graphql(query, variables, **headers)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def calls(self, source: str | None = None) -> list[dict[str, Any]]:
        """Every call that reached the sandbox since the last `forget`; not the webhooks that it sent."""
        async with self.session.get(f"{self.control}/calls") as answer:
            calls = [call for call in await answer.json() if call["source"] != "webhooks"]
        return [call for call in calls if source in {None, call["source"]}]

    async def forget(self) -> None:
        """Forget calls and faults."""
        await (await self.session.delete(f"{self.control}/calls")).read()
        await (await self.session.delete(f"{self.control}/faults")).read()

    async def fault(self, **fault: Any) -> None:
        """Let the next matching calls go wrong."""
        async with self.session.post(f"{self.control}/faults", json=fault) as answer:
            assert answer.status < 300, await answer.text()

    async def stored(self, source: str, user_id: str) -> Any:
        """A user as the sandbox has it stored."""
        async with self.session.get(f"{self.control}/state/{source}/users/{user_id}") as answer:
            return await answer.json()


def _world(session: ClientSession, running: Running) -> World:
    return World(
        session, running.address("GraphQL").removesuffix("/graphql"), running.address("sandbox").removesuffix("/calls")
    )


@pytest.fixture
def world_of() -> Callable[[ClientSession, Running], World]:
    """Makes the world of a demo of one's own."""
    return _world


@pytest.fixture
async def fresh() -> AsyncIterator[Callable[..., Any]]:
    """Makes worlds of a test's own, in this process but on real sockets: faults there are nobody else's.

    Settings are given by name: the gateway's own, and those of all three systems, e.g. `await fresh(max_attempts=1)`.
    """
    async with AsyncExitStack() as stack:

        async def make(**own: Any) -> World:
            sandbox = await stack.enter_async_context(Sandbox(SandboxOptions(rate_limits=False)))
            systems: dict[str, Any] = {
                "account": {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID},
                "softwareone": {"base_url": sandbox.softwareone_url, "token": SOFTWAREONE_TOKEN},
                "reseller": {"base_url": sandbox.reseller_url, "token": RESELLER_TOKEN, "reseller_id": RESELLER_ID},
            }
            top = {name: own.pop(name) for name in list(own) if name in Settings.model_fields}
            settings = Settings(
                http_port=0, grpc_port=None, **top, **{name: system | own for name, system in systems.items()}
            )
            addresses = await stack.enter_async_context(serving(settings))
            return World(await stack.enter_async_context(ClientSession()), addresses.http, sandbox.control_url)

        yield make


@pytest.fixture
async def world(demo: Running) -> AsyncIterator[World]:
    """The shared demo, its sandbox without memory of earlier calls."""
    async with ClientSession() as session:
        world = _world(session, demo)
        await world.forget()
        yield world
        await world.forget()
