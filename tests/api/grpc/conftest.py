"""A gRPC server on a real socket in this process, over a sandbox, and a client of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from aiohttp import ClientSession
from connect_client import ConnectClient
from google.rpc import error_details_pb2, status_pb2
from relay import Relay, relayed
from still_clock import StillClock, running_clock

from gateway import Gateway, Settings
from gateway.api.grpc.server import GrpcOptions, RunningGrpcServer, start_grpc
from gateway.callers.authentication import Authenticate, anyone
from gateway.callers.revocation import CredentialWatch
from gateway.sandbox import (
    ACCOUNT_ID,
    ACCOUNT_TOKEN,
    RESELLER_ID,
    RESELLER_TOKEN,
    SOFTWAREONE_TOKEN,
    SandboxOptions,
    SandboxServer,
)
from gateway.testing import Sandbox
from usergateway.v1 import users_pb2

_METHODS = users_pb2.DESCRIPTOR.services_by_name["UserService"].methods_by_name


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed call, with its details by name."""

    status: grpc.StatusCode
    message: str
    reason: str
    domain: str
    metadata: dict[str, str]
    request_id: str
    retry_after: float | None
    violations: list[tuple[str, str]]


@dataclass(slots=True)
class Success:
    """A successful call: its response message and its trailers."""

    message: Any
    trailers: dict[str, Any]

    @property
    def partial_errors(self) -> dict[str, str]:
        """The reasons by path, from the trailer."""
        partial = users_pb2.PartialErrors.FromString(self.trailers.get("usergateway-partial-errors-bin", b""))
        return {path: parse_status(error.status).reason for error in partial.errors for path in error.paths}


