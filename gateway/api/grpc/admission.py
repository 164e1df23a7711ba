"""What the calls of gRPC and of Connect have in common: authentication, sizes, open calls, charging, the slot.

grpcio is not imported here: Connect is served without it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from google.protobuf.message import DecodeError

from gateway.api.capacity import AllowanceExceeded, Capacity
from gateway.api.gate import Overloaded
from gateway.api.grpc.calls import Call
from gateway.api.grpc.errors import ProtocolRefusal, RpcCode
from gateway.api.grpc.prices import price_of
from gateway.api.grpc.servicer import Respond
from gateway.callers.revocation import CredentialWatch
from gateway.errors import BadUserInput, RateLimited
from gateway.kit.counts import Counts
from gateway.kit.timers import Timers
from gateway.operation import operation
from gateway.principal import Principal
from usergateway.v1 import users_pb2

__all__ = ["CallAdmission", "CheckedCall", "Method", "OpenCalls", "ReadRequest", "RpcOptions", "methods", "too_large"]

_SERVICE = users_pb2.DESCRIPTOR.services_by_name["UserService"]
_OVERHEAD = 1024 * 1024  # bytes of a request in addition to its icon
_MAX_REQUEST = 64 * 1024  # bytes of a request without an icon
_MAX_WATCH_REQUEST = 512 * 1024  # bytes of 1,000 global ids, each of at most 400


@dataclass(frozen=True, slots=True)
class RpcOptions:
    """The limits of calls. Sizes are in bytes, times in seconds.

    `max_message_bytes` None permits the largest icon. `max_calls` is the maximum of open calls, streams among them;
    `max_calls_each` that of one caller. `request_timeout` applies to calls whose client sets no shorter deadline.
    """

    icon_bytes: int = 5 * 1024 * 1024
    max_message_bytes: int | None = None
    max_calls: int = 10_000
    max_calls_each: int = 1_000
    request_timeout: float = 30.0

    def max_request_bytes(self, method: str) -> int:
        """Return the maximum size of the requests of a method."""
        if method == "UpdateSoftwareOneUser":
            return self.icon_bytes + _OVERHEAD if self.max_message_bytes is None else self.max_message_bytes
        return _MAX_WATCH_REQUEST if method == "WatchUsers" else _MAX_REQUEST


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the .proto, the types of its messages, and the maximum size of its requests in bytes.

    `is_change`: its calls change users.
    """

    name: str
    request: Any
    response: Any
    max_bytes: int
    is_stream: bool
    is_change: bool

    def parse(self, data: bytes) -> Any:
        """Return the request message of its bytes.

        Raises:
            BadUserInput: they are too many, or no message of the type.
        """
        if len(data) > self.max_bytes:
            raise too_large(self.max_bytes)
        try:
            return self.request.FromString(data)
        except DecodeError:  # grpcio's error would be UNKNOWN, without details
            raise BadUserInput("The request is not a valid message of this method.") from None


def too_large(max_bytes: int) -> BadUserInput:
    """Return the error for a request that is larger than the maximum."""
    return ProtocolRefusal(f"The request may have {max_bytes} bytes at most.", RpcCode.RESOURCE_EXHAUSTED)


def methods(options: RpcOptions) -> list[Method]:
    """Return the methods of the .proto."""
    return [
        Method(
            method.name,
            getattr(users_pb2, method.input_type.name),
            getattr(users_pb2, method.output_type.name),
            options.max_request_bytes(method.name),
            method.server_streaming,
            not method.name.startswith(("Get", "List", "Find", "Watch")),
        )
        for method in _SERVICE.methods
    ]


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

    def begin(self, caller: str) -> None:
        """Count one more call of a caller, until `end` is called for it.

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
        if caller:
            self._numbers.add(caller)

    def end(self, caller: str) -> None:
        """Count a call of a caller no more."""
        self._number -= 1
        if caller:
            self._numbers.remove(caller)


class CheckedCall(msgspec.Struct, frozen=True):
    """The caller and the request message of a call, found without waiting."""

    principal: Principal
    message: Any


ReadRequest = Callable[[float], Awaitable[Any]]
"""Reads the request message of a call whose deadline is in so many seconds."""


@dataclass(frozen=True, slots=True)
class CallAdmission:
    """Authenticates callers and charges them for their calls; `timeout` is for each, in seconds."""

    credentials: CredentialWatch
    capacity: Capacity
    open_calls: OpenCalls
    timeout: float
    timers: Timers = field(default_factory=Timers)

    @classmethod
    def of(cls, credentials: CredentialWatch, capacity: Capacity, options: RpcOptions) -> "CallAdmission":
        """Return the admission of one server with these limits."""
        return cls(credentials, capacity, OpenCalls(options.max_calls, options.max_calls_each), options.request_timeout)

    async def admit(self, call: Call) -> None:
        """Authenticate the caller of a call that has just begun, and count it until `leave` is called.

        Raises:
            Unauthenticated: the credential is missing or not valid.
            Overloaded: there are too many open calls.
            RateLimited: the caller has too many of them.
        """
        self.enter(call, await self.credentials.authenticate(call.connection))

    def enter(self, call: Call, principal: Principal) -> None:
        """Count a call whose caller was authenticated.

        Raises:
            Overloaded, RateLimited: as `admit` does.
        """
        call.principal = principal
        call.report.caller = principal.name
        self.open_calls.begin(principal.name)
        call.is_counted = True

    def leave(self, call: Call) -> None:
        """Count a call no more, if it was counted."""
        if call.is_counted:
            call.is_counted = False
            self.open_calls.end(call.principal.name)

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

    async def execute(
        self,
        call: Call,
        request: "ReadRequest | CheckedCall",
        respond: Respond,
    ) -> Any:
        """Execute a unary call within its deadline, and return its response message.

        A function that reads the request is called when the caller was authenticated.

        Raises:
            GatewayError: the call is refused, or has failed.
        """
        seconds = self.timeout if call.timeout is None else call.seconds_to_execute(self.timeout)
        report, capacity = call.report, self.capacity
        with operation(
            timeout=seconds,
            trace=report.trace,
            calls=report.calls,
            request_id=call.request_id,
            freshness=call.freshness,
        ):
            if isinstance(request, CheckedCall):
                self.enter(call, request.principal)
                message = request.message
            else:
                await self.admit(call)
                message = await request(seconds)
            if capacity.has_allowances:
                await self.charge(call, message)
            caller = call.principal.identity
            if not capacity.try_enter(caller):
                await capacity.enter(caller)
            try:
                return await respond(message, call)
            finally:
                capacity.leave(caller)
