"""How fresh an answer has to be, as its caller requests it, and how fresh it was.

`current_freshness` is a context variable: reads of kept records look there. Without one, everything that a caller
without wishes accepts is accepted, and nothing is reported.
"""

import math
import re
from collections.abc import Hashable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

import msgspec
from msgspec.structs import replace

__all__ = [
    "ANY_FRESHNESS",
    "Forward",
    "Freshness",
    "FreshnessReport",
    "StaleRead",
    "StaleReason",
    "current_freshness",
]

# A directive is a token with an optional argument, which is a token or a quoted string (RFC 9111, 5.2). What does not
# match is skipped up to the next comma.
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_DIRECTIVE = re.compile(rf"[ \t]*({_NAME})(?:=(?:({_NAME})|\"((?:[^\"\\]|\\.)*)\"))?[ \t]*(?:,|$)|[^,]*(?:,|$)")
_SECONDS = re.compile(r"[0-9]{1,64}")


class Freshness(msgspec.Struct, frozen=True):
    """Which kept records a caller accepts, by the directives of `Cache-Control` in a request (RFC 9111, 5.2.1).

    `no_cache`: none. `max_age`: those that were read at most that many seconds ago; 0 requests `no_cache` too.
    `max_stale`: also those whose lifetime ended at most that many seconds ago. `only_if_cached`: the sources are not
    called.
    """

    no_cache: bool = False
    max_age: float = math.inf
    max_stale: float = 0.0
    only_if_cached: bool = False

    @classmethod
    def of(cls, *, max_age: float | None = None, max_stale: float = 0.0, only_if_cached: bool = False) -> "Freshness":
        """Return what these arguments request; with a `max_age` of 0, nothing that is kept is accepted."""
        if max_age is None and not max_stale and not only_if_cached:
            return ANY_FRESHNESS
        return cls(max_age == 0, math.inf if max_age is None else max_age, max_stale, only_if_cached)

    @classmethod
    def parse(cls, header: str | None) -> "Freshness":
        """Return what a `Cache-Control` header requests; unknown and malformed directives are ignored.

        `no-store` and `max-age=0` request the same as `no-cache`: what is read for others is kept in any case. Of a
        directive that is repeated, the fewest seconds count.
        """
        if not header:
            return ANY_FRESHNESS
        no_cache, max_age, max_stale, only_if_cached = False, math.inf, None, False
        for match in _DIRECTIVE.finditer(header):
            name = (match[1] or "").lower()
            argument = match[3] if match[2] is None else match[2]
            if argument is None:
                no_cache = no_cache or name in {"no-cache", "no-store"}
                only_if_cached = only_if_cached or name == "only-if-cached"
                if name == "max-stale" and max_stale is None:
                    max_stale = math.inf
            elif _SECONDS.fullmatch(argument):
                if name == "max-age":
                    max_age = min(max_age, float(argument))
                elif name == "max-stale":
                    max_stale = min(math.inf if max_stale is None else max_stale, float(argument))
        parsed = cls(no_cache or max_age == 0, max_age, max_stale or 0.0, only_if_cached)
        return ANY_FRESHNESS if parsed == ANY_FRESHNESS else parsed

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

    ONLY_IF_CACHED = "only-if-cached"
    """The caller accepts it, and forbids a call to its source."""

    SOURCE_UNAVAILABLE = "source-unavailable"
    """The source failed, or its circuit is open."""

    SOURCE_TIMEOUT = "source-timeout"
    """The source did not respond in time."""

    RATE_LIMITED = "rate-limited"
    """The rate limit of the source is used up until after the deadline."""


@dataclass(frozen=True, slots=True)
class StaleRead:
    """A record or a list that was given although its lifetime had ended; `age` is in seconds, since it was read.

    `subject` is what was read: the reference of a record, or the source of a list. `ref` is the reference that the
    record has; it differs where it was requested by something else, such as an e-mail address.
    """

    source: str
    subject: Hashable
    age: float
    reason: StaleReason
    ref: Hashable = None


