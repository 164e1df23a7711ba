"""What is set of live operations."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["LiveEvent", "LiveOptions", "LiveTraffic", "Observe", "unobserved"]


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """Times in seconds, sizes in bytes.

    `init`: until a socket's client has said `connection_init`. `ping`: between signs of life. `pong`: until a socket's
    client has answered one. `drain`: over which clients are sent away when the process stops, so that they do not all
    come back at once. `reservation`: until a reserved event stream is fetched.

    `connections` (sockets and event streams), `reservations` and `operations` are a process's, `operations_each` are
    those of one connection. `queue` answers may wait for one client. `message` is the largest that a socket's client
    may send.
    """

    init: float = 10.0
    ping: float = 15.0
    pong: float = 10.0
    drain: float = 2.0
    reservation: float = 30.0
    connections: int = 10_000
    reservations: int = 1_000
    operations: int = 50_000
    operations_each: int = 100
    queue: int = 256
    message: int = 1024 * 1024


class LiveEvent(StrEnum):
    """Something that is rare enough to be told each time."""

    OPENED = "opened"
    """A connection; detail: `websocket`, `events` or `reserved events`."""

    CLOSED = "closed"
    """A connection; detail: the close code of a socket, else as above."""

    REFUSED = "refused"
    """An operation or a connection; detail: what was reached or broken."""

    SLOW_READER = "slow_reader"
    """A subscription whose client did not keep up was ended; no detail."""


Observe = Callable[[LiveEvent, str], None]
"""Hears of each happening with its detail. It must not raise."""


@dataclass(slots=True)
class LiveTraffic:
    """What there is now, and how many answers were sent altogether. To be read, not to be changed."""

    connections: int = 0
    operations: int = 0
    answers: int = 0


def unobserved(_happening: LiveEvent, _detail: str) -> None:
    """Nobody counts."""
