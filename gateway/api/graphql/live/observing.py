"""What live operations tell those who count."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Happening", "Observe", "Traffic", "unobserved"]


class Happening(StrEnum):
    """Something that is rare enough to be told each time."""

    OPENED = "opened"
    """A connection; detail: `websocket`, `events` or `reserved events`."""

    CLOSED = "closed"
    """A connection; detail: the close code of a socket, else as above."""

    REFUSED = "refused"
    """An operation or a connection; detail: what was reached or broken."""

    SLOW_READER = "slow_reader"
    """A subscription whose client did not keep up was ended; no detail."""


Observe = Callable[[Happening, str], None]
"""Hears of each happening with its detail. It must not raise."""


@dataclass(slots=True)
class Traffic:
    """What there is now, and how many answers were sent altogether. To be read, not to be changed."""

    connections: int = 0
    operations: int = 0
    answers: int = 0


def unobserved(_happening: Happening, _detail: str) -> None:
    """Nobody counts."""
