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
from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache

import msgspec

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
from gateway.sources.http.exchange import ConstantHeaders, Request, Response, Send
from gateway.sources.http.handover import DispatchState, current_dispatch
from gateway.sources.http.observing import CallEvent, Observer, PipelineEvent, ignore_event
from gateway.sources.http.retry import is_transient

__all__ = ["Flight", "SingleFlight"]

_LONG_BODY = 16 * 1024  # bytes: to parse more takes a millisecond or more
_TRACING = frozenset({"traceparent", "tracestate", "baggage", "x-request-id"})


def _flight_key(request: Request) -> Hashable:
    """Return a value that is equal for identical reads."""
    headers = request.headers
    if type(headers) is ConstantHeaders:
        compared = headers.compared
        if compared is None:
            compared = headers.compared = _compared(headers)
    else:
        compared = _compared(headers)
    return request.url, compared, current_principal.get().identity


def _compared(headers: Mapping[str, str]) -> str:
    """Return a text that is equal for headers whose names and values are equal, as far as they are compared.

    It is a text because the hash of a text is computed once, that of a tuple at each look-up.
    """
    names, spellings = _compared_names(tuple(headers))
    return repr((names, *map(headers.__getitem__, spellings)))


@lru_cache(maxsize=256)
def _compared_names(names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the sorted names of the headers that are compared: in lower case, and in the spelling of the request."""
    spellings = sorted((name for name in names if name.lower() not in _TRACING), key=str.lower)
    return tuple(map(str.lower, spellings)), tuple(spellings)


class Flight(msgspec.Struct, eq=False):
    """A call and the callers that wait for it. Its deadline is the latest of theirs.

    `dispatch` is the state of the first caller's call, which the attempts of the shared call update. `is_spare`: nobody
    waited for the call when it began, which was at `began_at`. `task` makes the call; None: the first caller does so
    itself, and `waiters` are the others.
    """

    deadline: Deadline | None
    dispatch: DispatchState | None
    is_spare: bool
    began_at: float
    waiters: list[asyncio.Future[Response]] = []
    task: asyncio.Task[None] | None = None


class SingleFlight:
    """Shares one call between identical reads, including its failure.

    The call continues while a caller waits for it, and is cancelled when the last one leaves. A read that is made
    after a change does not share a call from before the change; `separate` is called for a change by another process.
    One that looks for a change whose instant is not known shares none (`shares_no_calls`).
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, observe: Observer = ignore_event) -> None:
        self._clock = clock
        self._observe = observe
        self._flights: dict[Hashable, Flight] = {}

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
        key = _flight_key(request)
        flight = self._flights.get(key)
        if flight is not None:
            return await self._join(key, flight, request, send)
        return await self.make(key, self.begin(key, current_deadline.get(), current_dispatch.get()), request, send)

    def try_key(self, request: Request) -> Hashable | None:
        """Return the key of a GET that may be shared and is not under way; else None."""
        if shares_no_calls.get():
            return None
        key = _flight_key(request)
        return None if key in self._flights else key

    def begin(self, key: Hashable, deadline: Deadline | None, dispatch: DispatchState | None) -> Flight:
        """Let reads with this key join a call, which its first caller makes until `make` is called."""
        flight = self._flights[key] = Flight(deadline, dispatch, uses_spare_budget.get(), self._clock())
        return flight

    async def make(self, key: Hashable, flight: Flight, request: Request, send: Send) -> Response:
        """Make the call, or what is left of it, in a separate task, and wait for it as its first caller."""
        self.continue_in_task(key, flight, request, send)
        response: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        flight.waiters.append(response)
        try:
            return await response
        except asyncio.CancelledError:
            self._leave(key, flight, response, is_first=True)
            raise

    def continue_in_task(self, key: Hashable, flight: Flight, request: Request, send: Send) -> asyncio.Task[None]:
        """Make the call, or what is left of it, for those that wait for it."""
        if (deadline := flight.deadline) is not None:
            flight.deadline = Deadline(deadline.at, deadline.clock)  # the first caller keeps its deadline
        flight.task = asyncio.get_running_loop().create_task(self._run(key, flight, request, send))
        return flight.task

    def leave(self, key: Hashable, flight: Flight, request: Request, send: Send) -> asyncio.Task[None] | None:
        """Let the first caller leave, who has made the call itself.

        Return the task in which `send` makes what is left of it for the others; None if there are none.
        """
        if not flight.waiters:
            self._remove(key, flight)
            return None
        task = self.continue_in_task(key, flight, request, send)
        if (calls := current_calls.get()) is not None:
            calls.leave(task)
        return task

    def end(self, key: Hashable, flight: Flight | None, result: Response | GatewayError) -> None:
        """Pass the result of a call on, which its first caller has made itself and gets otherwise.

        Without a flight it is the call of a change.
        """
        if flight is None:
            self.separate()
            return
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not flight.waiters:
            return
        if isinstance(result, Response):
            flight.task = asyncio.get_running_loop().create_task(_pass_on(result, flight.waiters))
        else:
            _raise_in(flight.waiters, result, raised=1)

    async def _join(self, key: Hashable, flight: Flight, request: Request, send: Send) -> Response:
        """Wait for a call that is under way."""
        self._observe(CallEvent.of(PipelineEvent.SHARED, request))
        _extend_deadline(flight)
        joined_at = self._clock()
        if (shared := current_shared_calls.get()) is not None:
            shared.age = max(shared.age, joined_at - flight.began_at)
        response: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        flight.waiters.append(response)
        try:
            result = await response
            if not _is_failure_of_spare(flight, result):
                return result
        except asyncio.CancelledError:
            self._leave(key, flight, response, is_first=False)
            raise
        except GatewayError:
            if not _is_failure_of_spare(flight):
                raise
        finally:
            _record(request, response, self._clock() - joined_at, flight.dispatch)
        return await self(request, send)  # as if it had not shared the call

    def _leave(self, key: Hashable, flight: Flight, response: asyncio.Future[Response], *, is_first: bool) -> None:
        """Cancel the call of a caller that does not wait any more, unless others do."""
        if response not in flight.waiters:
            return
        flight.waiters.remove(response)
        if flight.task is None:
            return  # its first caller makes it
        if not flight.waiters:
            # The task removes its flight only when it runs again. Until then no read may join the cancelled call.
            self._remove(key, flight)
            flight.task.cancel()
        elif is_first and (calls := current_calls.get()) is not None:
            calls.leave(flight.task)

    async def _run(self, key: Hashable, flight: Flight, request: Request, send: Send) -> None:
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
            _raise_in(flight.waiters, error, raised=0)
        else:
            self._remove(key, flight)
            await _pass_on(response, flight.waiters)
        flight.waiters.clear()

    def _remove(self, key: Hashable, flight: Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


def _is_failure_of_spare(flight: Flight, result: Response | None = None) -> bool:
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


def _raise_in(waiters: list[asyncio.Future[Response]], error: BaseException, *, raised: int) -> None:
    """Raise an error in all waiting callers; it has been raised so many times already.

    Each caller but the first gets a copy: raising one object several times mixes the tracebacks.
    """
    for number, waiter in enumerate(waiters, raised):
        if not waiter.done():
            waiter.set_exception(copy.copy(error) if number and isinstance(error, GatewayError) else error)


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


def _extend_deadline(flight: Flight) -> None:
    deadline = current_deadline.get()
    if flight.deadline is None or deadline is None:
        return
    if flight.task is None:  # it is that of the first caller, who keeps it
        flight.deadline = Deadline(max(flight.deadline.at, deadline.at), deadline.clock)
    else:
        flight.deadline.extend(deadline)
