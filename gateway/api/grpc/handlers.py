"""The handlers of the methods: they receive the request message, and send errors as statuses, and trailers.

Each method is registered with grpcio as one whose client sends a stream of messages: on the network there is no
difference, and such a handler runs before the message is received. So a caller is authenticated first, and the message
of a call that is refused is never received, nor kept. Unary methods also run within a deadline and a slot; the stream
of WatchUsers has neither.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import grpc
from google.rpc import status_pb2

from gateway.api.grpc.admission import CallAdmission, Method
from gateway.api.grpc.calls import Call
from gateway.api.grpc.servicer import Respond
from gateway.api.grpc.watching import EventWriter
from gateway.errors import BadUserInput, Outcome, SourceTimeout, SourceUnavailable
from gateway.freshness import FreshnessReport
from gateway.telemetry.telemetry import Telemetry

__all__ = ["Handlers", "RunningCalls", "abort", "ignore_disconnections"]

_GRPCIO_LOG = logging.getLogger("grpc._cython.cygrpc")
_CLOCK_RESOLUTION = 0.001  # seconds: deadlines are sent in milliseconds
_CODES = {code.value[0]: code for code in grpc.StatusCode}


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
class Handlers:
    """Makes the handlers of the methods of a server, and reports their calls."""

    admission: CallAdmission
    telemetry: Telemetry = field(default_factory=Telemetry)
    running: RunningCalls = field(default_factory=RunningCalls)

    async def read_request(self, method: Method, call: Call, context: Any, seconds: float) -> Any:
        """Receive and parse the request message of a call whose caller was authenticated.

        Raises:
            SourceTimeout: it did not arrive within so many seconds.
            BadUserInput: it is too large, or is not valid.
        """
        # The call is open until its client has received the end of the response.
        context.add_done_callback(lambda _: self.admission.leave(call))
        data = None
        with suppress(TimeoutError), self.admission.timers.limit(seconds):
            data = await context.read()
        # At the deadline of the client, grpcio returns EOF too.
        if data is None or (data is grpc.aio.EOF and _is_past_deadline(context)):
            raise SourceTimeout(f"The request did not arrive within {max(seconds, 0):.3g} s.")
        if data is grpc.aio.EOF:
            raise BadUserInput("The call has no request message.")
        return method.parse(data)

    def end(self, call: Call, status: grpc.StatusCode) -> None:
        """Report a call that has ended."""
        call.report.status = status.name
        self.telemetry.end(call.report)

    def unary(self, method: Method, respond: Respond) -> Callable[[Any, Any], Awaitable[Any]]:
        """Return the handler of a unary method. A call ends at its deadline, or at the timeout after its start."""
        running = self.running

        async def handle(_requests: Any, context: Any) -> Any:
            call = Call.of_grpc(method.name, context, self.telemetry)
            call.report.kind = "unary"
            if method.is_change:
                call.freshness = FreshnessReport.of_change(call.freshness.wanted)
            task: Any = asyncio.current_task()
            running.tasks.add(task)
            try:
                answer = await self.admission.execute(call, partial(self.read_request, method, call, context), respond)
            except asyncio.CancelledError:
                if not running.stopping:
                    self.end(call, grpc.StatusCode.CANCELLED)
                    raise
                outcome = Outcome.UNKNOWN if method.is_change else None
                stopping = SourceUnavailable(
                    "The server stopped before the call ended.", retry_after=1.0, outcome=outcome
                )
                status = call.failed(stopping)
            except Exception as error:  # noqa: BLE001 - the client gets a status with details for every exception
                status = call.failed(error)
            else:
                call.add_freshness()
                context.set_trailing_metadata(call.all_trailers())
                call.report.bytes = answer.ByteSize()
                self.end(call, grpc.StatusCode.OK)
                return answer
            finally:
                running.tasks.discard(task)
                call.close()
            self.end(call, _CODES[status.code])
            return await _abort_with(status, context, call)

        return handle

    def stream(
        self, method: Method, respond: Callable[[Any, Call, EventWriter], Awaitable[None]]
    ) -> Callable[[Any, Any], Awaitable[None]]:
        """Return the handler of a server-streaming method; `respond` writes messages until the stream ends."""

        async def execute(call: Call, context: Any) -> None:
            await self.admission.admit(call)
            request = await self.read_request(method, call, context, self.admission.timeout)
            await self.admission.charge(call, request)
            await respond(request, call, _GrpcWriter(context, call))

        async def handle(_requests: Any, context: Any) -> None:
            call = Call.of_grpc(method.name, context, self.telemetry)
            call.report.kind = "stream"
            try:
                await execute(call, context)
            except (asyncio.CancelledError, grpc.aio.InternalError):  # the client disconnected: it gets no status
                self.end(call, grpc.StatusCode.CANCELLED)
                raise
            except Exception as error:  # noqa: BLE001 - as in `unary`
                status = call.failed(error)
            else:
                context.set_trailing_metadata(call.all_trailers())
                self.end(call, grpc.StatusCode.OK)
                return
            finally:
                call.close()
            self.end(call, _CODES[status.code])
            with suppress(grpc.aio.InternalError):  # the client may disconnect before it reads the status
                await _abort_with(status, context, call)

        return handle


class _GrpcWriter:
    """Writes the events of a stream to the context of grpcio."""

    def __init__(self, context: Any, call: Call) -> None:
        self._context = context
        self._report = call.report

    async def begin(self, headers: Sequence[tuple[str, str]]) -> None:
        await self._context.send_initial_metadata(tuple(headers))

    async def write(self, message: Any) -> None:
        await self._context.write(message)
        self._report.bytes += message.ByteSize()


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
