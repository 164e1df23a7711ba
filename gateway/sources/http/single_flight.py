"""Identical reads under way share one call (issue 4, Single flight; field-notes.md 1.1: Cosmo, Fusion).

Identical is: the same GET with the same URL and the same headers, but for those that only trace. Every
header counts, credential or not: one that nobody thought of keeps calls apart instead of mixing
callers. Two principals are kept apart too, even with one credential.
"""

import asyncio
import copy
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import lru_cache

from gateway.errors import GatewayError
from gateway.operation import Deadline, current_deadline, current_principal
from gateway.sources.http.exchange import Request, Response, Send
from gateway.sources.http.observing import CallEvent, Observer, PipelineEvent, unobserved

__all__ = ["SingleFlight", "identity"]

_TRACING = frozenset({"traceparent", "tracestate", "baggage", "x-request-id"})


def identity(request: Request) -> Hashable:
    """What two reads must have in common to be one."""
    headers = request.headers
    names, spelled = _compared(tuple(headers))
    return request.url, names, tuple(map(headers.__getitem__, spelled)), current_principal.get().identity


@lru_cache(maxsize=256)
def _compared(given: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the headers that count, in one order: in lower case, and as they were given."""
    spelled = sorted((name for name in given if name.lower() not in _TRACING), key=str.lower)
    return tuple(map(str.lower, spelled)), tuple(spelled)


@dataclass(slots=True, eq=False)
class _Flight:
    """One call and who waits for it; it may take as long as the most patient one has."""

    deadline: Deadline | None
    waiting: list[asyncio.Future[Response]] = field(default_factory=list)
    task: asyncio.Task[None] = field(init=False)


class SingleFlight:
    """Shares one call between identical reads, its failure included.

    The call goes on while anyone waits for it, and is cancelled with the last one. A read that is asked for after a
    change joins none from before it.
    """

    def __init__(self, *, key: Callable[[Request], Hashable] = identity, observe: Observer = unobserved) -> None:
        self._key = key
        self._observe = observe
        self._flights: dict[Hashable, _Flight] = {}

    async def __call__(self, request: Request, send: Send) -> Response:
        if request.method != "GET":
            try:
                return await send(request)
            finally:
                self._flights.clear()  # who asks from now on is told what is so after the change
        loop = asyncio.get_running_loop()
        key = self._key(request)
        flight = self._flights.get(key)
        if flight is None:
            own = current_deadline.get()
            flight = self._flights[key] = _Flight(Deadline(own.at, own.clock) if own else None)
            flight.task = loop.create_task(self._fly(key, flight, request, send))
        else:
            self._observe(CallEvent.of(PipelineEvent.SHARED, request))
            _lengthen(flight)
        answer: asyncio.Future[Response] = loop.create_future()
        flight.waiting.append(answer)
        try:
            return await answer
        except asyncio.CancelledError:
            # The task removes itself from the flights only when it runs again: nobody may join it until then.
            if answer in flight.waiting:
                flight.waiting.remove(answer)
                if not flight.waiting:
                    self._land(key, flight)
                    flight.task.cancel()
            raise

    async def _fly(self, key: Hashable, flight: _Flight, request: Request, send: Send) -> None:
        """The call, in a task of its own, so that it outlives whoever began it."""
        current_deadline.set(flight.deadline)
        try:
            response = await send(request)
        except asyncio.CancelledError:
            self._land(key, flight)
            for answer in flight.waiting:
                answer.cancel()
            raise
        except BaseException as error:  # noqa: BLE001 - it is told to all who wait
            self._land(key, flight)
            for number, answer in enumerate(flight.waiting):
                if not answer.done():
                    # Each caller's own: raising one object twice mixes tracebacks.
                    answer.set_exception(copy.copy(error) if number and isinstance(error, GatewayError) else error)
        else:
            self._land(key, flight)
            for answer in flight.waiting:
                if not answer.done():
                    answer.set_result(response)
        flight.waiting.clear()

    def _land(self, key: Hashable, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


def _lengthen(flight: _Flight) -> None:
    own = current_deadline.get()
    if flight.deadline is not None and own is not None:
        flight.deadline.extend(own)
