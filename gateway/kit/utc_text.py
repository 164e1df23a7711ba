"""Times as text in UTC, formatted once for all times within one second."""

from datetime import UTC, datetime
from functools import lru_cache

__all__ = ["utc_second"]


@lru_cache(2)  # the access log and the event log format the present time again and again
def utc_second(seconds: int) -> str:
    """Return a whole number of seconds since 1970 as in ISO 8601, without a time zone: `2026-11-30T08:15:00`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
