"""grpc.health.v1: the state of the server, which is open to all clients.

grpcio-health-checking has a servicer too. This one is bounded: clients without a credential may hold few requests that
have not arrived yet, and few watches, and none of them can delay the others or the end of the server.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from gateway.api.grpc.handlers import abort
from gateway.kit.counts import Counts

__all__ = ["HEALTH_SERVICE", "ClientSlots", "Health"]

HEALTH_SERVICE = "grpc.health.v1.Health"

_MAX_REQUEST = 4096  # bytes
_MAX_CHECKS = 16  # whose request is arriving; grpcio holds what has arrived of it, up to the server's largest message
_CHECK_TIMEOUT = 5.0  # seconds
_MIN_ARRIVAL_TIME = 0.2  # seconds in which the request of any honest client arrives
_MAX_WATCHES = 1_000  # some 20 KiB each
_MAX_CALLS_OF_CONNECTION = 64  # grpcio cannot end a call whose client does not read, before the connection ends
_Response = health_pb2.HealthCheckResponse


class ClientSlots:
    """At most `limit` slots, for all clients; holding one is limited to `seconds`, if they are given.

    When all are taken, the client address with the most of them loses its oldest one. Thus nobody can keep the others
    out for long from one address. A slot that has been held for less than `min_seconds` is not lost; those beyond the
    limit are lost then.
    """

    def __init__(self, limit: int, *, seconds: float | None = None, min_seconds: float = 0.0) -> None:
        self._limit = limit
        self._seconds = seconds
        self._min_seconds = min_seconds
        self._held: dict[str, dict[asyncio.Timeout, float]] = {}  # with the times since when they are held
        self._number = 0

    @asynccontextmanager
    async def hold(self, peer: str) -> AsyncIterator[None]:
        """Hold a slot while the block is executed; `peer` is the address of the client, with its port.

        Raises:
            TimeoutError: the slot was lost, or held for too long.
        """
        host = peer.rpartition(":")[0]
        if self._number >= self._limit:
            self._displace()
        seconds = self._seconds if self._number < self._limit else self._min_seconds
        async with asyncio.timeout(seconds) as timeout:
            self._held.setdefault(host, {})[timeout] = asyncio.get_running_loop().time()
            self._number += 1
            try:
                yield
            finally:
                self._release(host, timeout)

    def _displace(self) -> None:
        host = max(self._held, key=lambda host: len(self._held[host]))
        timeout, since = next(iter(self._held[host].items()))
        now = asyncio.get_running_loop().time()
        if now - since >= self._min_seconds:
            self._release(host, timeout)
            if not timeout.expired():
                timeout.reschedule(now)

    def _release(self, host: str, timeout: asyncio.Timeout) -> None:
        held = self._held.get(host, {})
        if timeout in held:
            del held[timeout]
            self._number -= 1
        if not held:
            self._held.pop(host, None)


class Health:
    """The health of a server and its services: SERVING, and NOT_SERVING once it drains."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = frozenset({"", *services})
        self._draining = asyncio.Event()
        self._closing = asyncio.Event()
        self._checks = ClientSlots(_MAX_CHECKS, seconds=_CHECK_TIMEOUT, min_seconds=_MIN_ARRIVAL_TIME)
        self._watches = ClientSlots(_MAX_WATCHES)
        self._calls_of = Counts()  # open calls, by the address and port of the client

    def handlers(self) -> Any:
        """Return the handlers for grpcio. Both are registered as streams of both sides: see `handlers.py`."""
        methods = {"Check": self.check, "Watch": self.watch}
        return grpc.method_handlers_generic_handler(
            HEALTH_SERVICE,
            {
                name: grpc.stream_stream_rpc_method_handler(
                    partial(self._handle, method), response_serializer=_Response.SerializeToString
                )
                for name, method in methods.items()
            },
        )

    def drain(self) -> None:
        """Report NOT_SERVING from now on."""
        self._draining.set()

    def close_watches(self) -> None:
        """End all watches: they would delay the stop of the server until the end of its grace."""
        self._closing.set()

    async def check(self, context: Any) -> None:
        # The response too is written in the slot: a client that does not read it would keep the call open for good.
        async with self._checks.hold(context.peer()):
            service = await _read_service(context)
            if service not in self._services:
                raise _RefusedError(grpc.StatusCode.NOT_FOUND, "This server has no such service.")
            await _write(context, self._response(service))

    async def watch(self, context: Any) -> None:
        async with self._checks.hold(context.peer()):
            service = await _read_service(context)
        async with self._watches.hold(context.peer()):
            first = self._response(service)
            await _write(context, first)
            await self._draining.wait()  # it may be over, since writing takes time
            if (last := self._response(service)) != first:
                await _write(context, last)
            await self._closing.wait()

    async def _handle(self, method: Callable[[Any], Awaitable[None]], _requests: Any, context: Any) -> None:
        """Execute a call, and end it with a status."""
        status: tuple[grpc.StatusCode, str] | None = None
        unread = False
        try:
            self._count(context)
            await method(context)
        except TimeoutError:
            status = grpc.StatusCode.RESOURCE_EXHAUSTED, "There are too many calls, or this one took too long."
        except _RefusedError as refused:
            status = refused.code, refused.message
        except _UnreadError:
            unread = True
        if unread:
            # Only the end of the connection, which cancels this task, ends the call; until then it is counted.
            await self._closing.wait()
            raise asyncio.CancelledError
        if status is not None:
            await abort(context, *status)

    def _count(self, context: Any) -> None:
        """Count the call as one of its connection, until it has ended for its client too.

        Raises:
            _RefusedError: the connection has too many.
        """
        peer = context.peer()
        if self._calls_of[peer] >= _MAX_CALLS_OF_CONNECTION:
            message = f"A connection can have at most {_MAX_CALLS_OF_CONNECTION} health calls. Retry later."
            raise _RefusedError(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
        self._calls_of.add(peer)
        context.add_done_callback(lambda _: self._calls_of.remove(peer))

    def _response(self, service: str) -> _Response:
        if service not in self._services:
            return _Response(status=_Response.SERVICE_UNKNOWN)
        return _Response(status=_Response.NOT_SERVING if self._draining.is_set() else _Response.SERVING)


class _RefusedError(Exception):
    """A call is ended with a status."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class _UnreadError(Exception):
    """The client does not read the response."""


async def _write(context: Any, response: _Response) -> None:
    try:
        await context.write(response)
    except asyncio.CancelledError:
        # The slot was lost while the client did not read. It could not receive a status either, and grpcio logs the
        # attempt to send one as an error.
        raise _UnreadError from None


async def _read_service(context: Any) -> str:
    """Return the name of the service in the request.

    Raises:
        _RefusedError: the request is too large, or is not valid.
    """
    data = await context.read()
    if data is grpc.aio.EOF or len(data) > _MAX_REQUEST:
        raise _RefusedError(grpc.StatusCode.INVALID_ARGUMENT, f"Send one request of at most {_MAX_REQUEST} bytes.")
    try:
        return str(health_pb2.HealthCheckRequest.FromString(data).service)
    except DecodeError:
        message = "The request is not a valid message of this method."
    raise _RefusedError(grpc.StatusCode.INVALID_ARGUMENT, message)
