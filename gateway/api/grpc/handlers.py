"""What the methods have in common: authentication, the request message, charging, errors as statuses, trailers.

Each method is registered with grpcio as one whose client sends a stream of messages: on the network there is no
difference, and such a handler runs before the message is received. So a caller is authenticated first, and the message
of a call that is refused is never received, nor kept. Unary methods also run within a deadline and a slot; the stream
of WatchUsers has neither.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from gateway.api.capacity import AllowanceExceeded, Capacity
from gateway.api.gate import Overloaded
from gateway.api.grpc.calls import Call
from gateway.api.grpc.prices import price_of
from gateway.callers.revocation import CredentialWatch
from gateway.errors import BadUserInput, Outcome, RateLimited, SourceTimeout, SourceUnavailable
from gateway.freshness import FreshnessReport
from gateway.kit.counts import Counts
from gateway.kit.timers import Timers
from gateway.operation import operation
from gateway.telemetry.telemetry import Telemetry

__all__ = ["CallAdmission", "Method", "OpenCalls", "RunningCalls", "abort", "ignore_disconnections", "stream", "unary"]

_GRPCIO_LOG = logging.getLogger("grpc._cython.cygrpc")
_CLOCK_RESOLUTION = 0.001  # seconds: deadlines are sent in milliseconds
_CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the .proto, the function that parses its requests, and their maximum size in bytes."""

    name: str
    parse: Callable[[bytes], Any]
    max_bytes: int

    @property
    def is_change(self) -> bool:
        """Whether its calls change users."""
        return not self.name.startswith(("Get", "List", "Find", "Watch"))

    async def read_request(self, context: Any, timers: Timers, seconds: float) -> Any:
        """Receive and parse the request message.

        Raises:
            SourceTimeout: it did not arrive within so many seconds.
            BadUserInput: it is too large, or is not valid.
        """
        data = None
        with suppress(TimeoutError), timers.limit(seconds):
            data = await context.read()
        # At the deadline of the client, grpcio returns EOF too.
        if data is None or (data is grpc.aio.EOF and _is_past_deadline(context)):
            raise SourceTimeout(f"The request did not arrive within {max(seconds, 0):.3g} s.")
        if data is grpc.aio.EOF:
            raise BadUserInput("The call has no request message.")
        if len(data) > self.max_bytes:
            raise BadUserInput(f"The request may have {self.max_bytes} bytes at most.")
        try:
            return self.parse(data)
        except DecodeError:  # grpcio's error would be UNKNOWN, without details
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


@dataclass(slots=True)
class OpenCalls:
    """The open calls: at most `limit`, of one caller at most `limit_each`, unless callers are not distinguished.

    Those of clients without a valid credential are not counted: they end at once. grpcio's own maximum would count
    them, so that anybody could keep all callers out.
    """

    limit: int
    limit_each: int
    _number: int = 0
    _numbers: Counts = field(default_factory=Counts)

    def count(self, caller: str, context: Any) -> None:
        """Count one more call of a caller, until its client has received the end of the response.

        Raises:
            Overloaded: there are too many calls.
            RateLimited: there are too many of this caller.
        """
        if self._number >= self.limit:
            raise Overloaded("There are too many open calls. Retry after 1 s.", retry_after=1.0)
        if caller and self._numbers[caller] >= self.limit_each:
            message = f"A caller can have at most {self.limit_each} open calls. Retry after 1 s."
            raise RateLimited(message, retry_after=1.0)
        self._number += 1
        self._numbers.add(caller)
        context.add_done_callback(lambda _: self._end(caller))

    def _end(self, caller: str) -> None:
        self._number -= 1
        self._numbers.remove(caller)


