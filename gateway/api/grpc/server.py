"""The gRPC server: its port, TLS, health, reflection, draining and stopping."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from gateway.api.capacity import Capacity
from gateway.api.grpc.admission import CallAdmission, RpcOptions, methods
from gateway.api.grpc.handlers import Handlers, RunningCalls, ignore_disconnections
from gateway.api.grpc.health import HEALTH_SERVICE, Health
from gateway.api.grpc.messages import Messages
from gateway.api.grpc.servicer import UserServicer
from gateway.api.grpc.watching import Watching
from gateway.api.pictures import PictureLinks
from gateway.callers.authentication import anyone
from gateway.callers.revocation import CredentialWatch
from gateway.events.log import EventLog
from gateway.kit.watched_file import FileVersion, file_version
from gateway.telemetry.telemetry import Telemetry
from gateway.users.service import UserService
from usergateway.v1 import users_pb2

__all__ = ["GrpcOptions", "RunningGrpcServer", "Tls", "start_grpc"]

_SERVICE = users_pb2.DESCRIPTOR.services_by_name["UserService"]
_REFLECTED = (_SERVICE.full_name, HEALTH_SERVICE, reflection.SERVICE_NAME, "grpc.reflection.v1.ServerReflection")
_CLOSE_TIMEOUT = 0.1  # seconds before the end of the grace, to send the last status of calls and health watches


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files: the certificate chain and key of the server, and the CA of accepted client certificates (mTLS).

    Changed files are read again for the next connection, so certificates can be renewed without a restart.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class GrpcOptions(RpcOptions):
    """The options of a server. Times are in seconds.

    `port` 0 selects a free one. `max_calls_each` is the maximum of open calls of one connection too.
    `handshake_timeout` is the time until a connection has been set up. A connection without calls is closed gracefully
    after `max_connection_idle`, so that nobody can occupy all of them with idle ones for long; its client connects
    again for the next call. Load balancers close idle connections and send all calls of a connection to one server.
    Therefore a connection is pinged every `keepalive_time`, and closed gracefully after about `max_connection_age`, so
    that its client connects again, possibly to another server. Clients may ping every `min_ping_interval`, also without
    calls.
    """

    host: str = "127.0.0.1"
    port: int = 50051
    reflection: bool = False
    tls: Tls | None = None
    max_connections: int = 1_000
    handshake_timeout: float = 10.0
    keepalive_time: float = 60.0
    keepalive_timeout: float = 20.0
    min_ping_interval: float = 10.0
    max_connection_idle: float = 30.0
    max_connection_age: float = 1800.0
    max_connection_age_grace: float = 60.0

    def arguments(self) -> list[tuple[str, int]]:
        """Return the channel arguments of grpcio."""
        times = {
            "grpc.server_handshake_timeout_ms": self.handshake_timeout,
            "grpc.keepalive_time_ms": self.keepalive_time,
            "grpc.keepalive_timeout_ms": self.keepalive_timeout,
            "grpc.http2.min_ping_interval_without_data_ms": self.min_ping_interval,
            "grpc.max_connection_idle_ms": self.max_connection_idle,
            "grpc.max_connection_age_ms": self.max_connection_age,
            "grpc.max_connection_age_grace_ms": self.max_connection_age_grace,
        }
        return [
            ("grpc.max_receive_message_length", self.max_request_bytes("UpdateSoftwareOneUser")),
            ("grpc.max_concurrent_streams", self.max_calls_each),
            ("grpc.max_allowed_incoming_connections", self.max_connections),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.so_reuseport", 0),  # with it two servers share a port without an error
            *((name, round(seconds * 1000)) for name, seconds in times.items()),
        ]


@dataclass(slots=True)
class RunningGrpcServer:
    """A running server; `address` is `host:port`."""

    address: str
    port: int
    _server: Any = field(repr=False)
    _health: Health = field(repr=False)
    _running: RunningCalls = field(repr=False)
    _watching: Watching | None = field(default=None, repr=False)

    async def drain(self) -> None:
        """Report NOT_SERVING, so that load balancers use other servers, and end the streams. Accept other calls."""
        self._health.drain()
        if self._watching is not None:
            self._watching.drain()

    async def stop(self, grace: float = 10.0) -> None:
        """Drain, refuse new calls, and stop when the running ones have ended, after `grace` seconds at most."""
        await self.drain()
        self._health.close_watches()
        stopping = asyncio.ensure_future(self._server.stop(grace))
        await asyncio.wait({stopping}, timeout=max(0.0, grace - _CLOSE_TIMEOUT))
        self._running.cancel()
        await stopping


async def start_grpc(
    service: UserService,
    options: GrpcOptions | None = None,
    *,
    events: EventLog | None = None,
    credentials: CredentialWatch | None = None,
    capacity: Capacity | None = None,
    pictures: PictureLinks | None = None,
    telemetry: Telemetry | None = None,
) -> RunningGrpcServer:
    """Start a server; each call is executed as an operation with a deadline.

    Calls of UserService are authenticated by their metadata and limited by `capacity`; health and reflection are open
    to all clients. Without `events`, WatchUsers is UNIMPLEMENTED. `pictures` makes the URLs of pictures; None: they are
    those of the sources.

    Raises:
        OSError: the address is not available, or a TLS file cannot be read or is not valid.
    """
    options = options or GrpcOptions()
    ignore_disconnections()
    server = grpc.aio.server(options=options.arguments())
    credentials = credentials or CredentialWatch(anyone)
    messages = Messages(attrgetter("image_url") if pictures is None else pictures.url)
    window = pictures.window if pictures is not None else lambda: 0
    watching = Watching(events, credentials, messages, window) if events is not None else None
    admission = CallAdmission.of(credentials, capacity or Capacity(), options)
    handlers = Handlers(admission, telemetry or Telemetry())
    server.add_generic_rpc_handlers((_method_handlers(UserServicer(service, messages), options, watching, handlers),))
    health = Health((_SERVICE.full_name,))
    server.add_generic_rpc_handlers((health.handlers(),))
    if options.reflection:
        _reflect(server)
    host = f"[{options.host}]" if ":" in options.host else options.host
    try:
        port = _listen(server, options, f"{host}:{options.port}")
    except OSError:
        await server.stop(None)
        raise
    await server.start()
    return RunningGrpcServer(f"{host}:{port}", port, server, health, handlers.running, watching)


def _method_handlers(
    servicer: UserServicer, options: GrpcOptions, watching: Watching | None, handlers: Handlers
) -> Any:
    """Return the handlers of all methods of the .proto."""
    by_name = {}
    for method in methods(options):
        # Requests are read and parsed by the handlers: see there.
        codecs = {"response_serializer": method.response.SerializeToString}
        if method.is_stream:
            watch = handlers.stream(method, watching.watch_users) if watching else _unimplemented
            by_name[method.name] = grpc.stream_stream_rpc_method_handler(watch, **codecs)
        else:
            handle = handlers.unary(method, servicer.method(method.name))
            by_name[method.name] = grpc.stream_unary_rpc_method_handler(handle, **codecs)
    return grpc.method_handlers_generic_handler(_SERVICE.full_name, by_name)


async def _unimplemented(_request: Any, context: Any) -> None:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "WatchUsers is not available: this server has no event log.")


def _reflect(server: Any) -> None:
    """Serve reflection by both of its names: newer clients call v1, whose messages are those of v1alpha."""
    reflection.enable_server_reflection(_REFLECTED, server)
    servicer = reflection.aio.ReflectionServicer(_REFLECTED)
    v1 = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    handler = grpc.method_handlers_generic_handler(_REFLECTED[-1], {"ServerReflectionInfo": v1})
    server.add_generic_rpc_handlers((handler,))


def _listen(server: Any, options: GrpcOptions, address: str) -> int:
    try:
        _check_free(options.host, options.port)
    except socket.gaierror:
        raise
    except OSError as error:
        raise OSError(error.errno, f"gRPC cannot listen on {address}: {error.strerror}") from None
    tls = options.tls
    try:
        port = server.add_secure_port(address, _credentials(tls)) if tls else server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"gRPC cannot listen on {address}: is the port in use?") from error
    return int(port)


def _check_free(host: str, port: int) -> None:
    """Bind the address for a moment, since grpcio reports only in its log why it cannot listen.

    Raises:
        OSError: none of the addresses of the host can be bound, or the port of one is in use.
    """
    errors = []
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as bound:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as grpcio does
                bound.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise
            errors.append(error)
    if len(errors) == len(found):
        raise errors[0]


def _credentials(tls: Tls) -> Any:
    files = [path for path in (tls.certificate, tls.key, tls.client_ca) if path]

    def versions() -> Sequence[FileVersion | None]:
        return [file_version(path) for path in files]

    def read() -> Any:
        key_and_chain = (tls.key.read_bytes(), tls.certificate.read_bytes())
        authority = tls.client_ca.read_bytes() if tls.client_ca else None
        _check(tls)
        return grpc.ssl_server_certificate_configuration([key_and_chain], authority)

    loaded = versions()

    def reload() -> Any:
        """Return the configuration for a connection; None keeps the present one, also while files are replaced."""
        nonlocal loaded
        present = versions()
        if present == loaded:
            return None
        try:
            configuration = read()
        except OSError:
            return None
        loaded = present
        return configuration

    return grpc.dynamic_ssl_server_credentials(read(), reload, tls.client_ca is not None)


def _check(tls: Tls) -> None:
    """Load the TLS files, since grpcio reports those that are not valid only in its log.

    Raises:
        OSError: a file is not valid; the message names the files.
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
