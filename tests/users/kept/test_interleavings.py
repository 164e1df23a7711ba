"""No answer is older than the documented bound, than a known change, or of another credential, in any interleaving.

Each interleaving is chosen by its seed and runs on a virtual clock (`world.py`); every answer is checked against the
history of the source (`checks.py`). More of them than by default:

    TEST_KEPT_INTERLEAVINGS=1000000 pytest tests/users/kept/test_interleavings.py

and the one of a failure again, with all that happened in it: TEST_KEPT_SEED=<seed>, for one over Redis also
TEST_KEPT_REDIS=1. TEST_KEPT_INTERLEAVINGS=<number> with TEST_KEPT_SEED begins there.
"""

import asyncio
import os

import pytest
from state.conftest import redis_url
from users.kept.interleavings import Interleavings, run_over_redis

__all__ = ["redis_url"]

_DEFAULT = 10_000
_REDIS_SHARE = 50  # one of so many interleavings has its event log in Redis


def _counts() -> tuple[int, int, int]:
    """Return the first seed, and the numbers of interleavings in memory and over Redis."""
    seed, number = os.environ.get("TEST_KEPT_SEED"), os.environ.get("TEST_KEPT_INTERLEAVINGS")
    if seed is not None and number is None:
        in_redis = bool(os.environ.get("TEST_KEPT_REDIS"))
        return int(seed), int(not in_redis), int(in_redis)
    total = int(number or _DEFAULT)
    return int(seed or 0), total - total // _REDIS_SHARE, total // _REDIS_SHARE


def test_in_memory() -> None:
    """In all interleavings with one gateway, or with two that have an event log in common, every answer is right."""
    first, number, _ = _counts()
    failure = Interleavings().find_failure(range(first, first + number))
    assert failure is None, failure


def test_over_redis(redis_url: str) -> None:
    """In all interleavings with two gateways whose event log is in a real Redis, every answer is right."""
    first, _, number = _counts()
    failure = asyncio.run(run_over_redis(redis_url, range(first, first + number)))
    assert failure is None, failure


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_reproducible(seed: int) -> None:
    """A seed always gives the same interleaving, or a failure could not be looked into."""
    interleavings = Interleavings()
    traces = [interleavings.trace(seed) for _ in range(2)]
    assert len(traces[0]) > 10
    assert traces[0] == traces[1]
