"""A client of the gateway, and the sandbox with its list of received calls."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientSession
from conftest import Running
from e2e.held_source import HeldSource

from gateway import Settings
from gateway.app.serving import serving
from gateway.sandbox import (
    ACCOUNT_ID,
    ACCOUNT_TOKEN,
    RESELLER_ID,
    RESELLER_TOKEN,
    SOFTWAREONE_TOKEN,
    SandboxOptions,
    SandboxServer,
)


@dataclass(frozen=True, slots=True)
class World:
    """A running gateway and its sandbox, over HTTP."""

    session: ClientSession
    url: str
    control: str

    async def graphql(self, query: str, variables: dict[str, Any] | None = None, **headers: str) -> Any:
        """Execute an operation, and return the JSON of the response."""
        body = {"query": query, "variables": variables or {}}
        async with self.session.post(f"{self.url}/graphql", json=body, headers=headers) as response:
            return await response.json()

    async def data(self, query: str, variables: dict[str, Any] | None = None, **headers: str) -> Any:
        """Execute an operation that must succeed, and return its data."""
        result = await self.graphql(query, variables, **headers)
        assert "errors" not in result, result["errors"]
        return result["data"]

    async def calls(self, source: str | None = None) -> list[dict[str, Any]]:
        """Return the calls that the sandbox received since the last `forget`, without the webhooks that it sent."""
        async with self.session.get(f"{self.control}/calls") as response:
            calls = [call for call in await response.json() if call["source"] != "webhooks"]
        return [call for call in calls if source in {None, call["source"]}]

    async def forget(self) -> None:
        """Delete the lists of calls and faults."""
        await (await self.session.delete(f"{self.control}/calls")).read()
        await (await self.session.delete(f"{self.control}/faults")).read()

    async def fault(self, **fault: Any) -> None:
        """Let the next matching calls fail."""
        async with self.session.post(f"{self.control}/faults", json=fault) as response:
            assert response.status < 300, await response.text()

    async def stored(self, source: str, user_id: str) -> Any:
        """Return a user as the sandbox has it stored."""
        async with self.session.get(f"{self.control}/state/{source}/users/{user_id}") as response:
            return await response.json()


def _is_top_level(name: str) -> bool:
    """Whether a setting is in no group; `…_file` is the file for a secret."""
    return name.removesuffix("_file") in Settings.model_fields


def _world(session: ClientSession, running: Running) -> World:
    return World(
        session, running.address("GraphQL").removesuffix("/graphql"), running.address("sandbox").removesuffix("/calls")
    )


@pytest.fixture
def world_of() -> Callable[[ClientSession, Running], World]:
    """Returns the world of another demo."""
    return _world


@pytest.fixture
async def fresh() -> AsyncIterator[Callable[..., Any]]:
    """Opens worlds for one test, in this process but on real sockets, so that faults affect no other test.

    Settings are given by name: those of the gateway, those of all sources, e.g. `await fresh(max_attempts=1)`, and as
    a dictionary those of one source. `held` are proxies in front of sources, by name.
    """
    async with AsyncExitStack() as stack:

        async def make(*, held: Mapping[str, HeldSource] | None = None, **given: Any) -> World:
            sandbox = await stack.enter_async_context(SandboxServer(SandboxOptions(rate_limits=False)))
            sources: dict[str, Any] = {
                "account": {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID},
                "softwareone": {"base_url": sandbox.softwareone_url, "token": SOFTWAREONE_TOKEN},
                "reseller": {"base_url": sandbox.reseller_url, "token": RESELLER_TOKEN, "reseller_id": RESELLER_ID},
            }
            for name, proxy in (held or {}).items():
                sources[name]["base_url"] = await stack.enter_async_context(proxy.serve(sources[name]["base_url"]))
            only_for = {name: given.pop(name, {}) for name in sources}
            top_level = {name: given.pop(name) for name in list(given) if _is_top_level(name)}
            settings = Settings(
                http_port=0,
                grpc_port=None,
                **top_level,
                **{name: source | given | only_for[name] for name, source in sources.items()},
            )
            addresses = await stack.enter_async_context(serving(settings))
            return World(await stack.enter_async_context(ClientSession()), addresses.http, sandbox.control_url)

        yield make


@pytest.fixture
async def world(demo: Running) -> AsyncIterator[World]:
    """The shared demo, without earlier calls in its sandbox."""
    async with ClientSession() as session:
        world = _world(session, demo)
        await world.forget()
        yield world
        await world.forget()
