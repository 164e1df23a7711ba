"""How callers are charged, and how a refusal is reported."""

import pytest

from gateway.api.capacity import AllowanceExceeded, Capacity, ratelimit_headers
from gateway.kit.rate_limit import Allowance


def allowance(*, allowed: bool, remaining: int, reset_after: float, retry_after: float) -> Allowance:
    """An allowance of 100 in 60 seconds."""
    return Allowance(
        allowed=allowed,
        remaining=remaining,
        reset_after=reset_after,
        retry_after=retry_after,
        limit=100,
        window=60.0,
    )


class Rates:
    """A rate limit that gives every charge the same result."""

    def __init__(self, result: Allowance) -> None:
        self.result = result
        self.charged: list[tuple[str, int]] = []

    async def take(self, caller: str, cost: int) -> Allowance:
        self.charged.append((caller, cost))
        return self.result


def test_headers_of_an_allowed_charge() -> None:
    """The headers have the policy and the rest of the allowance in the draft's form, in seconds rounded up."""
    assert ratelimit_headers(allowance(allowed=True, remaining=50, reset_after=29.2, retry_after=0.0)) == [
        ("RateLimit-Policy", '"default";q=100;w=60'),
        ("RateLimit", '"default";r=50;t=30'),
    ]


def test_headers_of_a_refused_charge() -> None:
    """A refusal has `Retry-After` with the seconds until the same charge is allowed, at least 1."""
    headers = ratelimit_headers(allowance(allowed=False, remaining=3, reset_after=58.0, retry_after=0.2))
    assert headers[1:] == [("RateLimit", '"default";r=3;t=58'), ("Retry-After", "1")]


@pytest.mark.parametrize(("retry_after", "seconds"), [(0.2, 1), (1.0, 1), (2.1, 3)])
async def test_message_of_a_refused_charge(retry_after: float, seconds: int) -> None:
    """The error of a refused charge states when to retry, in seconds rounded up, at least 1."""
    rates = Rates(allowance(allowed=False, remaining=3, reset_after=58.0, retry_after=retry_after))
    capacity = Capacity(rates=rates)
    with pytest.raises(AllowanceExceeded) as refused:
        await capacity.charge("caller", 10)
    assert refused.value.message == f"Rate limit exceeded. Retry after {seconds} s."
    assert refused.value.retry_after == retry_after
    assert rates.charged == [("caller", 10)]


async def test_without_limits() -> None:
    """Without a rate limit and a gate every operation is executed, and there is no allowance to report."""
    capacity = Capacity()
    assert not capacity.has_allowances
    assert await capacity.charge("caller", 10**9) is None
    async with capacity.slot("caller"):
        pass
