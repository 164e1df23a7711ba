"""A step that keeps the rate limit of a source, fairly between callers, with a bucket for each source and credential.

The bucket is corrected by the headers of responses and paused by a 429, after which one call probes the source. A call
whose wait would pass its deadline is refused at once. Waiting calls of one bucket are served in rotation by principal,
those of one principal in rotation by operation, those of one operation in the order of arrival. Calls of no operation,
such as those of a poll, take part in the rotation like a principal: however many operations wait, a poll does not wait
for all of them. There is one timer for each bucket, however many calls wait.

A call that nobody waits for (`uses_spare_budget`) never waits for a token either: it is made with one that is left, or
refused at once.

A token is taken before the call gets a connection, and its window begins when the transport writes the call. So calls
that are delayed in between do not arrive at the source together with those of the next window.

docs/decisions/circuit-and-pacing.md compares the libraries: none has rotation, corrections, pauses and deadlines.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from msgspec.structs import replace

from gateway.calls import CallKind, WaitReason, current_calls
from gateway.errors import Origin, RateLimited
from gateway.kit.source_titles import titled
from gateway.operation import Deadline, current_deadline, current_operation, current_principal, uses_spare_budget
from gateway.sources.http.bucket import Bucket, Rate, Token
from gateway.sources.http.causes import failed_call
from gateway.sources.http.errors import retry_after
from gateway.sources.http.exchange import Request, Response, Send
from gateway.sources.http.fair_queue import FairQueue
from gateway.sources.http.observing import CallEvent, Observer, PipelineEvent, ignore_event
from gateway.sources.http.quota import parse_quota

__all__ = ["NoSpareTokenError", "Pacing", "PacingState", "TokenQueue", "by_credential", "by_source"]

_TOO_MANY_REQUESTS = 429
_MIN_TIMER = 0.001  # seconds: the resolution of an event loop's timers
_MAX_WAITING = 256  # calls of one operation; the rate limits of the sources allow fewer within their timeouts
_NO_CALLER = object()  # stands for the principal of the calls that are made for no operation
_MAX_QUEUES = 1024  # above this, those that are not in use are removed before one is added


def by_credential(request: Request) -> str:
    """Return a key for each credential of a source."""
    credential = request.headers.get("Authorization")  # the spelling that all sources are sent
    if credential is None:
        credential = next((value for name, value in request.headers.items() if name.lower() == "authorization"), "")
    return credential


def by_source(request: Request) -> str:
    """Return one key for a source: for limits by client address, whatever the credential."""
    return request.source


class NoSpareTokenError(RateLimited):
    """A call that nobody waits for was not sent, because what is left of the rate limit is kept for others."""

    def __init__(self, request: Request, wait: float) -> None:
        super().__init__(
            f"What is left of the rate limit of the {titled(request.source)} source is kept for other calls.",
            origin=Origin(source=request.source),
            retry_after=wait,
            failed_call=failed_call(request, "not sent: nobody waits for it, and others need the rest of the budget"),
        )


class _TooLateError(Exception):
    """The call would have to wait for `wait` seconds, which is too long."""

    def __init__(self, wait: float) -> None:
        super().__init__(wait)
        self.wait = wait


@dataclass(slots=True, eq=False)
class _Waiter:
    principal: Hashable
    operation: Hashable
    deadline: Deadline | None
    token: asyncio.Future[Token]


@dataclass(slots=True, eq=False)
class TokenQueue:
    """A bucket and the calls that wait for its tokens."""

    bucket: Bucket
    waiters: FairQueue[_Waiter] = field(default_factory=FairQueue)
    timer: asyncio.TimerHandle | None = None

    def try_take(self) -> Token | None:
        """Take a token if one is available now and no call waits for it; else return None."""
        return None if self.waiters else self.bucket.try_take()

    def try_take_spare(self) -> Token | None:
        """Take a token if one is left that no other call needs; else return None."""
        return None if self.waiters else self.bucket.try_take_spare()

    async def wait(self, principal: Hashable, operation: Hashable, deadline: Deadline | None) -> Token:
        """Take a token after waiting for it.

        Raises:
            _TooLateError: the wait would pass the deadline, or too many calls of this operation wait.
        """
        wait = self.bucket.wait(self.waiters.ahead(principal, operation))
        if deadline is not None and wait >= deadline.remaining():
            raise _TooLateError(wait)
        if self.waiters.count(principal, operation) >= _MAX_WAITING:
            raise _TooLateError(wait)
        waiter = _Waiter(principal, operation, deadline, asyncio.get_running_loop().create_future())
        self.waiters.add(principal, operation, waiter)
        if self.timer is None:
            self.serve()
        try:
            return await waiter.token
        except asyncio.CancelledError:
            if waiter.token.cancelled():
                self._remove(waiter)
            elif not waiter.token.exception():
                self.release(waiter.token.result())
            raise

    def release(self, token: Token) -> None:
        """Pass a token on whose call was not written."""
        if token.release():
            self.serve()

    def serve(self) -> None:
        """Give out the available tokens, refuse the calls whose wait is too long, and set the timer for the others."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        while self.waiters:
            token = self.bucket.try_take()
            if token is None:
                wait = self.bucket.wait()
                self._refuse_late(wait)
                if self.waiters:
                    self.timer = asyncio.get_running_loop().call_later(max(wait, _MIN_TIMER), self.serve)
                return
            waiter = self.waiters.pop()
            if waiter.token.done():
                token.release()
            else:
                waiter.token.set_result(token)

    def _refuse_late(self, wait: float) -> None:
        """Refuse every call whose deadline passes within `wait` seconds, when the next token becomes available."""
        for waiter in list(self.waiters):
            if waiter.deadline is not None and wait >= waiter.deadline.remaining():
                self._remove(waiter)
                if not waiter.token.done():
                    waiter.token.set_exception(_TooLateError(wait))

    def _remove(self, waiter: _Waiter) -> None:
        self.waiters.remove(waiter.principal, waiter.operation, waiter)
        if not self.waiters and self.timer is not None:
            self.timer.cancel()
            self.timer = None


