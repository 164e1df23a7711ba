"""The fast path of a pipeline: a call that every step lets pass at once, and that succeeds, is one coroutine.

First all steps are checked, without waiting and without doing anything; if one does not let the call pass at once, the
steps make it as always. Then the call is sent, and the connection of the lean client measures its timeout and its
deadline, so that there is one future to wait for and no task. After the response each step does what it does after a
response. From a transient failure on, the steps go on with the call where they would be.

What each step does is defined in the step: this module only calls it.
`docs/fast-path.md` describes what is decided where.
"""

import asyncio
from collections.abc import Hashable

import msgspec
from msgspec.structs import replace

from gateway.calls import Attempt
from gateway.errors import GatewayError
from gateway.operation import current_deadline, uses_spare_budget
from gateway.sources.http.bucket import Token
from gateway.sources.http.circuit import Circuit
from gateway.sources.http.deadline import CallLimit, WithinDeadline
from gateway.sources.http.exchange import Request, Response, Send
from gateway.sources.http.forwarding import Forwarding
from gateway.sources.http.handover import current_dispatch, has_unknown_outcome
from gateway.sources.http.lean.connection import ClientConnection, DeadlinePassedError
from gateway.sources.http.lean.transport import LeanTransport
from gateway.sources.http.pacing import Pacing, TokenQueue
from gateway.sources.http.retry import SUCCESS, Result, Retry, is_transient
from gateway.sources.http.rotation import CONFIGURED, ERRORS, PresentCredential, Rotation
from gateway.sources.http.single_flight import Flight, SingleFlight
from gateway.sources.http.timing import Timing, headers_of

__all__ = ["FastCalls"]

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


class SentCall(msgspec.Struct, eq=False):
    """A call with its first attempt, and what the steps have to know after the response.

    `request` is the `original` one with the `credential` that rotates, if it has one. `flight` and its `key` are None
    for a change. `generation` is that of the circuit, `started` a time of `Timing`. `is_under_way` is whether the
    attempt is.
    """

    original: Request
    credential: PresentCredential | None
    request: Request
    limit: CallLimit
    key: Hashable | None
    generation: int
    connection: ClientConnection
    queue: TokenQueue
    token: Token
    flight: Flight | None = None
    attempt: Attempt | None = None
    started: float = 0.0
    is_under_way: bool = True