@dataclass(frozen=True, slots=True)
class CallAdmission:
    """Authenticates the callers of a server and charges them for their calls; `timeout` is for each, in seconds."""

    credentials: CredentialWatch
    capacity: Capacity
    open_calls: OpenCalls
    timeout: float
    telemetry: Telemetry = field(default_factory=Telemetry)
    running: RunningCalls = field(default_factory=RunningCalls)
    timers: Timers = field(default_factory=Timers)

    async def admit(self, call: Call, context: Any) -> None:
        """Authenticate the caller of a call that has just begun.

        Raises:
            Unauthenticated: the credential is missing or not valid.
            Overloaded: there are too many open calls.
            RateLimited: the caller has too many of them.
        """
        call.principal = await self.credentials.authenticate(call.connection)
        call.report.caller = call.principal.name
        self.open_calls.count(call.principal.name, context)

    def end(self, call: Call, status: grpc.StatusCode) -> None:
        """Report a call that has ended."""
        call.report.status = status.name
        self.telemetry.end(call.report)

    async def charge(self, call: Call, request: Any) -> None:
        """Charge the caller for a call.

        Raises:
            AllowanceExceeded: the rest of the caller's allowance is less than the price.
        """
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
    method: Method, respond: Callable[[Any, Call], Awaitable[Any]], admission: CallAdmission
) -> Callable[[Any, Any], Awaitable[Any]]:
    """Return the handler of a unary method. A call ends at its deadline, or at the timeout after its start."""
    running = admission.running

    async def execute(call: Call, context: Any) -> Any:
        seconds = call.seconds_to_execute(admission.timeout)
        report = call.report
        with operation(
            timeout=seconds,
            trace=report.trace,
            calls=report.calls,
            request_id=call.request_id,
            freshness=call.freshness,
        ):
            await admission.admit(call, context)
            request = await method.read_request(context, admission.timers, seconds)
            await admission.charge(call, request)
            async with admission.capacity.slot(call.principal.identity):
                return await respond(request, call)

    async def handle(_requests: Any, context: Any) -> Any:
        call = Call.of(method.name, context, admission.telemetry)
        call.report.kind = "unary"
        if method.is_change:
            call.freshness = FreshnessReport.of_change(call.freshness.wanted)
        task: Any = asyncio.current_task()
        running.tasks.add(task)
        try:
            answer = await execute(call, context)
        except asyncio.CancelledError:
            if not running.stopping:
                admission.end(call, grpc.StatusCode.CANCELLED)
                raise
            outcome = Outcome.UNKNOWN if method.is_change else None
            stopping = SourceUnavailable("The server stopped before the call ended.", retry_after=1.0, outcome=outcome)
            status = call.failed(stopping)
        except Exception as error:  # noqa: BLE001 - the client gets a status with details for every exception
            status = call.failed(error)
        else:
            call.add_freshness()
            context.set_trailing_metadata(call.all_trailers())
            call.report.bytes = answer.ByteSize()
            admission.end(call, grpc.StatusCode.OK)
            return answer
        finally:
            running.tasks.discard(task)
            call.close()
        admission.end(call, _CODES[status.code])
        return await _abort_with(status, context, call)

    return handle


def stream(
    method: Method, respond: Callable[[Any, Call, Any], Awaitable[None]], admission: CallAdmission
) -> Callable[[Any, Any], Awaitable[None]]:
    """Return the handler of a server-streaming method; `respond` writes to the context until the stream ends."""

    async def execute(call: Call, context: Any) -> None:
        await admission.admit(call, context)
        request = await method.read_request(context, admission.timers, admission.timeout)
        await admission.charge(call, request)
        await respond(request, call, context)

    async def handle(_requests: Any, context: Any) -> None:
        call = Call.of(method.name, context, admission.telemetry)
        call.report.kind = "stream"
        try:
            await execute(call, context)
        except (asyncio.CancelledError, grpc.aio.InternalError):  # the client disconnected: it cannot get a status
            admission.end(call, grpc.StatusCode.CANCELLED)
            raise
        except Exception as error:  # noqa: BLE001 - as in `unary`
            status = call.failed(error)
        else:
            context.set_trailing_metadata(call.all_trailers())
            admission.end(call, grpc.StatusCode.OK)
            return
        finally:
            call.close()
        admission.end(call, _CODES[status.code])
        with suppress(grpc.aio.InternalError):  # the client may disconnect before it reads the status
            await _abort_with(status, context, call)

    return handle


async def abort(
    context: Any, code: grpc.StatusCode, message: str, trailers: tuple[tuple[str, str | bytes], ...] = ()
) -> None:
    """End a call with a status. Call it outside of `except` blocks, whose exception that of grpcio would refer to.

    grpcio keeps its exception in the state of the call, and raises it again when the handler returns. Its traceback
    would keep the frames of the handlers, and these the state of the call: a cycle that keeps all that the frames refer
    to until the next garbage collection.
    """
    try:
        await context.abort(code, message, trailers)
    except grpc.aio.AbortError as aborted:
        aborted.__traceback__ = None


async def _abort_with(status: status_pb2.Status, context: Any, call: Call) -> None:
    details = ("grpc-status-details-bin", status.SerializeToString())
    await abort(context, _CODES[status.code], status.message, (*call.all_trailers(), details))


def _is_past_deadline(context: Any) -> bool:
    left: float | None = context.time_remaining()
    return left is not None and left <= _CLOCK_RESOLUTION


def _is_no_disconnection(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("ExecuteBatchError")


def ignore_disconnections() -> None:
    """Let grpcio log nothing where a client disconnects during a response: it would be a traceback for each call."""
    if _is_no_disconnection not in _GRPCIO_LOG.filters:
        _GRPCIO_LOG.addFilter(_is_no_disconnection)
