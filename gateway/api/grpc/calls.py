"""What happens around every call: who calls, what it may take and how long, our errors as statuses, the trailers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from gateway.api.capacity import Capacity, Spent, ratelimit_headers
from gateway.api.grpc.errors import partial_errors, spelled
from gateway.api.grpc.prices import price_of
from gateway.api.grpc.usergateway.v1 import users_pb2
from gateway.callers.authentication import Authenticate
from gateway.errors import BadUserInput, Outcome, SourceUnavailable
from gateway.kit.rate_limit import Allowance
from gateway.operation import ANYONE, Principal, operation, request_id, traceparent
from gateway.users.loaders import Loaders

__all__ = ["PARTIAL_ERRORS", "Call", "CallAdmission", "Method", "UnderWay", "stream", "unary"]

PARTIAL_ERRORS = "usergateway-partial-errors-bin"

_MOST_BYTES = 4096  # of partial errors: clients take 8 KiB of metadata
_LAST_WORD = 0.05  # seconds
_CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(slots=True)
class Call:
    """One call: what its client sent beside the request, and what it is sent beside the answer.

    `headers` are the metadata that are text, by their names in small letters; `principal` is whose call it is.
    `timeout` is in seconds: what was left of the client's deadline when the call arrived, None without one.
    """

    method: str
    request_id: str
    timeout: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    principal: Principal = ANYONE
    trailers: list[tuple[str, str | bytes]] = field(default_factory=list)
    _held: list[Loaders] = field(default_factory=list)

    def loading(self, loaders: Loaders) -> Loaders:
        """Loaders of this call: what they still load when it ends, its client having gone, ends with it."""
        self._held.append(loaders)
        return loaders

    def close(self) -> None:
        for loaders in self._held:
            loaders.close()

    def budget(self, longest: float) -> float:
        """The seconds for the sources: what the client waits, less a little to tell it how it went."""
        if self.timeout is None:
            return longest
        return min(longest, self.timeout - min(_LAST_WORD, self.timeout * 0.05))

    def charged(self, allowance: Allowance) -> None:
        """Tell the client what is left of its allowance, as HTTP's are told; RetryInfo says when to come back."""
        told = ((name.lower(), value) for name, value in ratelimit_headers(allowance))
        self.trailers += [(name, value) for name, value in told if name != "retry-after"]

    def replayed(self) -> None:
        """Tell the client that the answer is an earlier call's under the same request_id."""
        self.trailers.append(("idempotency-replayed", "true"))

    def missing(self, failures: Iterable[tuple[str, Exception]]) -> None:
        """Tell the client in a trailer what of the answer could not be looked up."""
        told = users_pb2.PartialErrors()
        for error in partial_errors(failures, self.request_id, self.method):
            told.errors.append(error)
            while told.ByteSize() > _MOST_BYTES and told.errors:
                told.omitted += 1
                del told.errors[-1].paths[-1]
                if not told.errors[-1].paths:
                    del told.errors[-1]
        if told.errors or told.omitted:
            self.trailers.append((PARTIAL_ERRORS, told.SerializeToString()))


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the .proto, and what reads its requests."""

    name: str
    reads: Callable[[bytes], Any]

    @property
    def changes(self) -> bool:
        """Whether a call of it may change something."""
        return not self.name.startswith(("Get", "List", "Find", "Watch"))

    def request(self, sent: bytes) -> Any:
        """What was asked: grpcio would call what it cannot read UNKNOWN, by the name of a class and without details.

        Raises:
            BadUserInput: it is no such message.
        """
        try:
            return self.reads(sent)
        except DecodeError:
            raise BadUserInput("The request is no message of this method.") from None


@dataclass(slots=True)
class UnderWay:
    """The calls that a server has to answer before it stops."""

    stopping: bool = False
    tasks: "set[asyncio.Task[Any]]" = field(default_factory=set)

    def end(self) -> None:
        """End them while they can still be told why, which is not so once grpcio cancels them."""
        self.stopping = True
        for task in self.tasks:
            task.cancel()


@dataclass(frozen=True, slots=True)
class CallAdmission:
    """Tells whose call it is, and whether that caller may have it."""

    authenticate: Authenticate
    capacity: Capacity
    under_way: UnderWay = field(default_factory=UnderWay)

    async def admit(self, call: Call, request: Any) -> None:
        """Charge the caller for the call.

        Raises:
            Unauthenticated: nobody knows whose it is.
            Spent: the caller has not so much left.
        """
        call.principal = await self.authenticate(call.headers)
        if not self.capacity.counted:
            return
        try:
            allowance = await self.capacity.take(call.principal.name, price_of(request))
        except Spent as spent:
            call.charged(spent.allowance)
            raise
        if allowance is not None:
            call.charged(allowance)


def unary(
    method: Method,
    respond: Callable[[Any, Call], Awaitable[Any]],
    admission: CallAdmission,
    longest: float,
) -> Callable[[Any, Any], Awaitable[Any]]:
    """A method's behaviour for the server: one request, one answer; by the deadline, or in `longest` seconds."""
    under_way = admission.under_way

    async def handle(sent: bytes, context: Any) -> Any:
        started = time.perf_counter()
        call = _incoming(method.name, context)
        task: Any = asyncio.current_task()
        under_way.tasks.add(task)
        try:
            with operation(timeout=call.budget(longest), trace=traceparent(call.headers.get("traceparent"))):
                request = method.request(sent)
                await admission.admit(call, request)
                async with admission.capacity.turn():
                    answer = await respond(request, call)
        except asyncio.CancelledError:
            if not under_way.stopping:
                raise
            outcome = Outcome.UNKNOWN if method.changes else None
            stopping = SourceUnavailable("This server is stopping.", retry_after=1.0, outcome=outcome)
            await _refuse(context, call, stopping, started)
        except Exception as error:  # noqa: BLE001 - whatever happens, the client gets a status in our words
            await _refuse(context, call, error, started)
        finally:
            under_way.tasks.discard(task)
            call.close()
        context.set_trailing_metadata(_trailers(call, started))
        return answer

    return handle


