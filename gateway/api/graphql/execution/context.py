"""What one GraphQL operation carries along. Made anew for every operation, also on one WebSocket."""

from dataclasses import dataclass, field

import msgspec

from gateway.events.log import EventLog
from gateway.operation import ANYONE, Principal, operation
from gateway.users.loaders import Loaders
from gateway.users.planning import Plan
from gateway.users.service import UserService

__all__ = ["Context", "Incoming"]


class Incoming(msgspec.Struct, frozen=True):
    """What a request or a socket brings to each operation that it carries.

    `service` is the one for `principal`; without `events` there is nothing to subscribe to. `idempotency_key`
    is the header's: it counts for a mutation that names none itself. `timeout` is in seconds, for each operation or
    each event of a subscription; None leaves each source's timeout. `trace` is the client's `traceparent`.
    """

    service: UserService
    request_id: str
    idempotency_key: str | None = None
    timeout: float | None = None
    trace: str | None = None
    principal: Principal = ANYONE
    events: EventLog | None = None

    def operation(self) -> operation:
        """The deadline and the trace to execute one operation in."""
        return operation(timeout=self.timeout, trace=self.trace)

    @property
    def caller(self) -> str:
        """Who spends what the operation costs."""
        return self.principal.name


@dataclass(slots=True)
class Context:
    """One operation: its loaders, how many mutations share the header's key, and which answers were given again."""

    incoming: Incoming
    loaders: Loaders
    mutations: int = 0
    replayed: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, incoming: Incoming, plan: Plan, mutations: int = 0) -> "Context":
        """An operation's, with loaders for what it plans to fetch."""
        return cls(incoming, incoming.service.loaders(plan), mutations)

    @property
    def service(self) -> UserService:
        return self.incoming.service

    def key(self, given: str | None, response_name: str) -> str | None:
        """The idempotency key of one mutation: its own, else the header's.

        Where a document has several mutations each gets its own from the header's, by the name of its
        answer: one key for two changes would make the second a replay of the first.
        """
        shared = self.incoming.idempotency_key
        if given or not shared:
            return given
        return shared if self.mutations < 2 else f"{shared}/{response_name}"  # noqa: PLR2004 - several
