"""How fresh an answer has to be, as its caller requests it, and how fresh it was.

`current_freshness` is a context variable: reads of kept records look there. Without one, everything that a caller
without wishes accepts is accepted, and nothing is reported.
"""

import math
import re
from collections.abc import Hashable
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

__all__ = [
    "ANY_FRESHNESS",
    "Freshness",
    "FreshnessReport",
    "StaleRead",
    "StaleReason",
    "current_freshness",
]

_DIRECTIVE = re.compile(r"\s*([a-z-]+)\s*(?:=\s*(?:\"(\d{1,9})\"|(\d{1,9})))?\s*", re.IGNORECASE)


class Freshness(msgspec.Struct, frozen=True):
    """Which kept records a caller accepts, by the directives of `Cache-Control` in a request (RFC 9111, 5.2.1).

    `no_cache`: none. `max_age`: those that were read at most that many seconds ago. `max_stale`: also those whose
    lifetime ended at most that many seconds ago. `only_if_cached`: the sources are not called.
    """

    no_cache: bool = False
    max_age: float = math.inf
    max_stale: float = 0.0
    only_if_cached: bool = False

    @classmethod
    def parse(cls, header: str | None) -> "Freshness":
        """Return what a `Cache-Control` header requests; unknown and malformed directives are ignored.

        `no-store` requests the same as `no-cache`: what is read for others is kept in any case.
        """
        if not header:
            return ANY_FRESHNESS
        found = {"no_cache": False, "max_age": math.inf, "max_stale": 0.0, "only_if_cached": False}
        for part in header.split(","):
            match = _DIRECTIVE.fullmatch(part)
            if match is None:
                continue
            name, seconds = match[1].lower(), match[2] or match[3]
            if name in {"no-cache", "no-store"}:
                found["no_cache"] = True
            elif name == "only-if-cached":
                found["only_if_cached"] = True
            elif name == "max-age" and seconds is not None:
                found["max_age"] = float(seconds)
            elif name == "max-stale":
                found["max_stale"] = math.inf if seconds is None else float(seconds)
        return cls(**found)  # type: ignore[arg-type]

    def accepts(self, age: float, lifetime: float) -> bool:
        """Return whether a record of this age may be given, within its lifetime."""
        return not self.no_cache and age < lifetime and age <= self.max_age

    def accepts_stale(self, age: float, lifetime: float, *, if_error: float = 0.0) -> bool:
        """Return whether it may be given past its lifetime.

        `if_error` is for how many seconds after that everybody accepts it, because its source has failed.
        """
        return not self.no_cache and age <= self.max_age and age < lifetime + max(self.max_stale, if_error)


ANY_FRESHNESS = Freshness()
"""The freshness of a caller without wishes: what is kept is accepted within its lifetime."""


class StaleReason(StrEnum):
    """Why a record was given although its lifetime had ended."""

    REVALIDATING = "revalidating"
    """The caller accepts it, and it is read again in the background."""

    SOURCE_UNAVAILABLE = "source-unavailable"
    """The source failed, or its circuit is open."""

    SOURCE_TIMEOUT = "source-timeout"
    """The source did not respond in time."""

    RATE_LIMITED = "rate-limited"
    """The rate limit of the source is used up until after the deadline."""


@dataclass(frozen=True, slots=True)
class StaleRead:
    """A record or a list that was given although its lifetime had ended; `age` is in seconds, since it was read.

    `subject` is what was read: the reference of a record, or the source of a list.
    """

    source: str
    subject: Hashable
    age: float
    reason: StaleReason


@dataclass(slots=True)
class FreshnessReport:
    """What an operation requests, and what it was given: it is filled during the operation.

    `reads_users_anew`: the operation is a change, whose users are read from the sources. `hits` counts reads that were
    answered by what is kept, stale ones too; `misses` those that called a source, and `stored` those of them whose
    result is kept now. `ttl` is the shortest time in seconds that a hit may still be used, negative where it was stale;
    None without a hit.
    """

    wanted: Freshness = ANY_FRESHNESS
    reads_users_anew: bool = False
    hits: int = 0
    misses: int = 0
    stored: int = 0
    ttl: float | None = None
    stale: list[StaleRead] = field(default_factory=list)

    def hit(self, ttl: float) -> None:
        """Count a read that was answered by what is kept."""
        self.hits += 1
        self.ttl = ttl if self.ttl is None else min(self.ttl, ttl)


current_freshness: ContextVar[FreshnessReport | None] = ContextVar("current_freshness", default=None)
"""The freshness that the running operation requests, and the report of it; None: no wishes, no report."""
