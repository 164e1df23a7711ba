"""The quota that the responses of a source report."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from gateway.kit.shaped_headers import ShapedHeaders

__all__ = ["Quota", "parse_quota"]

_FIELDS = (
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "X-Rate-Limit-Limit",
    "X-Rate-Limit-Remaining",
    "X-Rate-Limit-Reset",
)
_LOWER_FIELDS = frozenset(map(str.lower, _FIELDS))
_MAX_DIGITS = 9
# Drafts of the RateLimit headers before 2023 appended the policy: `20, 20;w=1`.
_COUNT = re.compile(rf"\s*([0-9]{{1,{_MAX_DIGITS}}})\s*(?:[,;].*)?")
_PERIOD = re.compile(r"\s*([0-9]{1,6})\s*([smhd])\s*")
_UNIT_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MAX_KNOWN = 1_024
_MAX_KNOWN_TEXT = 128  # characters of all fields: a source may send anything, and what is known stays in memory


class Quota(msgspec.Struct, frozen=True):
    """The calls of a window, the calls left in it, and the seconds until it is reset. None: not reported."""

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None


_known: dict[tuple[object, object], Quota] = {}  # by the fields: the numbers of a window occur again and again


def parse_quota(headers: Mapping[str, str], *, now: datetime | None = None) -> Quota:
    """Return the quota that the headers of a response report: `RateLimit-*` or `X-Rate-Limit-*`."""
    if type(headers) is ShapedHeaders:
        shape, values = headers.key(_LOWER_FIELDS)
        names: object = shape.among(_LOWER_FIELDS)
    else:
        names, values = _FIELDS, tuple(map(headers.get, _FIELDS))
    quota = _known.get((names, values))
    if quota is None:
        quota = _parse_counts(headers)
        if quota is None:
            return _parse_period_counts(headers, now or datetime.now(UTC))
        if len(str(values)) <= _MAX_KNOWN_TEXT:
            if len(_known) >= _MAX_KNOWN:
                _known.clear()
            _known[names, values] = quota
    return quota


def _parse_counts(headers: Mapping[str, str]) -> Quota | None:
    """Return what `RateLimit-*` reports, or that nothing is reported; None: it depends on the present time."""
    remaining = headers.get("RateLimit-Remaining")
    if remaining is None:
        return None if "X-Rate-Limit-Remaining" in headers else Quota()
    seconds = _parse_count(headers.get("RateLimit-Reset"))
    reset = None if seconds is None else float(seconds)
    return Quota(_parse_count(headers.get("RateLimit-Limit")), _parse_count(remaining), reset)


def _parse_period_counts(headers: Mapping[str, str], now: datetime) -> Quota:
    """Return what `X-Rate-Limit-*` reports, of which the reset is a time."""
    seconds = _seconds_until(headers.get("X-Rate-Limit-Reset"), now)
    period = _parse_period(headers.get("X-Rate-Limit-Limit"))
    if seconds is not None and period is not None:
        seconds = min(seconds, period)  # the two clocks may differ
    return Quota(None, _parse_count(headers.get("X-Rate-Limit-Remaining")), seconds)


def _parse_count(text: str | None) -> int | None:
    found = _COUNT.fullmatch(text or "")
    return int(found[1]) if found else None


def _parse_period(text: str | None) -> float | None:
    found = _PERIOD.fullmatch(text or "")
    return int(found[1]) * _UNIT_SECONDS[found[2]] if found else None


def _seconds_until(text: str | None, now: datetime) -> float | None:
    try:
        moment = datetime.fromisoformat((text or "").strip())
        return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now.timestamp())
    except (ValueError, OverflowError):
        return None