def stream(
    method: Method, respond: Callable[[Any, Call, Any], Awaitable[None]], admission: CallAdmission
) -> Callable[[Any, Any], Awaitable[None]]:
    """A server stream's behaviour for the server: it writes to the context, until its client has enough."""

    async def handle(sent: bytes, context: Any) -> None:
        started = time.perf_counter()
        call = _incoming(method.name, context)
        try:
            request = method.request(sent)
            await admission.admit(call, request)
            await respond(request, call, context)
        except grpc.aio.InternalError:  # the client left while it was written to: nobody is there to be told
            raise
        except Exception as error:  # noqa: BLE001 - as above
            with suppress(grpc.aio.InternalError):  # the status waits until a client reads, who may leave instead
                await _refuse(context, call, error, started)
        context.set_trailing_metadata(_trailers(call, started))

    return handle


async def _refuse(context: Any, call: Call, error: Exception, started: float) -> None:
    status = spelled(error, call.request_id, call.method)
    details = ("grpc-status-details-bin", status.SerializeToString())
    await context.abort(_CODES[status.code], status.message, (*_trailers(call, started), details))


def _incoming(method: str, context: Any) -> Call:
    sent: dict[str, str] = {}
    for name, value in context.invocation_metadata() or ():
        if isinstance(value, str):
            sent.setdefault(name, value)  # the first counts, as over HTTP
    return Call(
        method,
        request_id(sent.get("x-request-id")),
        context.time_remaining(),
        sent,
    )


def _trailers(call: Call, started: float) -> tuple[tuple[str, str | bytes], ...]:
    spent = (time.perf_counter() - started) * 1000
    return (("x-request-id", call.request_id), ("server-timing", f"total;dur={spent:.1f}"), *call.trailers)