class Forward(StrEnum):
    """Why a source was called, by the values of `fwd` in `Cache-Status` (RFC 9211, 2.2); the most relevant first."""

    BYPASS = "bypass"
    """What is kept was not to be used: the operation is a change, or the gateway is in shadow mode."""

    REQUEST = "request"
    """It was kept, and the caller does not accept it."""

    STALE = "stale"
    """It was kept, past its lifetime."""

    PARTIAL = "partial"
    """Some of what was requested was kept."""

    URI_MISS = "uri-miss"
    """It was not kept."""


_FORWARD_ORDER = {forward: rank for rank, forward in enumerate(Forward)}
_CACHE = "usergateway"  # its name in `Cache-Status`
_MAX_TTL = 999_999_999_999_999  # the greatest Integer of a structured field (RFC 9651, 3.3.1)


# One is created for each operation: a dataclass would take several times as long.
class FreshnessReport(msgspec.Struct):
    """What an operation requests, and what it was given: it is filled during the operation.

    `reads_users_anew`: the operation is a change, whose users are read from the sources. `never_stale`: nothing is
    given past its lifetime. `hits` counts reads that were answered by what is kept, stale ones too; `misses` those that
    called a source, `forward` is the most relevant reason for these, and `stored` those of them whose result is kept
    now. `unkept`: a source was also called for what is not kept at all. `ttl` is the shortest time in seconds that a
    hit may still be used, negative where it was stale; None without a hit.
    """

    wanted: Freshness = ANY_FRESHNESS
    reads_users_anew: bool = False
    never_stale: bool = False
    hits: int = 0
    misses: int = 0
    stored: int = 0
    unkept: bool = False
    forward: Forward | None = None
    ttl: float | None = None
    stale: list[StaleRead] = []

    @classmethod
    def of_change(cls, wanted: Freshness = ANY_FRESHNESS) -> "FreshnessReport":
        """Return the report of a change. It is executed, whether or not the caller permits calls."""
        if wanted.only_if_cached:
            wanted = replace(wanted, only_if_cached=False)
        return cls(wanted, reads_users_anew=True, never_stale=True)

    @classmethod
    def of_event(cls) -> "FreshnessReport":
        """Return the report of an event of a subscription, which is the same for callers with different wishes."""
        return cls(never_stale=True)

    def hit(self, ttl: float) -> None:
        """Count a read that was answered by what is kept."""
        self.hits += 1
        self.ttl = ttl if self.ttl is None else min(self.ttl, ttl)

    def miss(self, forward: Forward, count: int = 1) -> None:
        """Count reads that called a source."""
        self.misses += count
        if self.forward is None or _FORWARD_ORDER[forward] < _FORWARD_ORDER[self.forward]:
            self.forward = forward

    @property
    def cache_status(self) -> str | None:
        """The value of `Cache-Status` (RFC 9211): one member for all reads; None if none of them could be kept.

        Where only some of them called a source, it is a partial hit.
        """
        if self.forward is None and not self.hits:
            return None
        ttl = "" if self.ttl is None else f"; ttl={max(-_MAX_TTL, min(_MAX_TTL, math.floor(self.ttl)))}"
        if self.forward is None and not self.unkept and not self.reads_users_anew:
            status = f"{_CACHE}; hit{ttl}"
        else:
            stored = "; stored" if self.stored else ""
            status = f"{_CACHE}; fwd={Forward.PARTIAL if self.hits else self.forward}{ttl}{stored}"
        return f"{status}; detail={max(self.stale, key=_age).reason}" if self.stale else status


def _age(read: StaleRead) -> float:
    return read.age


current_freshness: ContextVar[FreshnessReport | None] = ContextVar("current_freshness", default=None)
"""The freshness that the running operation requests, and the report of it; None: no wishes, no report."""