@dataclass(frozen=True, slots=True)
class PacingState:
    """What is left of the rate limit of a source: of several buckets, of the one with the fewest tokens.

    `tokens` is how many calls may be made now, `limit` how many in a window; None: the source has no rate limit, and no
    pause. `waiting` is how many calls wait, in all buckets.
    """

    tokens: int | None
    limit: int | None
    waiting: int


class Pacing:
    """Delays the calls to one source so that its rate limit is kept. `key` selects the bucket of a call.

    Raises:
        RateLimited: the wait would pass the deadline, or too many calls of the operation wait. `retry_after` is the
            wait.
        NoSpareTokenError: the same for a call that nobody waits for: no token is left that others do not need.
    """

    def __init__(
        self,
        rate: Rate | None,
        *,
        key: Callable[[Request], str] = by_credential,
        clock: Callable[[], float] = time.monotonic,
        observe: Observer = ignore_event,
    ) -> None:
        self._rate = rate
        self._key = key
        self._clock = clock
        self._observe = observe
        self._queues: dict[str, TokenQueue] = {}

    def __call__(self, request: Request, send: Send) -> Coroutine[Any, Any, Response]:
        """Make the call with a token."""
        queue = self._queue(request)
        if uses_spare_budget.get():
            token = queue.try_take_spare()
            if token is None:
                self._observe(CallEvent.of(PipelineEvent.REFUSED, request, detail="spare"))
                raise NoSpareTokenError(request, queue.bucket.wait())
            return self._call(queue, token, request, send)
        token = queue.try_take()
        return self._wait(queue, request, send) if token is None else self._call(queue, token, request, send)

    @property
    def state(self) -> PacingState:
        """What is left of the rate limit now."""
        buckets = [queue.bucket for queue in self._queues.values()] or [Bucket(self._rate, clock=self._clock)]
        limited = [(tokens, bucket.limit) for bucket in buckets if (tokens := bucket.available) is not None]
        tokens, limit = min(limited, key=itemgetter(0), default=(None, None))
        return PacingState(tokens, limit, sum(len(queue.waiters) for queue in self._queues.values()))

    def try_call(self, request: Request, send: Send) -> asyncio.Task[Response] | None:
        """Start the call if a token is available now and no call waits for it; else return None."""
        queue = self._queue(request)
        token = queue.try_take()
        if token is None:
            return None
        task = asyncio.get_running_loop().create_task(self._call(queue, token, request, send))
        # A task that is cancelled before its first step never enters the coroutine, which would release the token.
        task.add_done_callback(lambda _: queue.release(token))
        return task

    async def _call(self, queue: TokenQueue, token: Token, request: Request, send: Send) -> Response:
        try:
            response = await send(replace(request, on_write=token.mark_sent))
        except BaseException:
            queue.release(token)
            raise
        self.settle(queue, token, response)
        return response

    def try_take(self, request: Request) -> tuple[TokenQueue, Token] | None:
        """Take a token for a call if one is available now and no call waits for it; else return None.

        `settle` has to be called with it after a response, `release` of the queue after any other end of the call.
        """
        queue = self._queues.get(request.source if self._key is by_source else self._key(request))
        if queue is None:
            queue = self._queue(request)
        token = None if queue.waiters.principals else queue.bucket.try_take()
        return None if token is None else (queue, token)

    def settle(self, queue: TokenQueue, token: Token, response: Response) -> None:
        """Correct the bucket by the response to the call with this token."""
        bucket = queue.bucket
        bucket.fix_window(token)
        if response.status == _TOO_MANY_REQUESTS:
            bucket.refuse(token, retry_after(response.headers))
        elif bucket.is_refused:
            bucket.accept(token)
        if self._rate is not None:
            bucket.correct(parse_quota(response.headers), token)
        if queue.waiters.principals:
            queue.serve()

    async def _wait(self, queue: TokenQueue, request: Request, send: Send) -> Response:
        started = self._clock()
        operation = current_operation.get()
        principal: Hashable = _NO_CALLER if operation is None else current_principal.get().identity
        try:
            token = await queue.wait(principal, operation, current_deadline.get())
        except _TooLateError as error:
            self._observe(CallEvent.of(PipelineEvent.REFUSED, request, detail="pace"))
            raise RateLimited(
                f"The rate limit of the {titled(request.source)} source is reached, and waiting would take too long.",
                origin=Origin(source=request.source),
                retry_after=error.wait,
                failed_call=failed_call(request, f"not sent: the rate limit is used up for {error.wait:.3g} s"),
            ) from None
        finally:  # also where the call is refused or cancelled after all
            waited = self._clock() - started
            if waited >= _MIN_TIMER and (calls := current_calls.get()) is not None:
                calls.add(CallKind.WAITED, request.endpoint, None, waited, reason=WaitReason.PACING)
        if waited >= _MIN_TIMER:
            self._observe(CallEvent.of(PipelineEvent.WAIT, request, seconds=waited))
        return await self._call(queue, token, request, send)

    def _queue(self, request: Request) -> TokenQueue:
        key = request.source if self._key is by_source else self._key(request)
        queue = self._queues.get(key)
        if queue is None:
            if len(self._queues) >= _MAX_QUEUES:
                self._queues = {k: used for k, used in self._queues.items() if used.waiters or not used.bucket.idle}
            queue = self._queues[key] = TokenQueue(Bucket(self._rate, clock=self._clock))
        return queue
