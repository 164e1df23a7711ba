"""A caller's allowance, as a surface sees it and as HTTP tells it."""

import math
from typing import Protocol

__all__ = ["Allowance", "RateLimit", "ratelimit_headers"]


class Allowance(Protocol):
    """What became of an attempt to take from an allowance, and what is left; times are in seconds."""

    @property
    def allowed(self) -> bool: ...
    @property
    def remaining(self) -> int: ...
    @property
    def reset_after(self) -> float: ...
    @property
    def retry_after(self) -> float: ...
    @property
    def limit(self) -> int: ...
    @property
    def window(self) -> float: ...


class RateLimit(Protocol):
    """The allowances of all callers, counted in cost."""

    async def take(self, caller: str, cost: int) -> Allowance:
        """Take so much, if there is; what is refused takes nothing."""


def ratelimit_headers(allowance: Allowance) -> list[tuple[str, str]]:
    """The headers of draft-ietf-httpapi-ratelimit-headers, and `Retry-After` beside a refusal. In whole seconds."""
    headers = [
        ("RateLimit-Policy", f'"default";q={allowance.limit};w={math.ceil(allowance.window)}'),
        ("RateLimit", f'"default";r={allowance.remaining};t={math.ceil(allowance.reset_after)}'),
    ]
    if not allowance.allowed:
        headers.append(("Retry-After", str(max(1, math.ceil(allowance.retry_after)))))
    return headers
