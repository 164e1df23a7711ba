"""Who comes, and what they bring to each operation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from gateway.api.graphql.execution.context import Incoming
from gateway.callers.authentication import Authenticate
from gateway.events.log import EventLog
from gateway.operation import request_id, traceparent
from gateway.users.service import UserService

__all__ = ["IncomingFactory", "next_operation"]


@dataclass(frozen=True, slots=True)
class IncomingFactory:
    """Lets callers in. `timeout` is in seconds, for each operation, or each event of a subscription.

    `credentials` are the headers that a socket's client may also say in `connection_init`, in small letters: no
    others, for a proxy in front of the gateway may vouch for those.
    """

    service: UserService
    events: EventLog
    authenticate: Authenticate
    timeout: float
    credentials: frozenset[str] = frozenset({"authorization", "x-api-key"})

    async def receive(
        self, headers: Mapping[str, str], request_id: str, *, key: str | None = None, seconds: float | None = None
    ) -> Incoming:
        """What the sender of these headers brings along; `key` and `seconds` are its own, for one operation.

        Raises:
            Unauthenticated: it is nobody.
        """
        principal = await self.authenticate(headers)
        return Incoming(
            self.service.by(principal),
            request_id,
            key,
            min(self.timeout, seconds or self.timeout),
            traceparent(headers.get("traceparent")),
            principal,
            self.events,
        )

    def said(self, payload: Mapping[str, Any] | None) -> dict[str, str]:
        """The headers that a `connection_init` holds: beside other things, or in `headers`."""
        given = payload or {}
        headers = given.get("headers")
        fields = {**headers, **given} if isinstance(headers, dict) else given
        return {
            name.lower(): value
            for name, value in fields.items()
            if name.lower() in self.credentials and isinstance(value, str)
        }


def next_operation(incoming: Incoming) -> Incoming:
    """The same for the next operation of a connection, under an id of its own."""
    return replace(incoming, request_id=request_id())
