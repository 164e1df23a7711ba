"""What a source's headers tell of its rate limit; whatever is malformed is ignored.

account: `RateLimit-Limit`, `-Remaining`, `-Reset`, whole numbers, seconds (account.md, 8).
reseller: `X-Rate-Limit-Limit` is the period ("5s", "1m"), `-Remaining` a number, `-Reset` a UTC
date-time (reseller.md, 3).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

__all__ = ["Quota", "quota"]

_DIGITS = 9
_COUNT = re.compile(rf"\s*([0-9]{{1,{_DIGITS}}})\s*(?:[,;].*)?")  # drafts before 2023 appended the policy: `20, 20;w=1`
_PERIOD = re.compile(r"\s*([0-9]{1,6})\s*([smhd])\s*")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Quota(msgspec.Struct, frozen=True):
    """Calls a period and calls left; seconds until there are more. None is what was not told."""

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None


_NOTHING = Quota()


def quota(headers: Mapping[str, str], *, now: datetime | None = None) -> Quota:
    """The quota that an answer's headers tell."""
    if "RateLimit-Remaining" in headers:
        reset = _count(headers.get("RateLimit-Reset"))
        return Quota(
            _count(headers.get("RateLimit-Limit")),
            _count(headers["RateLimit-Remaining"]),
            None if reset is None else float(reset),
        )
    if "X-Rate-Limit-Remaining" in headers:
        until = _until(headers.get("X-Rate-Limit-Reset"), now or datetime.now(UTC))
        period = _period(headers.get("X-Rate-Limit-Limit"))
        if until is not None and period is not None:
            until = min(until, period)  # whatever the two clocks say
        return Quota(None, _count(headers.get("X-Rate-Limit-Remaining")), until)
    return _NOTHING


def _count(text: str | None) -> int | None:
    if text and len(text) <= _DIGITS and text.isascii() and text.isdecimal():
        return int(text)  # nearly always, at half of what the pattern takes
    found = _COUNT.fullmatch(text or "")
    return int(found[1]) if found else None


def _period(text: str | None) -> float | None:
    found = _PERIOD.fullmatch(text or "")
    return int(found[1]) * _SECONDS[found[2]] if found else None


def _until(text: str | None, now: datetime) -> float | None:
    try:
        moment = datetime.fromisoformat((text or "").strip())
        return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now.timestamp())
    except (ValueError, OverflowError):
        return None
