"""What `gateway check` requests of a source."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

__all__ = ["Probe", "ProbeResponse"]


@dataclass(frozen=True, slots=True)
class ProbeResponse:
    """What a successful probe shows beside its success; None where the source does not report it.

    `calls_left` are those of its rate limit, and `date` is the header of that name: the clock of the source.
    """

    calls_left: int | None = None
    date: str | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """A small call that shows whether one part of a source can be used. It changes nothing.

    `part` is what does not work without it, for example `users` or `changes`. `permission` is the one that it needs, as
    the source names it; empty where that is not documented. `url` is without query. `call` raises the errors of
    `gateway.errors`.
    """

    part: str
    permission: str
    url: str
    call: Callable[[], Awaitable[ProbeResponse]]
