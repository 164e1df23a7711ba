"""The gRPC server: on its port, with health and reflection, until it is drained and stopped."""

import asyncio
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from gateway.api.capacity import Capacity
from gateway.api.grpc.calls import CallAdmission, Method, UnderWay, stream, unary
from gateway.api.grpc.servicer import UserServicer
from gateway.api.grpc.usergateway.v1 import users_pb2
from gateway.api.grpc.watching import Watching
from gateway.callers.authentication import Authenticate, anyone
from gateway.events.log import EventLog
from gateway.kit.watched_file import FileVersion, file_version
from gateway.users.service import UserService

__all__ = ["GrpcOptions", "GrpcServer", "Tls", "start_grpc"]

_SERVICE = users_pb2.DESCRIPTOR.services_by_name["UserService"]
_NAMES = (_SERVICE.full_name, health.SERVICE_NAME, reflection.SERVICE_NAME, "grpc.reflection.v1.ServerReflection")
_LAST_WORD = 0.1  # seconds for a watcher to be told of the end
_OVERHEAD = 1024 * 1024  # bytes of a request beside its icon


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files: the server's certificate chain and key, and with `client_ca` whose clients are let in (mTLS).

    The files are read again for a new connection after they have changed: certificates are renewed without a restart.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class GrpcOptions:
    """Where and how to serve.

    `port` 0 picks one. Sizes are in bytes, times in seconds. `max_message_bytes` None is what the largest icon
    needs. `request_timeout` bounds a call whose client sets no shorter deadline. Load balancers drop quiet
    connections and send all calls of one to the same server: so it is pinged every `keepalive_time`, and closed
    gracefully after about `max_connection_age`, upon which clients connect anew, perhaps to another server.
    Clients may ping every `min_ping_interval`, also without calls.
    """

    host: str = "127.0.0.1"
    port: int = 50051
    reflection: bool = False
    tls: Tls | None = None
    icon_bytes: int = 5 * 1024 * 1024
    max_message_bytes: int | None = None
    max_concurrent_calls: int | None = None
    request_timeout: float = 30.0
    keepalive_time: float = 60.0
    keepalive_timeout: float = 20.0
    min_ping_interval: float = 10.0
    max_connection_age: float = 1800.0
    max_connection_age_grace: float = 60.0

    def arguments(self) -> list[tuple[str, int]]:
        """The server's channel arguments."""
        largest = self.icon_bytes + _OVERHEAD if self.max_message_bytes is None else self.max_message_bytes
        times = {
            "grpc.keepalive_time_ms": self.keepalive_time,
            "grpc.keepalive_timeout_ms": self.keepalive_timeout,
            "grpc.http2.min_ping_interval_without_data_ms": self.min_ping_interval,
            "grpc.max_connection_age_ms": self.max_connection_age,
            "grpc.max_connection_age_grace_ms": self.max_connection_age_grace,
        }
        return [
            ("grpc.max_receive_message_length", largest),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.so_reuseport", 0),  # with it two servers share a port, and nobody is told
            *((name, round(seconds * 1000)) for name, seconds in times.items()),
        ]


@dataclass(slots=True)
class GrpcServer:
    """A running server; `address` is `host:port`."""

    address: str
    port: int
    _server: Any = field(repr=False)
    _health: "_Health" = field(repr=False)
    _under_way: UnderWay = field(repr=False)
    _watching: Watching | None = field(default=None, repr=False)

    async def drain(self) -> None:
        """Turn NOT_SERVING, so that load balancers look elsewhere, and end the watches; other calls are still taken."""
        await self._health.enter_graceful_shutdown()
        if self._watching is not None:
            self._watching.drain()

    async def stop(self, grace: float = 10.0) -> None:
        """Drain, take no more calls, and let those under way finish for `grace` seconds."""
        await self.drain()
        self._health.dismiss()
        stopping = asyncio.ensure_future(self._server.stop(grace))
        await asyncio.wait({stopping}, timeout=max(0.0, grace - _LAST_WORD))
        self._under_way.end()
        await stopping


