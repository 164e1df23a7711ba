"""A step that uses one call for all identical reads that are made while it is under way.

Reads are identical if they are GETs with the same URL and the same headers, except those for tracing, and are made for
the same principal. All headers are compared, not only credentials: an unforeseen one then prevents sharing, instead
of giving one caller the response of another. Principals are compared even if they use the same credential.

A read may also share a call for which nobody waits (`uses_spare_budget`), but not its failure: such a call is refused
where others are not, and not repeated.
"""

import asyncio
import copy
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import lru_cache

from gateway.calls import CANCELLED, CallKind, current_calls
from gateway.errors import GatewayError
from gateway.operation import (
    Deadline,
    current_deadline,
    current_principal,
    current_shared_calls,
    shares_no_calls,
    uses_spare_budget,
)
from gateway.sources.http.exchange import Request, Response, Send
from gateway.sources.http.handover import DispatchState, current_dispatch
from gateway.sources.http.observing import CallEvent, Observer, PipelineEvent, ignore_event
from gateway.sources.http.retry import is_transient

__all__ = ["SingleFlight", "flight_key"]

_LONG_BODY = 16 * 1024  # bytes: to parse more takes a millisecond or more
_TRACING = frozenset({"traceparent", "tracestate", "baggage", "x-request-id"})


def flight_key(request: Request) -> Hashable:
    """Return a value that is equal for identical reads."""
    headers = request.headers
    names, spellings = _compared_headers(tuple(headers))
    return request.url, names, tuple(map(headers.__getitem__, spellings)), current_principal.get().identity


@lru_cache(maxsize=256)
def _compared_headers(names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the sorted names of the headers that are compared: in lower case, and in the spelling of the request."""
    spellings = sorted((name for name in names if name.lower() not in _TRACING), key=str.lower)
    return tuple(map(str.lower, spellings)), tuple(spellings)


@dataclass(slots=True, eq=False)
class _Flight:
    """A call and the callers that wait for it. Its deadline is the latest of theirs.

    `dispatch` is the state of the first caller's call, which the attempts of the shared call update. `is_spare`: nobody
    waited for the call when it began, which was at `began_at`.
    """

    deadline: Deadline | None
    dispatch: DispatchState | None
    is_spare: bool
    began_at: float
    waiters: list[asyncio.Future[Response]] = field(default_factory=list)
    task: asyncio.Task[None] = field(init=False)


class SingleFlight:
    """Shares one call between identical reads, including its failure.

    The call continues while a caller waits for it, and is cancelled when the last one leaves. A read that is made
    after a change does not share a call from before the change; `separate` is called for a change by another process.
    One that looks for a change whose instant is not known shares none (`shares_no_calls`).
    """

    def __init__(self, *, key: Callable[[Request], Hashable] = flight_key, observe: Observer = ignore_event) -> None:
        self._key = key
        self._observe = observe
        self._flights: dict[Hashable, _Flight] = {}

    def separate(self) -> None:
        """Let later reads start new calls: they must return the data after a change that is known now."""
        self._flights.clear()

    async def __call__(self, request: Request, send: Send) -> Response:
        if request.method != "GET":
            try:
                return await send(request)
            finally:
                self.separate()
        if shares_no_calls.get():
            return await send(request)
        loop = asyncio.get_running_loop()
        key = self._key(request)
        flight = self._flights.get(key)
        joined_at = None
        if flight is None:
            deadline = current_deadline.get()
            flight = self._flights[key] = _Flight(
                Deadline(deadline.at, deadline.clock) if deadline else None,
                current_dispatch.get(),
                uses_spare_budget.get(),
                time.monotonic(),
            )
            flight.task = loop.create_task(self._run(key, flight, request, send))
        else:
            self._observe(CallEvent.of(PipelineEvent.SHARED, request))
            _extend_deadline(flight)
            joined_at = time.monotonic()
            if (shared := current_shared_calls.get()) is not None:
                shared.age = max(shared.age, joined_at - flight.began_at)
        response: asyncio.Future[Response] = loop.create_future()
        flight.waiters.append(response)
        try:
            result = await response
            if joined_at is None or not _is_failure_of_spare(flight, result):
                return result
        except asyncio.CancelledError:
            self._leave(key, flight, response, is_first=joined_at is None)
            raise
        except GatewayError:
            if joined_at is None or not _is_failure_of_spare(flight):
                raise
        finally:
            if joined_at is not None:
                _record(request, response, time.monotonic() - joined_at, flight.dispatch)
        return await self(request, send)  # as if it had not shared the call

    def _leave(self, key: Hashable, flight: _Flight, response: asyncio.Future[Response], *, is_first: bool) -> None:
        """Cancel the call of a caller that does not wait any more, unless others do."""
        if response not in flight.waiters:
            return
        flight.waiters.remove(response)
        if not flight.waiters:
            # The task removes its flight only when it runs again. Until then no read may join the cancelled call.
            self._remove(key, flight)
            flight.task.cancel()
        elif is_first and (calls := current_calls.get()) is not None:
            calls.leave(flight.task)

    async def _run(self, key: Hashable, flight: _Flight, request: Request, send: Send) -> None:
        """Make the call, in a separate task, so that it continues when its first caller leaves."""
        current_deadline.set(flight.deadline)
        try:
            response = await send(request)
        except asyncio.CancelledError:
            self._remove(key, flight)
            for waiter in flight.waiters:
                waiter.cancel()
            raise
        except BaseException as error:  # noqa: BLE001 - it is raised in every waiting caller
            self._remove(key, flight)
            for number, waiter in enumerate(flight.waiters):
                if not waiter.done():
                    # Each caller gets a copy: raising one object several times mixes the tracebacks.
                    waiter.set_exception(copy.copy(error) if number and isinstance(error, GatewayError) else error)
        else:
            self._remove(key, flight)
            await _pass_on(response, flight.waiters)
        flight.waiters.clear()

    def _remove(self, key: Hashable, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


def _is_failure_of_spare(flight: _Flight, result: Response | None = None) -> bool:
    """Return whether a call has failed, for a caller that waits, which might not have failed if somebody had waited."""
    return flight.is_spare and not uses_spare_budget.get() and (result is None or is_transient(result))


def _record(
    request: Request, response: asyncio.Future[Response], seconds: float, dispatch: DispatchState | None
) -> None:
    """Record the response of a shared call in the log of an operation that did not make the call."""
    calls = current_calls.get()
    if calls is None:
        return
    status: int | str = CANCELLED
    if response.done() and not response.cancelled():
        error = response.exception()
        status = error.code if isinstance(error, GatewayError) else response.result().status
    calls.add(CallKind.SHARED, request.endpoint, status, seconds, leader=dispatch.trace if dispatch else None)


async def _pass_on(response: Response, waiters: list[asyncio.Future[Response]]) -> None:
    """Give a response to all waiting callers; a long one to one after the other, since each parses it at once."""
    is_long = len(response.body) >= _LONG_BODY
    try:
        for waiter in tuple(waiters):
            if not waiter.done():
                waiter.set_result(response)
                if is_long:
                    await asyncio.sleep(0)
    finally:
        for waiter in waiters:
            waiter.cancel()  # if the process stops; it has no effect on those that have the response


def _extend_deadline(flight: _Flight) -> None:
    deadline = current_deadline.get()
    if flight.deadline is not None and deadline is not None:
        flight.deadline.extend(deadline)