class FastCalls:
    """Sends requests through the steps of one source. `by_steps` does the same by the steps alone.

    `calls` are the steps from single flight on, for a further call with another credential; `attempts` those inside of
    retry, for a further attempt.
    """

    def __init__(
        self,
        transport: LeanTransport,
        by_steps: Send,
        calls: Send,
        attempts: Send,
        *,
        forwarding: Forwarding | None,
        deadline: WithinDeadline,
        rotation: Rotation | None,
        flights: SingleFlight,
        retry: Retry,
        circuit: Circuit,
        pacing: Pacing,
        timing: Timing,
    ) -> None:
        self._transport = transport
        self._by_steps = by_steps
        self._calls = calls
        self._attempts = attempts
        self._forwarding = forwarding
        self._deadline = deadline
        self._rotation = rotation
        self._flights = flights
        self._retry = retry
        self._circuit = circuit
        self._pacing = pacing
        self._timing = timing

    async def __call__(self, request: Request) -> Response:
        if (forwarding := self._forwarding) is not None:
            request = forwarding.put_in(request)
        sent = self._try_send(request)
        if sent is None:
            return await self._by_steps(request)
        call, response = sent
        result: Result
        try:
            result = await response
        except GatewayError as error:
            result = error
        except asyncio.CancelledError:
            self._leave(call, response)
            raise
        except DeadlinePassedError:
            self._leave(call, response)
            raise self._deadline.expired(call.limit, request) from None
        self._end_attempt(call, result)
        if isinstance(result, Response) and result.status in SUCCESS:
            self._flights.end(call.key, call.flight, result)
            return result
        first = [result]
        del sent, response, result  # an exception that its frame refers to is a reference cycle
        return await self._go_on(call, first)

    def _try_send(self, request: Request) -> tuple[SentCall, asyncio.Future[Response]] | None:
        """Send a request if all steps let it pass at once; else return None, and nothing has been done."""
        if request.method not in _METHODS or uses_spare_budget.get():
            return None
        original, credential = request, None
        if self._rotation is not None:
            credential = self._rotation.try_present()
            if credential is None:
                return None
            request = credential.put_in(original)
        is_read = request.method == "GET"
        key = self._flights.try_key(request) if is_read else None
        generation = self._circuit.entry
        limit = self._deadline.try_begin()
        if limit is None or generation is None or (is_read and key is None):
            return None
        connected = self._transport.try_take(request)
        if connected is None:
            return None
        connection, message = connected
        taken = self._pacing.try_take(request)
        if taken is None:
            connection.put_back()
            return None
        call = SentCall(original, credential, request, limit, key, generation, connection, *taken)
        return call, self._send(call, message)

    def _send(self, call: SentCall, message: bytes) -> asyncio.Future[Response]:
        """Send a request that all steps let pass: from here on it is a call."""
        request, limit = call.request, call.limit
        dispatch = limit.dispatch
        if call.key is not None:
            call.flight = self._flights.begin(call.key, limit, dispatch)
        self._retry.count_call()
        call.attempt = attempt = self._timing.begin(request)
        if attempt is not None:
            if attempt.trace is not None:
                dispatch.trace = attempt.trace
                message = self._transport.encode(replace(request, headers=headers_of(attempt, request)))
            attempt.is_written = True
        # All steps have let the call pass in the same moment. From here on it is handed over.
        dispatch.since = limit.began_at
        if call.flight is None:
            dispatch.written = True
        call.token.bucket.start_window(call.token)
        call.started = self._timing.clock()
        transport = self._transport
        now = transport.time()
        try:
            return call.connection.send(
                request, message, now + transport.limits.total, deadline_at=now + (limit.at - limit.began_at)
            )
        except GatewayError as error:
            response: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
            response.set_exception(error)
            return response

    def _end_attempt(self, call: SentCall, result: Response | BaseException) -> None:
        """Let the steps inside of retry count the end of the attempt, the innermost first."""
        request = call.request
        call.is_under_way = False
        self._timing.end(request, call.attempt, call.started, result)
        if isinstance(result, Response):
            call.limit.dispatch.end(outcome_unknown=call.flight is None and has_unknown_outcome(request, result))
            if call.credential is not None and call.credential is not CONFIGURED:
                call.credential.note(result)
            self._pacing.settle(call.queue, call.token, result)
        else:
            if isinstance(result, GatewayError):
                call.limit.dispatch.end(outcome_unknown=call.flight is None and has_unknown_outcome(request, result))
            call.queue.release(call.token)
        self._circuit.count(request, result, call.generation)

    async def _go_on(self, call: SentCall, first: list[Result]) -> Response:
        """Go on after the `first` attempt: by the steps, which decide whether there is another one after this failure.

        It is a list so that it can be emptied, for the sake of the reference cycle.
        """
        rotation, credential = self._rotation, call.credential
        if rotation is None or credential is None:
            return await (self._within(call, first) if is_transient(first[0]) else self._rest(call, first))

        async def finish(_request: Request) -> Response:
            response = await self._rest(call, first)
            if response.status < ERRORS:
                return response
            return await rotation.finish(call.original, credential, response, self._calls)

        return await self._deadline.within(call.limit, call.original, finish)

    async def _within(self, call: SentCall, first: list[Result]) -> Response:
        """Return the result of `_rest`, within the deadline."""

        async def rest(_request: Request) -> Response:
            return await self._rest(call, first)

        return await self._deadline.within(call.limit, call.request, rest)

    async def _rest(self, call: SentCall, first: list[Result]) -> Response:
        """Make the other attempts, if there are any, and return the result of the call."""
        key, flight = call.key, call.flight
        if not is_transient(first[0]):
            self._flights.end(call.key, call.flight, first[0])
            match first.pop():
                case Response() as response:
                    return response
                case error:
                    try:
                        raise error
                    finally:
                        del error

        async def attempts(request: Request) -> Response:
            return await self._retry.go_on(request, first.pop(), self._attempts)

        if key is not None and flight is not None:
            return await self._flights.make(key, flight, call.request, attempts)
        try:
            return await attempts(call.request)
        finally:
            self._flights.separate()

    def _leave(self, call: SentCall, response: asyncio.Future[Response]) -> None:
        """End a call whose caller does not wait for it any more. It goes on, as a task, if others wait for it."""
        pending = response if _has_result(response) else call.connection.keep(response)

        async def rest(request: Request) -> Response:
            current_dispatch.set(call.limit.dispatch)
            return await self._retry.go_on(request, await self._result(call, pending), self._attempts)

        if call.key is None or call.flight is None:
            self._flights.separate()
        elif (task := self._flights.leave(call.key, call.flight, call.request, rest)) is not None:
            # When the last one leaves it is cancelled, which may be before it has begun.
            task.add_done_callback(lambda _: self._abandon(call, pending))
            return
        if pending.done():
            self._end_attempt(call, pending.exception() or pending.result())
        else:
            self._abandon(call, pending)

    async def _result(self, call: SentCall, pending: asyncio.Future[Response]) -> Result:
        """Wait for the result of an attempt for those that have joined its call."""
        result: Result
        try:
            result = await pending
        except GatewayError as error:
            result = error
        self._end_attempt(call, result)
        return result

    def _abandon(self, call: SentCall, pending: asyncio.Future[Response]) -> None:
        """End an attempt that is under way and for which nobody waits any more, as if its task had been cancelled."""
        if not call.is_under_way:
            return
        call.connection.abandon(pending)
        # That of all who waited: one whose own deadline was earlier than the end is no evidence about the source.
        deadline_before = current_deadline.set(call.flight.deadline if call.flight else call.limit)
        dispatch_before = current_dispatch.set(call.limit.dispatch)
        self._end_attempt(call, asyncio.CancelledError())
        current_dispatch.reset(dispatch_before)
        current_deadline.reset(deadline_before)


def _has_result(response: asyncio.Future[Response]) -> bool:
    if not response.done() or response.cancelled():
        return False
    return not isinstance(response.exception(), DeadlinePassedError)