class _Health(health.aio.HealthServicer):
    """Health v1. Its watchers would hold up a stop until the end of the grace: they are dismissed."""

    def __init__(self) -> None:
        super().__init__()
        self._dismissed = asyncio.Event()

    def dismiss(self) -> None:
        self._dismissed.set()

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:  # noqa: N802 - the method's name
        watching = asyncio.ensure_future(super().Watch(request, context))
        ending = asyncio.ensure_future(self._dismissed.wait())
        try:
            await asyncio.wait({watching, ending}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({watching}, timeout=_LAST_WORD)
        finally:
            watching.cancel()
            ending.cancel()


async def start_grpc(
    service: UserService,
    options: GrpcOptions | None = None,
    *,
    events: EventLog | None = None,
    authenticate: Authenticate = anyone,
    capacity: Capacity | None = None,
) -> GrpcServer:
    """Serve the service; each call runs as an operation with a deadline.

    `authenticate` tells by the metadata whose call of UserService it is, and `capacity` what it may take; health and
    reflection are for anybody.
    Without `events` there is nothing to watch: WatchUsers is UNIMPLEMENTED.

    Raises:
        OSError: the address cannot be listened on, or a TLS file cannot be read or used.
    """
    options = options or GrpcOptions()
    server = grpc.aio.server(options=options.arguments(), maximum_concurrent_rpcs=options.max_concurrent_calls)
    watching = Watching(events) if events is not None else None
    admission = CallAdmission(authenticate, capacity or Capacity())
    server.add_generic_rpc_handlers((_handlers(service, options, watching, admission),))
    checks = _Health()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    if options.reflection:
        _reflect(server)
    host = f"[{options.host}]" if ":" in options.host else options.host
    try:
        port = _listen(server, f"{host}:{options.port}", options.tls)
    except OSError:
        await server.stop(None)
        raise
    await server.start()
    await checks.set(_SERVICE.full_name, health_pb2.HealthCheckResponse.SERVING)
    return GrpcServer(f"{host}:{port}", port, server, checks, admission.under_way, watching)


def _handlers(service: UserService, options: GrpcOptions, watching: Watching | None, admission: CallAdmission) -> Any:
    """Every method of the .proto: there is none without a behaviour, and no behaviour without a method."""
    servicer = UserServicer(service, icon_bytes=options.icon_bytes)
    found = {}
    for method in _SERVICE.methods:
        request, response = (getattr(users_pb2, kind.name) for kind in (method.input_type, method.output_type))
        own = Method(method.name, request.FromString)
        codecs = {"response_serializer": response.SerializeToString}  # requests are read where errors are spelled
        if method.server_streaming:
            watch = stream(own, watching.watch_users, admission) if watching else _not_here
            found[method.name] = grpc.unary_stream_rpc_method_handler(watch, **codecs)
        else:
            respond = getattr(servicer, re.sub(r"(?<!^)(?=[A-Z])", "_", method.name).lower())
            found[method.name] = grpc.unary_unary_rpc_method_handler(
                unary(own, respond, admission, options.request_timeout), **codecs
            )
    return grpc.method_handlers_generic_handler(_SERVICE.full_name, found)


async def _not_here(_request: Any, context: Any) -> None:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "WatchUsers is not served here: there is no event log.")


def _reflect(server: Any) -> None:
    """Reflection by both its names: newer clients ask for v1, which is v1alpha's protocol on the wire."""
    reflection.enable_server_reflection(_NAMES, server)
    answering = reflection.aio.ReflectionServicer(_NAMES)
    v1 = grpc.stream_stream_rpc_method_handler(
        answering.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    handler = grpc.method_handlers_generic_handler(_NAMES[-1], {"ServerReflectionInfo": v1})
    server.add_generic_rpc_handlers((handler,))


def _listen(server: Any, address: str, tls: Tls | None) -> int:
    try:
        port = server.add_secure_port(address, _credentials(tls)) if tls else server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"gRPC cannot listen on {address}: is the port in use?") from error
    return int(port)


def _credentials(tls: Tls) -> Any:
    files = [path for path in (tls.certificate, tls.key, tls.client_ca) if path]

    def stamps() -> Sequence[FileVersion | None]:
        return [file_version(path) for path in files]

    def read() -> Any:
        pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
        authority = tls.client_ca.read_bytes() if tls.client_ca else None
        _try(tls)
        return grpc.ssl_server_certificate_configuration([pair], authority)

    known = stamps()

    def fresh() -> Any:
        """For each new connection: None keeps the certificate in use, as do files that are just being replaced."""
        nonlocal known
        now = stamps()
        if now == known:
            return None
        try:
            configuration = read()
        except OSError:
            return None
        known = now
        return configuration

    return grpc.dynamic_ssl_server_credentials(read(), fresh, tls.client_ca is not None)


def _try(tls: Tls) -> None:
    """Find out what cannot be used: grpcio tells that in its own log alone, and that there is no port.

    Raises:
        OSError: it names the files.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files = f"{tls.certificate} and {tls.key}"
    try:
        context.load_cert_chain(tls.certificate, tls.key, password="")
        if tls.client_ca:
            files = str(tls.client_ca)
            context.load_verify_locations(tls.client_ca)
    except ssl.SSLError as error:
        raise OSError(f"gRPC cannot use {files} for TLS: {error.reason or error}") from error
