"""The open connections of a process: a bounded number, which are closed one after the other when the process stops."""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from gateway.api.gate import Overloaded
from gateway.api.graphql.live.options import LiveEvent, LiveOptions, LiveTraffic, Observe
from gateway.errors import RateLimited
from gateway.events.log import Draining
from gateway.kit.counts import Counts, share_of

__all__ = ["Connections", "LiveConnection", "UnknownConnection"]

_CLOSE_TIMEOUT = 5.0  # seconds that connections may take to close when the process stops


class LiveConnection(Protocol):
    """A WebSocket, an event stream or a multipart response."""

    def close_after(self, seconds: float) -> None:
        """Close the connection after that time, in a way that lets the client continue at another replica."""


class UnknownConnection(LiveConnection, Protocol):
    """A WebSocket that is not initialised: nobody knows who its client is."""

    def make_room(self) -> None:
        """Close the connection in favour of a newer one."""


class Connections:
    """All connections of a process, within the limits of `options`. `drain` closes them over a time in `options`."""

    def __init__(self, options: LiveOptions, *, traffic: LiveTraffic, observe: Observe) -> None:
        self._limit = options.connections
        self._limit_each = share_of(options.connections, options.share)  # of one caller
        self._unknown_limit = options.uninitialised
        self._spread = options.drain
        self._traffic = traffic
        self._observe = observe
        self._open: dict[LiveConnection, str] = {}  # with the identities of the callers
        self._number_of = Counts()  # connections by identity
        self._unknown: OrderedDict[UnknownConnection, None] = OrderedDict()  # the oldest one first
        self._draining = False
        self._empty = asyncio.Event()

    @contextmanager
    def admit_unknown(self, connection: UnknownConnection) -> Iterator[None]:
        """Keep a WebSocket until the context is left, or until it is admitted by `admit` as that of a caller.

        Beyond the maximum, the one that has waited longest is closed: a client sends `connection_init` at once, so the
        others are those of somebody who wants to occupy all connections.

        Raises:
            Overloaded: there are too many connections of known callers.
            Draining: the process stops.
        """
        self._check_limit()
        self._unknown[connection] = None
        if len(self._unknown) > self._unknown_limit:
            oldest, _ = self._unknown.popitem(last=False)
            self._observe(LiveEvent.REFUSED, "uninitialised")
            oldest.make_room()
        try:
            yield
        finally:
            self._unknown.pop(connection, None)
            self._set_empty()

    @contextmanager
    def admit(self, connection: LiveConnection, kind: str, identity: str) -> Iterator[None]:
        """Count a connection as open until the context is left; `kind` is the detail of `LiveEvent.OPENED`.

        `identity` is that of the principal; callers that are not distinguished have an empty one and no maximum.

        Raises:
            Overloaded: the limit is reached.
            RateLimited: that of this caller is reached.
            Draining: the process stops.
        """
        self._check_limit()
        if identity and self._number_of[identity] >= self._limit_each:
            self._observe(LiveEvent.REFUSED, "connections of a caller")
            raise RateLimited("Too many open connections of this caller. Retry after 1 s.", retry_after=1.0)
        self._unknown.pop(connection, None)  # type: ignore[call-overload]  # it may have been one
        self._open[connection] = identity
        self._number_of.add(identity)
        self._traffic.connections = len(self._open)
        self._observe(LiveEvent.OPENED, kind)
        try:
            yield
        finally:
            del self._open[connection]
            self._number_of.remove(identity)
            self._traffic.connections = len(self._open)
            self._set_empty()

    async def drain(self) -> None:
        """Admit no more connections and close all, each at a random time, so that not all reconnect at once."""
        self._draining = True
        self._empty.clear()
        for connection in (*self._open, *self._unknown):
            connection.close_after(random.uniform(0, self._spread))  # noqa: S311 - nothing is kept secret by it
        if self._open or self._unknown:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), self._spread + _CLOSE_TIMEOUT)

    def _check_limit(self) -> None:
        if self._draining:
            raise Draining
        if len(self._open) >= self._limit:
            self._observe(LiveEvent.REFUSED, "connections")
            raise Overloaded("Too many open connections. Retry after 1 s.", retry_after=1.0)

    def _set_empty(self) -> None:
        if not (self._open or self._unknown):
            self._empty.set()
