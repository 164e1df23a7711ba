"""The capacity that all surfaces use in common: the allowance of each caller, and the gate."""

import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from gateway.api.gate import Gate
from gateway.errors import RateLimited
from gateway.kit.rate_limit import Allowance, RateLimit

__all__ = ["AllowanceExceeded", "Capacity", "ratelimit_headers", "whole_seconds"]


class AllowanceExceeded(RateLimited):
    """The operation costs more than the rest of its caller's allowance; it was not executed."""

    def __init__(self, allowance: Allowance) -> None:
        seconds = whole_seconds(allowance.retry_after)
        super().__init__(f"Rate limit exceeded. Retry after {seconds} s.", retry_after=allowance.retry_after)
        self.allowance = allowance


class Capacity:
    """The allowances and the gate. Without `rates` callers have no allowance, without a `gate` there is no bound.

    `has_allowances`: the cost that callers may spend is limited.
    `try_enter` takes a slot of the gate for a caller if that needs no wait, and returns whether it was taken; `leave`
    releases it. Both are those of the gate.
    """

    def __init__(self, *, rates: RateLimit | None = None, gate: Gate | None = None) -> None:
        self._rates = rates
        self._gate = gate
        self.has_allowances = rates is not None
        self.try_enter: Callable[[str], bool] = _always_enter if gate is None else gate.try_enter
        self.leave: Callable[[str], None] = _nothing_to_leave if gate is None else gate.leave

    def is_immediate(self, caller: str) -> bool:
        """Return whether an operation of that caller would now be charged, and get a slot, without waiting."""
        if self._rates is not None and self._rates.take_at_once is None:
            return False
        return self._gate is None or self._gate.may_enter(caller)

    def slot(self, caller: str) -> AbstractAsyncContextManager[None]:
        """Return the context manager that holds a slot of the gate; an operation of that caller is executed inside it.

        Entering it raises:
            Overloaded: the queue is full, or the wait was too long.
        """
        return self._gate.slot(caller) if self._gate is not None else nullcontext()

    async def enter(self, caller: str) -> None:
        """Take a slot of the gate, which `leave` releases.

        Raises:
            Overloaded: the queue is full, or the wait was too long.
        """
        if self._gate is not None:
            await self._gate.enter(caller)

    async def charge(self, caller: str, cost: int) -> Allowance | None:
        """Charge a caller for an operation, and return its allowance; None where there are no allowances.

        Raises:
            AllowanceExceeded: the rest of the allowance does not suffice.
        """
        if self._rates is None:
            return None
        return _allowed(await self._rates.take(caller, cost))

    def charge_at_once(self, caller: str, cost: int) -> Allowance | None:
        """Do the same without waiting; only where `is_immediate`."""
        take = None if self._rates is None else self._rates.take_at_once
        return None if take is None else _allowed(take(caller, cost))


def _allowed(allowance: Allowance) -> Allowance:
    if not allowance.allowed:
        raise AllowanceExceeded(allowance)
    return allowance


def _always_enter(_caller: str) -> bool:
    return True


def _nothing_to_leave(_caller: str) -> None:
    pass


def ratelimit_headers(allowance: Allowance) -> list[tuple[str, str]]:
    """Return the headers of draft-ietf-httpapi-ratelimit-headers, and `Retry-After` for a refusal. In whole seconds."""
    headers = [
        ("RateLimit-Policy", f'"default";q={allowance.limit};w={math.ceil(allowance.window)}'),
        ("RateLimit", f'"default";r={allowance.remaining};t={math.ceil(allowance.reset_after)}'),
    ]
    if not allowance.allowed:
        headers.append(("Retry-After", str(whole_seconds(allowance.retry_after))))
    return headers


def whole_seconds(retry_after: float) -> int:
    """Return the seconds until a retry as a client is sent them: rounded up, at least 1."""
    return max(1, math.ceil(retry_after))
