"""What the event log tells those who count."""

from collections.abc import Callable
from enum import StrEnum

__all__ = ["Happening", "Observe", "unobserved"]


class Happening(StrEnum):
    """Something that became of an event, or of one who follows."""

    PUBLISHED = "published"
    """It is in the log; detail: the user's system."""

    REPEATED = "repeated"
    """It was in the log already: an echo or a replay; detail: the user's system."""

    LOST = "lost"
    """Redis was away for too long, and too much waited for it; detail: the user's system."""

    SLOW_READER = "slow_reader"
    """A subscriber was ended because it did not keep up; no detail."""

    GAP = "gap"
    """The log in Redis was lost or trimmed, so that the subscribers were ended; no detail."""


Observe = Callable[[Happening, str], None]
"""Hears of each happening with its detail. It must not raise."""


def unobserved(_happening: Happening, _detail: str) -> None:
    """Nobody counts."""
