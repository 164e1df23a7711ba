"""Timestamps of the sandbox: microseconds since 1970 (UTC), and the text format of each API."""

import time
from datetime import UTC, datetime, timedelta

__all__ = ["SECOND", "SandboxClock", "go_time", "micros", "millis_time", "ticks_time"]

SECOND = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(9999, 12, 31, tzinfo=UTC).timestamp()  # a day before the last time that a date can have


class SandboxClock:
    """The time of one sandbox: that of the machine, and what it was advanced by."""

    def __init__(self) -> None:
        self._advanced = 0.0

    def advance(self, seconds: float) -> None:
        """Let time pass at once.

        Raises:
            ValueError: the number is negative, since no time can be taken back, or leads beyond the year 9999.
        """
        if not seconds >= 0:
            raise ValueError(f"The time can only be advanced: the seconds must not be negative, but are {seconds:g}.")
        if not self.time() + seconds < _END:
            raise ValueError(f"The time must stay before the end of the year 9999, so it cannot pass {seconds:g} s.")
        self._advanced += seconds

    @property
    def advanced(self) -> float:
        """The seconds by which the time is ahead of that of the machine."""
        return self._advanced

    def time(self) -> float:
        """Return the time in seconds since 1970."""
        return time.time() + self._advanced

    def monotonic(self) -> float:
        """Return seconds that never decrease, counted from any instant."""
        return time.monotonic() + self._advanced

    def now(self) -> int:
        """Return the time in microseconds since 1970."""
        return time.time_ns() // 1000 + int(self._advanced * SECOND)


def micros(text: str) -> int:
    """Parse an ISO 8601 text into microseconds since 1970; without an offset it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _whole_seconds(timestamp: int) -> str:
    return (_EPOCH + timedelta(seconds=timestamp // SECOND)).strftime("%Y-%m-%dT%H:%M:%S")


def go_time(timestamp: int | None) -> str | None:
    """Format a timestamp as Go's encoding/json does (account): no fraction that is zero, no trailing zeros."""
    if timestamp is None:
        return None
    fraction = f"{timestamp % SECOND:06d}".rstrip("0")
    return f"{_whole_seconds(timestamp)}.{fraction}Z" if fraction else f"{_whole_seconds(timestamp)}Z"


def millis_time(timestamp: int) -> str:
    """Format a timestamp with three fractional digits (softwareone)."""
    return f"{_whole_seconds(timestamp)}.{timestamp % SECOND // 1000:03d}Z"


def ticks_time(timestamp: int | None) -> str | None:
    """Format a timestamp with seven fractional digits, the ticks of .NET (reseller)."""
    return None if timestamp is None else f"{_whole_seconds(timestamp)}.{timestamp % SECOND:06d}0Z"
