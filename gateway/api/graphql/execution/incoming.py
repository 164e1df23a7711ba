"""What a request, or a message on a WebSocket, gives to the operation that it starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from gateway.callers.authentication import Authenticate
from gateway.events.log import EventLog
from gateway.operation import ANYONE, Principal, operation, request_id, traceparent
from gateway.users.service import UserService

__all__ = ["Incoming", "IncomingFactory", "next_operation"]


class Incoming(msgspec.Struct, frozen=True):
    """What a request, or a message on a WebSocket, gives to its operation, apart from the GraphQL request.

    `service` acts for `principal`; without `events` there is nothing to subscribe to. `idempotency_key` is from the
    header: it counts for a mutation without an `idempotencyKey` argument. `timeout` is in seconds, for the operation or
    for each event of a subscription; None leaves the timeout of each source. `trace` is the client's `traceparent`.
    """

    service: UserService
    request_id: str
    idempotency_key: str | None = None
    timeout: float | None = None
    trace: str | None = None
    principal: Principal = ANYONE
    events: EventLog | None = None

    def operation(self) -> operation:
        """Return the context manager with the deadline and the trace to execute one operation in."""
        return operation(timeout=self.timeout, trace=self.trace)

    @property
    def caller(self) -> str:
        """The name under which the cost of the operation is charged."""
        return self.principal.name


@dataclass(frozen=True, slots=True)
class IncomingFactory:
    """Authenticates callers and creates an `Incoming` for each request. `timeout` is its longest timeout, in seconds.

    `credentials` are the names, in lower case, of the headers that a WebSocket's client may also send in
    `connection_init`. It may send no others there, since a proxy in front of the gateway may vouch for those.
    """

    service: UserService
    events: EventLog
    authenticate: Authenticate
    timeout: float
    credentials: frozenset[str] = frozenset({"authorization", "x-api-key"})

    async def create(
        self,
        headers: Mapping[str, str],
        request_id: str,
        *,
        idempotency_key: str | None = None,
        max_seconds: float | None = None,
    ) -> Incoming:
        """Authenticate the sender of these headers; `max_seconds` may shorten the timeout.

        Raises:
            Unauthenticated: the headers contain no valid credential.
        """
        principal = await self.authenticate(headers)
        return Incoming(
            self.service.by(principal),
            request_id,
            idempotency_key,
            min(self.timeout, max_seconds or self.timeout),
            traceparent(headers.get("traceparent")),
            principal,
            self.events,
        )

    def credentials_in(self, payload: Mapping[str, Any] | None) -> dict[str, str]:
        """Return the credentials in the payload of `connection_init`: its members, or those of its `headers`."""
        members = payload or {}
        headers = members.get("headers")
        fields = {**headers, **members} if isinstance(headers, dict) else members
        return {
            name.lower(): value
            for name, value in fields.items()
            if name.lower() in self.credentials and isinstance(value, str)
        }


def next_operation(incoming: Incoming) -> Incoming:
    """Return a copy for the next operation of a connection, with a new request id."""
    return replace(incoming, request_id=request_id())
