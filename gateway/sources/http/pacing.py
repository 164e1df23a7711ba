"""A step that keeps the rate limit of a source, fairly between callers, with a bucket for each source and credential.

The bucket is corrected by the headers of responses and paused by a 429. A call whose wait would pass its deadline is
refused at once. Waiting calls of one bucket are served in rotation by principal, those of one principal in the order
of arrival. There is one timer for each bucket, however many calls wait.

docs/decisions/circuit-and-pacing.md compares the libraries: none has rotation, corrections, pauses and deadlines.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.errors import Origin, RateLimited
from gateway.operation import Deadline, current_deadline, current_principal
from gateway.sources.http.bucket import Bucket, Rate, parse_quota
from gateway.sources.http.errors import retry_after
from gateway.sources.http.exchange import Request, Response, Send
from gateway.sources.http.observing import CallEvent, Observer, PipelineEvent, ignore_event

__all__ = ["Pacing", "by_credential", "by_source"]

_TOO_MANY_REQUESTS = 429
_MIN_TIMER = 0.001  # seconds: the resolution of an event loop's timers
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


class _TooLateError(Exception):
    """The wait of `wait` seconds would pass the deadline."""

    def __init__(self, wait: float) -> None:
        super().__init__(wait)
        self.wait = wait


@dataclass(slots=True, eq=False)
class _Waiter:
    principal: str
    deadline: Deadline | None
    token: asyncio.Future[float]


@dataclass(slots=True, eq=False)
class _TokenQueue:
    """A bucket and the calls that wait for its tokens: a queue for each principal, in the order of the rotation."""

    bucket: Bucket
    queues: OrderedDict[str, deque[_Waiter]] = field(default_factory=OrderedDict)
    timer: asyncio.TimerHandle | None = None

    def try_take(self) -> float | None:
        """Take a token if one is available now and no call waits for it; else return None."""
        return None if self.queues else self.bucket.try_take()

    async def wait(self, principal: str, deadline: Deadline | None) -> float:
        """Take a token after waiting for it.

        Raises:
            _TooLateError: the wait would pass the deadline.
        """
        wait = self.bucket.wait(self._ahead(principal))
        if deadline is not None and wait >= deadline.remaining():
            raise _TooLateError(wait)
        waiter = _Waiter(principal, deadline, asyncio.get_running_loop().create_future())
        self.queues.setdefault(principal, deque()).append(waiter)
        if self.timer is None:
            self.serve()
        try:
            return await waiter.token
        except asyncio.CancelledError:
            if waiter.token.cancelled():
                self._remove(waiter)
            elif not waiter.token.exception():
                self.bucket.give_back(waiter.token.result())
                self.serve()
            raise

    def serve(self) -> None:
        """Give out the available tokens, refuse the calls whose wait is too long, and set the timer for the others."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        while self.queues:
            wait = self.bucket.wait()
            if wait > 0:
                self._refuse_late(wait)
                if self.queues:
                    self.timer = asyncio.get_running_loop().call_later(max(wait, _MIN_TIMER), self.serve)
                return
            principal, queue = next(iter(self.queues.items()))
            waiter = queue.popleft()
            if queue:
                self.queues.move_to_end(principal)
            else:
                del self.queues[principal]
            if not waiter.token.done():
                waiter.token.set_result(self.bucket.take())

    def _ahead(self, principal: str) -> int:
        """Return how many waiting calls are served before the next one of this principal."""
        waiting = len(self.queues.get(principal, ()))
        # A principal before this one in the rotation is served once more until then than one after it.
        ahead, rounds = waiting, waiting + 1
        for name, queue in self.queues.items():
            if name == principal:
                rounds = waiting
            else:
                ahead += min(len(queue), rounds)
        return ahead

    def _refuse_late(self, wait: float) -> None:
        """Refuse every call whose deadline passes within `wait` seconds, when the next token becomes available."""
        waiters = [waiter for queue in self.queues.values() for waiter in queue]
        for waiter in waiters:
            if waiter.deadline is not None and wait >= waiter.deadline.remaining():
                self._remove(waiter)
                if not waiter.token.done():
                    waiter.token.set_exception(_TooLateError(wait))

    def _remove(self, waiter: _Waiter) -> None:
        queue = self.queues.get(waiter.principal)
        if queue is not None and waiter in queue:
            queue.remove(waiter)
            if not queue:
                del self.queues[waiter.principal]
        if not self.queues and self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Pacing:
    """Delays the calls to one source so that its rate limit is kept. `key` selects the bucket of a call.

    Raises:
        RateLimited: the wait would pass the deadline; `retry_after` is that wait.
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
        self._queues: dict[str, _TokenQueue] = {}

    async def __call__(self, request: Request, send: Send) -> Response:
        queue = self._queue(request)
        token = queue.try_take()
        if token is None:
            token = await self._wait(queue, request)
        response = await send(request)
        if self._rate is not None:
            queue.bucket.correct(parse_quota(response.headers), token)
        if response.status == _TOO_MANY_REQUESTS:
            queue.bucket.pause(retry_after(response.headers))
            queue.serve()
        return response

    async def _wait(self, queue: _TokenQueue, request: Request) -> float:
        started = self._clock()
        try:
            token = await queue.wait(current_principal.get().identity, current_deadline.get())
        except _TooLateError as error:
            self._observe(CallEvent.of(PipelineEvent.REFUSED, request, detail="pace"))
            raise RateLimited(
                f"The rate limit of the {request.source} source is reached, and waiting would take too long.",
                origin=Origin(source=request.source),
                retry_after=error.wait,
            ) from None
        if (waited := self._clock() - started) >= _MIN_TIMER:
            self._observe(CallEvent.of(PipelineEvent.WAIT, request, seconds=waited))
        return token

    def try_take(self, request: Request) -> bool:
        """Take a token if one is available now and no call waits for it; return whether it was taken."""
        return self._queue(request).try_take() is not None

    def _queue(self, request: Request) -> _TokenQueue:
        key = self._key(request)
        queue = self._queues.get(key)
        if queue is None:
            if len(self._queues) >= _MAX_QUEUES:
                self._queues = {k: used for k, used in self._queues.items() if used.queues or not used.bucket.idle}
            queue = self._queues[key] = _TokenQueue(Bucket(self._rate, clock=self._clock))
        return queue
