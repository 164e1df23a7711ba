"""Fixtures: an issuer of tokens, and a clock that a test moves."""

from collections.abc import AsyncIterator

import pytest
from callers.issuing import Issuer


class Clock:
    """A function that returns `now`, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that a test moves."""
    return Clock()


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """An issuer that serves its key set over HTTP."""
    async with Issuer().served() as issuer:
        yield issuer
