"""Figures as people read them, on the status page and in the terminal."""

from collections.abc import Mapping
from datetime import datetime

from gateway.telemetry.status import Budget, FeedStatus, KeptSource, KeptStatus

__all__ = [
    "age",
    "budget",
    "counts",
    "feed",
    "kept_in_all",
    "kept_row",
    "megabytes",
    "milliseconds",
    "rate",
    "seconds_since",
    "share",
    "span",
]

_SECOND, _TEN = 1000.0, 10.0
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_NONE = "-"  # where there is no figure


def milliseconds(value: float | None) -> str:
    """Return a duration: `7.3 ms`, `120 ms`, `1.4 s`."""
    if value is None:
        return _NONE
    if value >= _SECOND:
        return f"{value / _SECOND:.1f} s"
    return f"{value:.1f} ms" if value < _TEN else f"{value:.0f} ms"


def rate(per_second: float) -> str:
    """Return a rate: `0.3/s`, `12/s`."""
    return f"{per_second:.0f}/s" if per_second >= _TEN or not per_second else f"{per_second:.2g}/s"


def share(part: int, whole: int) -> str:
    """Return a part of a whole: `0 %`, `0.4 %`, `37 %`."""
    if not whole:
        return _NONE
    percent = 100 * part / whole
    return f"{percent:.1f} %" if 0 < percent < _TEN else f"{percent:.0f} %"


def span(seconds: float | None) -> str:
    """Return a time of seconds to days: `12 s`, `3 min`, `2 h 5 min`, `4 d 3 h`."""
    if seconds is None:
        return _NONE
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min"
    if seconds < _DAY:
        return f"{seconds // _HOUR:.0f} h {seconds % _HOUR // _MINUTE:.0f} min"
    return f"{seconds // _DAY:.0f} d {seconds % _DAY // _HOUR:.0f} h"


def seconds_since(time: str, now: str) -> float:
    """Return the seconds between two instants in ISO 8601."""
    return max(0.0, (datetime.fromisoformat(now) - datetime.fromisoformat(time)).total_seconds())


def age(time: str, now: str) -> str:
    """Return how long ago an instant was: `12 s ago`."""
    return f"{span(seconds_since(time, now))} ago"


def counts(values: Mapping[str, int]) -> str:
    """Return counts by name: `account 120, reseller 3`."""
    return ", ".join(f"{name} {count}" for name, count in values.items()) or _NONE


def budget(left: Budget) -> str:
    """Return the calls that can be made now: `3 of 20`."""
    if left.left is None:
        return "no limit"
    return f"{left.left}" if left.limit is None else f"{left.left} of {left.limit}"


def feed(reported: FeedStatus) -> str:
    """Return when a source has last reported its changes: `12 s ago`."""
    if reported.result is None:
        return "none yet"
    if reported.lag_seconds is None:
        return reported.result
    since = f"{span(reported.lag_seconds)} ago"
    return f"failed, last {since}" if reported.result == "failed" else since


def megabytes(size: int) -> str:
    """Return a size: `0.4 MiB`, `64 MiB`."""
    value = size / (1024 * 1024)
    return f"{value:.1f} MiB" if value < _TEN else f"{value:.0f} MiB"


def kept_in_all(kept: KeptStatus) -> str:
    """Return what is kept: `1200 records, 3.1 MiB of 64 MiB`."""
    dropped = f", {kept.evicted} dropped for lack of room" if kept.evicted else ""
    users = {"off": "users are not kept", "shadow": "users are kept and only compared", "on": "users are kept"}
    records = "1 record" if kept.records == 1 else f"{kept.records} records"
    in_all = f"{records}, {megabytes(kept.bytes)} of {megabytes(kept.max_bytes)}{dropped}"
    return f"{users.get(kept.mode, kept.mode)}; {in_all}"


def kept_row(kept: KeptSource) -> tuple[str, ...]:
    """Return what became of the reads of a source, as the columns `hits`, `results`, `changes` and `shadow`."""
    ratio = _NONE if kept.hit_ratio is None else share(round(kept.hit_ratio * 10_000), 10_000)
    reported = f"reported, {span(kept.reported_seconds)} more" if kept.reported else "not reported"
    shadow = _NONE
    if kept.shadow is not None:
        compared = {"same": kept.shadow.same, "different": kept.shadow.different, "older": kept.shadow.older}
        shadow = counts(compared)
        if kept.shadow.different or kept.shadow.older:
            shadow += f", at most {span(kept.shadow.longest_seconds)} out of date"
    results = {name.replace("_", " "): count for name, count in kept.results.items() if count}
    return ratio, counts(results), reported, shadow
