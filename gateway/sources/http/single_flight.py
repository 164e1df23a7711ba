"""Identical reads under way share one call (issue 4, Single flight; field-notes.md 1.1: Cosmo, Fusion).

Identical is: the same GET with the same URL and the same headers, but for those that only trace. Every
header counts, credential or not: one that nobody thought of keeps calls apart instead of mixing
callers. Two principals are kept apart too, even with one credential.
"""

import asyncio
import copy
from collections.abc import Callable, Hashable
from contextvars import copy_context
from dataclasses import dataclass, field

from gateway.errors import GatewayError
from gateway.sources.http.deadline import Deadline, current_deadline
from gateway.sources.http.exchange import Request, Response, Send
from gateway.sources.http.observing import Event, Happening, Observer, unobserved
from gateway.sources.http.scope import current_principal

__all__ = ["SingleFlight", "identity"]

_TRACING = frozenset({"traceparent", "tracestate", "baggage", "x-request-id"})


def identity(request: Request) -> Hashable:
    """What two reads must have in common to be one."""
    headers = frozenset((name.lower(), value) for name, value in request.headers.items())
    return request.url, frozenset(one for one in headers if one[0] not in _TRACING), current_principal.get()


@dataclass(slots=True, eq=False)
class _Flight:
    """One call and how many wait for it; it may take as long as the most patient one has."""

    task: asyncio.Task[Response] = field(init=False)
    deadline: Deadline | None
    waiting: int = 0


class SingleFlight:
    """Shares one call between identical reads, its failure included.

    The call goes on while anyone waits for it, and is cancelled with the last one.
    """

    def __init__(self, *, key: Callable[[Request], Hashable] = identity, observe: Observer = unobserved) -> None:
        self._key = key
        self._observe = observe
        self._flights: dict[Hashable, _Flight] = {}

    async def __call__(self, request: Request, send: Send) -> Response:
        if request.method != "GET":
            return await send(request)
        key = self._key(request)
        flight = self._flights.get(key)
        joined = flight is not None
        if flight is None:
            flight = self._start(key, request, send)
        else:
            self._observe(Event.of(Happening.SHARED, request))
            _lengthen(flight)
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        except GatewayError as error:
            if not joined:
                raise
            raise copy.copy(error) from error  # each caller's own: raising one object twice mixes tracebacks
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._land(key, flight)
                flight.task.cancel()

    def _start(self, key: Hashable, request: Request, send: Send) -> _Flight:
        own = current_deadline.get()
        flight = _Flight(Deadline(own.at, own.clock) if own else None)
        context = copy_context()
        context.run(current_deadline.set, flight.deadline)

        async def call() -> Response:
            return await send(request)

        flight.task = asyncio.get_running_loop().create_task(call(), context=context)
        flight.task.add_done_callback(lambda _: self._land(key, flight))
        self._flights[key] = flight
        return flight

    def _land(self, key: Hashable, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if flight.task.done() and not flight.task.cancelled():
            flight.task.exception()  # seen, also when everybody has left


def _lengthen(flight: _Flight) -> None:
    own = current_deadline.get()
    if flight.deadline is not None and own is not None:
        flight.deadline.extend(own)
