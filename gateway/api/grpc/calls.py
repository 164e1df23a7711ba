"""What the methods have in common: parsing, authentication, charging, errors as statuses, trailers.

Unary methods also run within a deadline and a slot; a stream has neither.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from gateway.api.capacity import AllowanceExceeded, Capacity, ratelimit_headers
from gateway.api.grpc.errors import partial_errors, status_of
from gateway.api.grpc.prices import price_of
from gateway.api.grpc.usergateway.v1 import users_pb2
from gateway.callers.authentication import Authenticate
from gateway.errors import BadUserInput, Outcome, SourceUnavailable
from gateway.kit.rate_limit import Allowance
from gateway.operation import ANYONE, Principal, operation, request_id, traceparent
from gateway.users.loaders import Loaders

__all__ = ["PARTIAL_ERRORS", "Call", "CallAdmission", "Method", "RunningCalls", "stream", "unary"]

PARTIAL_ERRORS = "usergateway-partial-errors-bin"

_MAX_PARTIAL_ERROR_BYTES = 4096  # clients accept 8 KiB of metadata
_RESPONSE_TIME = 0.05  # seconds before the client's deadline, to send the response in time
_CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(slots=True)
class Call:
    """One call: what the client sent in addition to the request, and the trailers of the response.

    `headers` are the metadata that are text, by their names in lower case. `timeout` is the time until the deadline of
    the client when the call arrived, in seconds; None without a deadline.
    """

    method: str
    request_id: str
    timeout: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    principal: Principal = ANYONE
    trailers: list[tuple[str, str | bytes]] = field(default_factory=list)
    _loaders: list[Loaders] = field(default_factory=list)

    def track(self, loaders: Loaders) -> Loaders:
        """Return the loaders, to be closed when the call ends: a client that disconnects stops their lookups."""
        self._loaders.append(loaders)
        return loaders

    def close(self) -> None:
        """Close the tracked loaders."""
        for loaders in self._loaders:
            loaders.close()

    def seconds_to_execute(self, maximum: float) -> float:
        """Return the time for the operation: the client's, less the time for the response, and at most `maximum`."""
        if self.timeout is None:
            return maximum
        return min(maximum, self.timeout - min(_RESPONSE_TIME, self.timeout * 0.05))

    def add_allowance(self, allowance: Allowance) -> None:
        """Add the allowance to the trailers, by the header names of HTTP. `Retry-After` is in RetryInfo instead."""
        headers = ((name.lower(), value) for name, value in ratelimit_headers(allowance))
        self.trailers += [(name, value) for name, value in headers if name != "retry-after"]

    def mark_replayed(self) -> None:
        """Add the trailer of a change whose result was stored under the same request_id."""
        self.trailers.append(("idempotency-replayed", "true"))

    def add_partial_errors(self, failures: Iterable[tuple[str, Exception]]) -> None:
        """Add a trailer with the failed lookups, as many as its size permits."""
        partial = users_pb2.PartialErrors()
        for error in partial_errors(failures, self.request_id, self.method):
            partial.errors.append(error)
            while partial.ByteSize() > _MAX_PARTIAL_ERROR_BYTES and partial.errors:
                partial.omitted += 1
                del partial.errors[-1].paths[-1]
                if not partial.errors[-1].paths:
                    del partial.errors[-1]
        if partial.errors or partial.omitted:
            self.trailers.append((PARTIAL_ERRORS, partial.SerializeToString()))


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the .proto, and the function that parses its requests."""

    name: str
    parse: Callable[[bytes], Any]

    @property
    def is_change(self) -> bool:
        """Whether its calls change users."""
        return not self.name.startswith(("Get", "List", "Find", "Watch"))

    def parse_request(self, data: bytes) -> Any:
        """Parse a request. grpcio's error for one that is not valid would be UNKNOWN, without details.

        Raises:
            BadUserInput: the bytes are not a valid message.
        """
        try:
            return self.parse(data)
        except DecodeError:
            raise BadUserInput("The request is not a valid message of this method.") from None


@dataclass(slots=True)
class RunningCalls:
    """The tasks of the unary calls of a server."""

    stopping: bool = False
    tasks: "set[asyncio.Task[Any]]" = field(default_factory=set)

    def cancel(self) -> None:
        """Cancel all calls. They still send a status, which is impossible after grpcio has cancelled them."""
        self.stopping = True
        for task in self.tasks:
            task.cancel()


@dataclass(frozen=True, slots=True)
class CallAdmission:
    """Authenticates the callers of a server and charges them for their calls."""

    authenticate: Authenticate
    capacity: Capacity
    running: RunningCalls = field(default_factory=RunningCalls)

    async def admit(self, call: Call, request: Any) -> None:
        """Set the principal of the call, and charge its caller.

        Raises:
            Unauthenticated: the credential is missing or not valid.
            AllowanceExceeded: the rest of the caller's allowance is less than the price.
        """
        call.principal = await self.authenticate(call.headers)
        if not self.capacity.has_allowances:
            return
        try:
            allowance = await self.capacity.charge(call.principal.name, price_of(request))
        except AllowanceExceeded as exceeded:
            call.add_allowance(exceeded.allowance)
            raise
        if allowance is not None:
            call.add_allowance(allowance)


def unary(
    method: Method,
    respond: Callable[[Any, Call], Awaitable[Any]],
    admission: CallAdmission,
    timeout: float,
) -> Callable[[Any, Any], Awaitable[Any]]:
    """Return the handler of a unary method. A call ends at its deadline, or `timeout` seconds after its start."""
    running = admission.running

    async def handle(data: bytes, context: Any) -> Any:
        started = time.perf_counter()
        call = _new_call(method.name, context)
        task: Any = asyncio.current_task()
        running.tasks.add(task)
        try:
            with operation(
                timeout=call.seconds_to_execute(timeout), trace=traceparent(call.headers.get("traceparent"))
            ):
                request = method.parse_request(data)
                await admission.admit(call, request)
                async with admission.capacity.slot(call.principal.identity):
                    answer = await respond(request, call)
        except asyncio.CancelledError:
            if not running.stopping:
                raise
            outcome = Outcome.UNKNOWN if method.is_change else None
            stopping = SourceUnavailable("The server stopped before the call ended.", retry_after=1.0, outcome=outcome)
            await _abort(context, call, stopping, started)
        except Exception as error:  # noqa: BLE001 - the client gets a status with details for every exception
            await _abort(context, call, error, started)
        finally:
            running.tasks.discard(task)
            call.close()
        context.set_trailing_metadata(_trailers(call, started))
        return answer

    return handle


def stream(
    method: Method, respond: Callable[[Any, Call, Any], Awaitable[None]], admission: CallAdmission
) -> Callable[[Any, Any], Awaitable[None]]:
    """Return the handler of a server-streaming method; `respond` writes to the context until the stream ends."""

    async def handle(data: bytes, context: Any) -> None:
        started = time.perf_counter()
        call = _new_call(method.name, context)
        try:
            request = method.parse_request(data)
            await admission.admit(call, request)
            await respond(request, call, context)
        except grpc.aio.InternalError:  # the client disconnected during a write: it cannot get a status
            raise
        except Exception as error:  # noqa: BLE001 - as in `unary`
            with suppress(grpc.aio.InternalError):  # the client may disconnect before it reads the status
                await _abort(context, call, error, started)
        context.set_trailing_metadata(_trailers(call, started))

    return handle


async def _abort(context: Any, call: Call, error: Exception, started: float) -> None:
    status = status_of(error, call.request_id, call.method)
    details = ("grpc-status-details-bin", status.SerializeToString())
    await context.abort(_CODES[status.code], status.message, (*_trailers(call, started), details))


def _new_call(method: str, context: Any) -> Call:
    headers: dict[str, str] = {}
    for name, value in context.invocation_metadata() or ():
        if isinstance(value, str):
            headers.setdefault(name, value)  # the first one of a name, as over HTTP
    return Call(
        method,
        request_id(headers.get("x-request-id")),
        context.time_remaining(),
        headers,
    )


def _trailers(call: Call, started: float) -> tuple[tuple[str, str | bytes], ...]:
    milliseconds = (time.perf_counter() - started) * 1000
    return (("x-request-id", call.request_id), ("server-timing", f"total;dur={milliseconds:.1f}"), *call.trailers)