@dataclass(slots=True)
class World:
    """A client of the server, and the sandbox with its list of received calls.

    `account` is between the gateway and the account API.
    """

    channel: grpc.aio.Channel
    server: RunningGrpcServer
    gateway: Gateway
    session: ClientSession
    control: str
    account: Relay
    sent: dict[str, Any] = field(default_factory=dict)
    connect: ConnectClient | None = None

    async def by_connect(self, method: str, request: Any = None, /, *, as_json: bool = False, **fields: Any) -> Any:
        """Call a unary method by Connect, at the HTTP server of the same gateway."""
        if self.connect is None:
            server = await self.gateway.serve_http(grace=0)
            self.gateway._stack.push_async_callback(server.stop)
            self.connect = ConnectClient(self.session, f"http://127.0.0.1:{server.address[1]}")
        return await self.connect.call(method, request, as_json=as_json, sent=self.sent, **fields)

    @staticmethod
    def parse_status(status: status_pb2.Status) -> Failure:
        """Parse a status with its details."""
        return parse_status(status)

    def start(self, method: str, request: Any = None, /, *, timeout: float | None = 60, **fields: Any) -> Any:
        """Start a call; the request may be given by its fields."""
        descriptor = _METHODS[method]
        call = (self.channel.unary_stream if descriptor.server_streaming else self.channel.unary_unary)(
            f"/usergateway.v1.UserService/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=getattr(users_pb2, descriptor.output_type.name).FromString,
        )
        message = request or getattr(users_pb2, descriptor.input_type.name)(**fields)
        return call(message, timeout=timeout, metadata=tuple(self.sent.items()))

    async def call(self, method: str, request: Any = None, /, **fields: Any) -> Success:
        """Make a call that must succeed."""
        call = self.start(method, request, **fields)
        message = await call
        return Success(message, dict(await call.trailing_metadata()))

    async def get(self, method: str, request: Any = None, /, **fields: Any) -> Any:
        """Make a call that must succeed, and return its response message."""
        return (await self.call(method, request, **fields)).message

    async def fail(self, method: str, request: Any = None, /, **fields: Any) -> Failure:
        """Make a call that must fail."""
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await self.start(method, request, **fields)
        trailers = dict(raised.value.trailing_metadata() or ())
        status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
        assert status.code == raised.value.code().value[0]
        assert status.message == raised.value.details()
        failure = parse_status(status)
        assert trailers["x-request-id"] == failure.request_id
        return failure

    async def calls(self, source: str | None = None) -> list[dict[str, Any]]:
        """Return the calls that the sandbox received since the last `forget`."""
        async with self.session.get(f"{self.control}/calls") as response:
            return [call for call in await response.json() if source in {None, call["source"]}]

    async def forget(self) -> None:
        """Delete the list of calls."""
        await (await self.session.delete(f"{self.control}/calls")).read()

    async def fault(self, **fault: Any) -> None:
        """Let the next matching calls fail."""
        async with self.session.post(f"{self.control}/faults", json=fault) as response:
            assert response.status < 300, await response.text()

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait until the condition is true."""
        async with asyncio.timeout(30):
            while not await condition():  # noqa: ASYNC110 - the other side of a socket sets no event
                await asyncio.sleep(0.01)


def parse_status(status: status_pb2.Status) -> Failure:
    """Parse a status; each kind of detail is present at most once."""
    kinds = (
        error_details_pb2.ErrorInfo,
        error_details_pb2.RequestInfo,
        error_details_pb2.RetryInfo,
        error_details_pb2.BadRequest,
    )
    found: dict[Any, Any] = {}
    for detail in status.details:
        [kind] = [kind for kind in kinds if detail.Is(kind.DESCRIPTOR)]
        assert kind not in found
        found[kind] = kind.FromString(detail.value)
    info, request, retry, bad = (found.get(kind) for kind in kinds)
    return Failure(
        next(code for code in grpc.StatusCode if code.value[0] == status.code),
        status.message,
        info.reason,
        info.domain,
        dict(info.metadata),
        request.request_id,
        None if retry is None else retry.retry_delay.ToTimedelta().total_seconds(),
        [(violation.field, violation.description) for violation in bad.field_violations] if bad else [],
    )


def settings_for(sandbox: SandboxServer, account_url: str, changed: Mapping[str, dict[str, Any] | None]) -> Settings:
    """Return the settings of a gateway over a sandbox, with changed settings of sources; None leaves a source out.

    Reference data is not cached, so that calls can be counted. The timeout of a source is longer than that of a call,
    so that no call ends by it unless a test sets another one.
    """
    sources: dict[str, dict[str, Any]] = {
        "account": {"base_url": account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID},
        "softwareone": {"base_url": sandbox.softwareone_url, "token": SOFTWAREONE_TOKEN},
        "reseller": {"base_url": sandbox.reseller_url, "token": RESELLER_TOKEN, "reseller_id": RESELLER_ID},
    }
    merged = {
        name: {"timeout": 120} | source | (changed.get(name) or {})
        for name, source in sources.items()
        if changed.get(name, {}) is not None
    }
    return Settings(http_port=0, reference_ttl=0, **merged)


@asynccontextmanager
async def opened(
    options: GrpcOptions | None = None, authenticate: Authenticate = anyone, **sources: dict[str, Any] | None
) -> AsyncIterator[World]:
    """Open a separate world."""
    clock = running_clock()
    async with (
        SandboxServer(SandboxOptions(users=8, rate_limits=False), clock) as sandbox,
        relayed(sandbox.account_url) as account,
        Gateway(settings_for(sandbox, account.url, sources), clock=clock) as gateway,
        ClientSession() as session,
    ):
        server = await start_grpc(
            gateway._parts.users,
            options or GrpcOptions(port=0),
            events=gateway._entered.events,
            credentials=CredentialWatch(authenticate, version=getattr(authenticate, "version", lambda: None)),
            pictures=gateway.pictures,
        )
        try:
            async with grpc.aio.insecure_channel(server.address) as channel:
                yield World(channel, server, gateway, session, sandbox.control_url, account)
        finally:
            await server.stop(0)


@pytest.fixture
def gateway_sandbox() -> Iterator[Sandbox]:
    """A sandbox whose time passes only where a test advances it."""
    with Sandbox(clock=StillClock()) as sandbox:
        yield sandbox


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A server over all three sources."""
    async with opened() as world:
        yield world


@pytest.fixture
def open_world() -> Any:
    """Opens a world with other options and settings."""
    return opened
