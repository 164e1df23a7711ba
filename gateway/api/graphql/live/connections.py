"""The open connections of a process: a bounded number, which are closed one after the other when the process stops."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from gateway.api.gate import Overloaded
from gateway.api.graphql.live.options import LiveEvent, LiveTraffic, Observe
from gateway.events.log import Draining

__all__ = ["Connections", "LiveConnection"]

_CLOSE_TIMEOUT = 5.0  # seconds that connections may take to close when the process stops


class LiveConnection(Protocol):
    """A WebSocket or an event stream."""

    def close_after(self, seconds: float) -> None:
        """Close the connection after that time, in a way that lets the client continue at another replica."""


class Connections:
    """All connections of a process, at most `limit`; `spread` is the time in seconds over which `drain` closes them."""

    def __init__(self, limit: int, *, spread: float, traffic: LiveTraffic, observe: Observe) -> None:
        self._limit = limit
        self._spread = spread
        self._traffic = traffic
        self._observe = observe
        self._open: set[LiveConnection] = set()
        self._draining = False
        self._empty = asyncio.Event()

    @contextmanager
    def admit(self, connection: LiveConnection, kind: str) -> Iterator[None]:
        """Count a connection as open until the context is left; `kind` is the detail of `LiveEvent.OPENED`.

        Raises:
            Overloaded: the limit is reached.
            Draining: the process stops.
        """
        if self._draining:
            raise Draining
        if len(self._open) >= self._limit:
            self._observe(LiveEvent.REFUSED, "connections")
            raise Overloaded("Too many open connections. Retry after 1 s.", retry_after=1.0)
        self._open.add(connection)
        self._traffic.connections = len(self._open)
        self._observe(LiveEvent.OPENED, kind)
        try:
            yield
        finally:
            self._open.discard(connection)
            self._traffic.connections = len(self._open)
            if not self._open:
                self._empty.set()

    async def drain(self) -> None:
        """Admit no more connections and close all, each at a random time, so that not all reconnect at once."""
        self._draining = True
        self._empty.clear()
        for connection in self._open:
            connection.close_after(random.uniform(0, self._spread))  # noqa: S311 - nothing is kept secret by it
        if self._open:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), self._spread + _CLOSE_TIMEOUT)
