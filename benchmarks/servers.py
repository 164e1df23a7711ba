"""Who is compared: one entry a server, with the environment that makes it a variant where it is one of ours.

A new setting of the gateway that may make it faster or slower gets one line in `_VARIANTS`.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from benchmarks import peers, tailcall
from benchmarks.answers import CREDENTIALS
from benchmarks.dialects import ByHand, Dialect, GraphQL, SourceShaped
from benchmarks.operations import Lookups
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN

__all__ = ["BARE", "FLOOR", "OURS", "Launch", "Place", "Server", "servers"]

OURS, BARE, FLOOR = "gateway", "gateway-bare", "floor"
"""The names of the gateway with its defaults (its variants' names begin with it), of the one that shows what steps and
measures cost, and of what every figure is also given as a ratio to."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is to listen, where its sources are, and how it is to look up."""

    port: int
    grpc_port: int
    sources: str
    lookups: Lookups
    folder: Path


@dataclass(frozen=True, slots=True)
class Launch:
    """A command and what its environment has beside ours."""

    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Server:
    """One server; `operations` names those that it is asked for, where not all."""

    name: str
    title: str
    launch: Callable[[Place], Launch]
    dialect: Dialect = field(default_factory=GraphQL)
    operations: frozenset[str] | None = None
    grpc: bool = False
    peer: bool = False
    """Whether it has to be installed."""


_VARIANTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    OURS: ("this gateway", {}),
    "gateway-lean": ("this gateway, lean HTTP", {"GATEWAY_HTTP_CLIENT": "lean", "GATEWAY_HTTP_SERVER": "lean"}),
}


def servers() -> list[Server]:
    """Every server, ours first."""
    return [
        *(Server(name, title, _ours(given), grpc=True) for name, (title, given) in _VARIANTS.items()),
        Server(BARE, "this gateway, no steps", _ours({}, "bare"), operations=frozenset({"user", "users"})),
        Server(FLOOR, "hand-written aiohttp handler", _floor, ByHand()),
        Server("tailcall", "Tailcall (Rust)", _tailcall, SourceShaped(peers.documents()), peer=True),
        Server("mercurius", "Mercurius, JIT", _node("mercurius"), peer=True),
        Server("apollo", "Apollo Server 5", _node("apollo"), peer=True),
        Server("yoga", "GraphQL Yoga", _node("yoga"), peer=True),
        Server("hive", "Hive Gateway (OpenAPI)", _hive, SourceShaped(peers.documents()), peer=True),
    ]


def _ours(given: Mapping[str, str], altered: str = "") -> Callable[[Place], Launch]:
    def launch(place: Place) -> Launch:
        by_list = place.lookups is Lookups.LISTS
        how = altered or ("unshared" if by_list else "")
        module = ["benchmarks.altered", how] if how else ["gateway"]
        environment = {
            "GATEWAY_HTTP_PORT": str(place.port),
            "GATEWAY_GRPC_PORT": str(place.grpc_port),
            "GATEWAY_ENVIRONMENT": "development",
            "GATEWAY_LOG_LEVEL": "WARNING",
            "GATEWAY_ACCOUNT__BASE_URL": place.sources,
            "GATEWAY_ACCOUNT__TOKEN": ACCOUNT_TOKEN,
            "GATEWAY_ACCOUNT__ACCOUNT_ID": ACCOUNT_ID,
            "GATEWAY_ACCOUNT__RATE_LIMIT": "1000000",
            **({"GATEWAY_REFERENCE_TTL": "0"} if by_list else {}),
            **_compiled(place),
            **given,
        }
        return Launch([sys.executable, "-m", *module, "serve"], environment)

    return launch


def _floor(place: Place) -> Launch:
    return Launch([sys.executable, "-m", "benchmarks.floor"], {**_environment(place), **_compiled(place)})


def _node(name: str) -> Callable[[Place], Launch]:
    def launch(place: Place) -> Launch:
        return Launch([str(peers.NODE), str(peers.FOLDER / f"{name}.mjs")], _environment(place))

    return launch


def _tailcall(place: Place) -> Launch:
    file = place.folder / f"tailcall-{place.lookups}.graphql"
    file.write_text(tailcall.configuration(place.port, place.sources, place.lookups))
    return Launch(tailcall.command("start", str(file)), {"TAILCALL_LOG_LEVEL": "error", "TAILCALL_TRACKER": "false"})


def _hive(place: Place) -> Launch:
    """Composed before the start: a supergraph is a deployment's artefact, and no part of a cold start."""
    supergraph = place.folder / f"hive-{place.lookups}.graphql"
    environment = {**_environment(place), "SUPERGRAPH": str(supergraph)}
    peers.run("hive.compose.mjs", environment)
    return Launch([str(peers.NODE), str(peers.FOLDER / "hive.mjs")], environment)


def _compiled(place: Place) -> dict[str, str]:
    """As installed programs are, whatever this shell says: with their bytecode kept from one start to the next."""
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(place.folder / "bytecode")}


def _environment(place: Place) -> dict[str, str]:
    return {
        "PORT": str(place.port),
        "SOURCES": place.sources,
        "LOOKUPS": place.lookups.value,
        "CREDENTIALS": orjson.dumps(CREDENTIALS).decode(),
        "NODE_ENV": "production",
    }
