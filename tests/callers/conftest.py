"""An issuer of tokens, and time that passes when it is told to."""

from collections.abc import AsyncIterator

import pytest
from callers.issuing import Issuer


class Clock:
    """Seconds since a beginning."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that a test sets."""
    return Clock()


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """An issuer with its key set behind a socket."""
    async with Issuer().served() as issuer:
        yield issuer
