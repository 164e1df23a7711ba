"""The servers that are compared: one entry for each, and the settings of the variants of the gateway.

A new setting of the gateway that may make it faster or slower needs one line in `_VARIANTS`.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson

from benchmarks import peers, tailcall
from benchmarks.dialects import Dialect, GraphQL, HandWritten, SourceShaped
from benchmarks.operations import Lookups
from benchmarks.source_responses import CREDENTIALS
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN

__all__ = [
    "BARE",
    "FLOOR",
    "LEAN",
    "OURS",
    "Launch",
    "LaunchOptions",
    "Server",
    "gateway_server",
    "keeping_peers",
    "keeping_settings",
    "of_checkout",
    "servers",
]

OURS, BARE, FLOOR = "gateway", "gateway-bare", "floor"
"""The names of the gateway with its defaults (the names of its variants begin with it), of the gateway without steps
and measurements, and of the server to which all ratios are computed."""


@dataclass(frozen=True, slots=True)
class LaunchOptions:
    """The ports of a server, the URL of its sources, its kind of lookups, and a folder for its files."""

    port: int
    grpc_port: int
    sources: str
    lookups: Lookups
    folder: Path


@dataclass(frozen=True, slots=True)
class Launch:
    """A command, and its additional environment variables."""

    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Server:
    """One server; `operations` names the operations that it executes, None means all."""

    name: str
    title: str
    launch: Callable[[LaunchOptions], Launch]
    dialect: Dialect = field(default_factory=GraphQL)
    operations: frozenset[str] | None = None
    grpc: bool = False
    peer: bool = False
    """Whether the server has to be installed."""


LEAN: Mapping[str, str] = {"GATEWAY_HTTP_CLIENT": "lean", "GATEWAY_HTTP_SERVER": "lean"}
_KEEP, _KEPT_ENTRIES = 600, 20_000  # seconds, and the number of entries of a cache that is bounded by it
_POLL_INTERVAL = 5  # seconds
_VARIANTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    OURS: ("this gateway", {}),
    "gateway-lean": ("this gateway, lean HTTP", LEAN),
}


def servers() -> list[Server]:
    """Return all servers, the gateway first."""
    return [
        *(Server(name, title, _gateway(settings), grpc=True) for name, (title, settings) in _VARIANTS.items()),
        Server(BARE, "this gateway, no steps", _gateway({}, "bare"), operations=frozenset({"user", "users"})),
        Server(FLOOR, "hand-written aiohttp handler", _floor, HandWritten()),
        Server("tailcall", "Tailcall (Rust)", _tailcall, SourceShaped(peers.documents()), peer=True),
        Server("mercurius", "Mercurius, JIT", _node("mercurius"), peer=True),
        Server("apollo", "Apollo Server 5", _node("apollo"), peer=True),
        Server("yoga", "GraphQL Yoga", _node("yoga"), peer=True),
        Server("hive", "Hive Gateway (OpenAPI)", _hive, SourceShaped(peers.documents()), peer=True),
    ]


def keeping_peers() -> list[Server]:
    """Return the peers that keep results or whole answers, each by its fastest means."""
    return [
        Server("tailcall", "Tailcall (Rust), `@cache`", _tailcall_keeping, SourceShaped(peers.documents()), peer=True),
        Server("mercurius", "Mercurius, JIT, mercurius-cache", _node("mercurius", _KEEPING), peer=True),
        Server("apollo", "Apollo Server 5, response cache", _node("apollo", _KEEPING), peer=True),
        Server("yoga", "GraphQL Yoga, response cache", _node("yoga", _KEEPING), peer=True),
        Server("hive", "Hive Gateway, response cache", _hive_keeping, SourceShaped(peers.documents()), peer=True),
    ]


def keeping_settings(*, poll_interval: float = _POLL_INTERVAL, keep: float = _KEEP) -> dict[str, str]:
    """Return the settings of a gateway that keeps users of the account source, whose changes it polls."""
    return {
        "GATEWAY_KEEP_MODE": "on",
        "GATEWAY_ACCOUNT__KEEP": f"{keep:g}",
        "GATEWAY_ACCOUNT__POLL_INTERVAL": f"{poll_interval:g}",
    }


def gateway_server(name: str, settings: Mapping[str, str], variant: str = "") -> Server:
    """Return this gateway with these settings, in a variant of `benchmarks/altered.py` if one is named."""
    same_hashes = {"PYTHONHASHSEED": "0"}  # else the order of sets differs from process to process
    return Server(name, name, _gateway({**same_hashes, **settings}, variant), grpc=True)


def of_checkout(server: Server, checkout: Path) -> Server:
    """Return this gateway as it is in another checkout of the repository."""

    def launch(options: LaunchOptions) -> Launch:
        launched = server.launch(options)
        program, *arguments = launched.command
        # Without -P, Python would import the gateway of the present folder.
        environment = {**launched.environment, "PYTHONPATH": str(checkout.resolve())}
        return Launch([program, "-P", *arguments], environment)

    return replace(server, launch=launch)


def _gateway(settings: Mapping[str, str], variant: str = "") -> Callable[[LaunchOptions], Launch]:
    def launch(options: LaunchOptions) -> Launch:
        by_list = options.lookups is Lookups.LISTS
        module_variant = variant or ("unshared" if by_list else "")
        module = ["benchmarks.altered", module_variant] if module_variant else ["gateway"]
        environment = {
            "GATEWAY_HTTP_PORT": str(options.port),
            "GATEWAY_GRPC_PORT": str(options.grpc_port),
            "GATEWAY_ENVIRONMENT": "development",
            "GATEWAY_LOG_LEVEL": "WARNING",
            "GATEWAY_ACCOUNT__BASE_URL": options.sources,
            "GATEWAY_ACCOUNT__TOKEN": ACCOUNT_TOKEN,
            "GATEWAY_ACCOUNT__ACCOUNT_ID": ACCOUNT_ID,
            "GATEWAY_ACCOUNT__RATE_LIMIT": "1000000",
            **({"GATEWAY_REFERENCE_TTL": "0"} if by_list else {}),
            **_compiled(options),
            **settings,
        }
        return Launch([sys.executable, "-m", *module, "serve"], environment)

    return launch


def _floor(options: LaunchOptions) -> Launch:
    return Launch([sys.executable, "-m", "benchmarks.floor"], {**_environment(options), **_compiled(options)})


_KEEPING: Mapping[str, str] = {"KEEP": str(_KEEP), "KEEP_ENTRIES": str(_KEPT_ENTRIES)}


def _node(name: str, additional: Mapping[str, str] | None = None) -> Callable[[LaunchOptions], Launch]:
    def launch(options: LaunchOptions) -> Launch:
        environment = {**_environment(options), **(additional or {})}
        return Launch([str(peers.NODE), str(peers.FOLDER / f"{name}.mjs")], environment)

    return launch


def _tailcall_keeping(options: LaunchOptions) -> Launch:
    return _tailcall(options, _KEEP)


def _tailcall(options: LaunchOptions, keep: int = 0) -> Launch:
    file = options.folder / f"tailcall-{options.lookups}.graphql"
    file.write_text(tailcall.configuration(options.port, options.sources, options.lookups, keep))
    return Launch(tailcall.command("start", str(file)), {"TAILCALL_LOG_LEVEL": "error", "TAILCALL_TRACKER": "false"})


def _hive_keeping(options: LaunchOptions) -> Launch:
    launch = _hive(options)
    return Launch(launch.command, {**launch.environment, **_KEEPING})


def _hive(options: LaunchOptions) -> Launch:
    """Compose the supergraph before the start, since it is built at deployment and not at a cold start."""
    supergraph = options.folder / f"hive-{options.lookups}.graphql"
    environment = {**_environment(options), "SUPERGRAPH": str(supergraph)}
    peers.run("hive.compose.mjs", environment)
    return Launch([str(peers.NODE), str(peers.FOLDER / "hive.mjs")], environment)


def _compiled(options: LaunchOptions) -> dict[str, str]:
    """Keep bytecode from one start to the next, as for installed programs, whatever this shell has set."""
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(options.folder / "bytecode")}


def _environment(options: LaunchOptions) -> dict[str, str]:
    return {
        "PORT": str(options.port),
        "SOURCES": options.sources,
        "LOOKUPS": options.lookups.value,
        "CREDENTIALS": orjson.dumps(CREDENTIALS).decode(),
        "NODE_ENV": "production",
    }
