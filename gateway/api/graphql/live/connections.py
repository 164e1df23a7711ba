"""The open connections of a process: so many and no more, and sent away when it stops."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from gateway.api.gate import Overloaded
from gateway.api.graphql.live.options import LiveEvent, LiveTraffic, Observe
from gateway.events.log import Draining

__all__ = ["Connections", "Leaving"]

_LAST_WORDS = 5.0  # seconds that those who were sent away may take


class Leaving(Protocol):
    """A connection."""

    def leave(self, seconds: float) -> None:
        """Be gone by then, in a way that lets the client go on elsewhere."""


class Connections:
    """All connections, of whatever kind. `spread` is over how many seconds they are sent away."""

    def __init__(self, most: int, *, spread: float, traffic: LiveTraffic, observe: Observe) -> None:
        self._most = most
        self._spread = spread
        self._traffic = traffic
        self._observe = observe
        self._open: set[Leaving] = set()
        self._draining = False
        self._empty = asyncio.Event()

    @contextmanager
    def admit(self, one: Leaving, kind: str) -> Iterator[None]:
        """Count it in until it is left.

        Raises:
            Overloaded: there are as many as there may be.
            Draining: the process stops.
        """
        if self._draining:
            raise Draining
        if len(self._open) >= self._most:
            self._observe(LiveEvent.REFUSED, "connections")
            raise Overloaded("The gateway has as many connections as it takes.", retry_after=1.0)
        self._open.add(one)
        self._traffic.connections = len(self._open)
        self._observe(LiveEvent.OPENED, kind)
        try:
            yield
        finally:
            self._open.discard(one)
            self._traffic.connections = len(self._open)
            if not self._open:
                self._empty.set()

    async def drain(self) -> None:
        """Send everybody away, each at a time of its own so that they do not come back together."""
        self._draining = True
        self._empty.clear()
        for one in self._open:
            one.leave(random.uniform(0, self._spread))  # noqa: S311 - nothing is kept secret by it
        if self._open:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), self._spread + _LAST_WORDS)
