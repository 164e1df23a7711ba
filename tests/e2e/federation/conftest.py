"""Gateways as subgraphs, and routers in front of them that add the subgraph of orders (`node/orders.mjs`)."""

import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from conftest import Running, command

from gateway.callers.api_keys import new_api_key
from gateway.principal import scopes as all_scopes
from gateway.users.model import UserSource

APOLLO = Path(__file__).parent / "node"
HIVE = Path(__file__).parent / "hive"
WITH_HIVE = "TEST_HIVE" in os.environ
_SUBGRAPH = ("--http-port", "0", "--grpc-port", "off", "--no-rate-limits", "--federation", "on", "--reference-ttl", "0")
SCOPES = {"all": ("users:read", "users:write"), "marketplace": ("users:read:softwareone",)}


@dataclass(frozen=True, slots=True)
class Federation:
    """Two gateways, the second one with authentication; the routers in front of them by name; and keys by name."""

    open: Running
    guarded: Running
    routers: dict[str, str]
    keys: dict[str, str]


@contextmanager
def _node(node: Path, folder: Path, *arguments: str) -> Iterator[dict[str, str]]:
    """Run a program of Node until the block ends; yield the JSON that it prints when it is ready."""
    process = subprocess.Popen([node, *arguments], cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        printed = next((line for line in process.stdout if line.startswith("{")), "")
        assert printed, f"{arguments[0]} ended early"
        yield json.loads(printed)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def federation(tmp_path_factory: pytest.TempPathFactory, node_in: Callable[[Path], Path]) -> Iterator[Federation]:
    """The gateways and the routers, shared by all tests."""
    folder = tmp_path_factory.mktemp("federation")
    created = {name: new_api_key(name, scopes, all_scopes(UserSource)) for name, scopes in SCOPES.items()}
    (folder / "keys.toml").write_text("\n".join(entry.to_toml() for _, entry in created.values()))
    guard = ("--auth-mode", "api_key", "--auth-keys-file", str(folder / "keys.toml"))
    with ExitStack() as stack:
        opened = stack.enter_context(command("demo", *_SUBGRAPH, last="{ user("))
        guarded = stack.enter_context(command("demo", *_SUBGRAPH, *guard, last="{ user("))
        urls = [running.address("GraphQL") for running in (opened, guarded)]
        printed = stack.enter_context(_node(node_in(APOLLO), APOLLO, "routers.mjs", str(folder), *urls))
        routers = {"apollo": printed["open"], "apollo guarded": printed["guarded"]}
        if WITH_HIVE:
            node = node_in(HIVE)
            for name, file, *options in (
                ("hive", "open"),
                ("hive guarded", "guarded", "forward"),
                ("hive rust", "open", "rust"),
                ("hive rust guarded", "guarded", "rust", "forward"),
            ):
                arguments = ("router.mjs", str(folder / f"{file}.graphql"), *options)
                routers[name] = stack.enter_context(_node(node, HIVE, *arguments))["url"]
        yield Federation(opened, guarded, routers, {name: key for name, (key, _) in created.items()})


_ON_DEMAND = pytest.mark.skipif(not WITH_HIVE, reason="runs with TEST_HIVE=1: its packages take long to install")


@pytest.fixture(params=["apollo", *(pytest.param(name, marks=_ON_DEMAND) for name in ("hive", "hive rust"))])
def router(request: pytest.FixtureRequest) -> str:
    """The name of the router."""
    return str(request.param)


Execute = Callable[..., Any]


@pytest.fixture
async def world(federation: Federation, world_of: Callable[..., Any]) -> AsyncIterator[Any]:
    """The gateway without authentication, without earlier calls in its sandbox."""
    async with ClientSession() as session:
        world = world_of(session, federation.open)
        await world.forget()
        yield world
        await world.forget()


@pytest.fixture
def routed(federation: Federation, world: Any, router: str) -> Execute:
    """Executes an operation through the router; `key` is the name of a key for the gateway with authentication."""

    async def execute(query: str, variables: dict[str, Any] | None = None, *, key: str | None = None) -> Any:
        url = federation.routers[router if key is None else f"{router} guarded"]
        headers = {"authorization": f"Bearer {federation.keys[key]}"} if key else {}
        body = {"query": query, "variables": variables or {}}
        async with world.session.post(url, json=body, headers=headers) as response:
            return await response.json()

    return execute
