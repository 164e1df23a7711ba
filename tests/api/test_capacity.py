"""How HTTP tells a caller its allowance."""

from gateway.api.capacity import ratelimit_headers
from gateway.kit.rate_limit import Allowance


def test_allowed() -> None:
    """The policy and what is left, in the draft's words and in whole seconds, rounded up."""
    allowance = Allowance(allowed=True, remaining=50, reset_after=29.2, retry_after=0.0, limit=100, window=60.0)
    assert ratelimit_headers(allowance) == [
        ("RateLimit-Policy", '"default";q=100;w=60'),
        ("RateLimit", '"default";r=50;t=30'),
    ]


def test_refused() -> None:
    """A refusal says when the same request would be allowed: never in no time."""
    allowance = Allowance(allowed=False, remaining=3, reset_after=58.0, retry_after=0.2, limit=100, window=60.0)
    assert ratelimit_headers(allowance)[1:] == [("RateLimit", '"default";r=3;t=58'), ("Retry-After", "1")]
