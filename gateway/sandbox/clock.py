"""Time as the simulated systems keep it (microseconds since 1970, UTC) and as each of them writes it."""

import time
from datetime import UTC, datetime, timedelta

__all__ = ["SECOND", "go_time", "micros", "millis_time", "now", "ticks_time"]

SECOND = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> int:
    """The present, in microseconds since 1970."""
    return time.time_ns() // 1000


def micros(text: str) -> int:
    """Microseconds of an ISO 8601 text; without an offset it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _seconds(at: int) -> str:
    return (_EPOCH + timedelta(seconds=at // SECOND)).strftime("%Y-%m-%dT%H:%M:%S")


def go_time(at: int | None) -> str | None:
    """As Go's encoding/json writes it (account): a fraction only when there is one, no trailing zeros."""
    if at is None:
        return None
    fraction = f"{at % SECOND:06d}".rstrip("0")
    return f"{_seconds(at)}.{fraction}Z" if fraction else f"{_seconds(at)}Z"


def millis_time(at: int) -> str:
    """Always three fractional digits (softwareone)."""
    return f"{_seconds(at)}.{at % SECOND // 1000:03d}Z"


def ticks_time(at: int | None) -> str | None:
    """Always seven fractional digits, .NET's ticks (reseller)."""
    return None if at is None else f"{_seconds(at)}.{at % SECOND:06d}0Z"
