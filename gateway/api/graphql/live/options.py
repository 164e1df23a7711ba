"""Limits, times and counters of live operations."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["LiveEvent", "LiveOptions", "LiveTraffic", "Observe", "unobserved"]


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """Limits and times of live operations. Times are in seconds; the defaults are those of the settings.

    `init`: until the client of a WebSocket has sent `connection_init`. `ping`: between two pings of a WebSocket, two
    comments of an event stream, or two empty parts of a multipart response. `pong`: until the client of a WebSocket has
    responded to a ping. `drain`: over which connections are closed when the process stops, so that not all clients
    reconnect at once. `reservation`: until a reserved event stream is opened.

    `connections` (WebSockets, event streams and multipart responses), `reservations` and `operations` are maxima of the
    process, `uninitialised` is that of WebSockets before `connection_init`, which are not counted as connections. Of
    the connections, the reservations and the operations, one caller gets at most the part `share`, and at most
    `subscriptions` that are different, each of which is executed for an event. `operations_each` is the maximum of one
    connection. `queue`: responses that may wait for one client. `message`: the largest message of a WebSocket client,
    in bytes.
    """

    init: float
    ping: float
    pong: float
    drain: float
    reservation: float
    connections: int
    uninitialised: int
    share: float
    reservations: int
    operations: int
    operations_each: int
    subscriptions: int
    queue: int
    message: int


class LiveEvent(StrEnum):
    """What is reported to metrics. None of it happens for each response."""

    OPENED = "opened"
    """A connection was opened; detail: `websocket`, `events`, `reserved events` or `parts`."""

    CLOSED = "closed"
    """A WebSocket was closed; detail: the close code."""

    REFUSED = "refused"
    """An operation or a connection was refused; detail: the limit or the rule, for example `operations` or `origin`."""

    SLOW_READER = "slow_reader"
    """A subscription was ended because its client did not keep up; no detail."""


Observe = Callable[[LiveEvent, str], None]
"""Receives each event with its detail. It must not raise."""


@dataclass(slots=True)
class LiveTraffic:
    """The open connections, and the operations that run on them. Only `Connections` and `Feeds` change it."""

    connections: int = 0
    operations: int = 0


def unobserved(_event: LiveEvent, _detail: str) -> None:
    """Ignore the event: the `Observe` that is used where there are no metrics."""
