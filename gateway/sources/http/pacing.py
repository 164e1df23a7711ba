"""Keeps to a source's rate limit, fairly between callers: a bucket a source and credential.

Corrected by the source's headers, paused by its 429 (issue 4, Pacing). A wait that would pass the
deadline is refused at once. Own code: aiolimiter 1.3 serves its waiters by one heap, takes no
corrections, knows no pause and no deadline, and lets twice its rate pass in a first window;
pyrate-limiter 4 has windows, but neither turns nor corrections.

Waiters of one key take turns by principal, each principal's in the order of arrival. One timer a
key, however many wait.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.errors import Origin, RateLimited
from gateway.operation import Deadline, current_deadline, current_principal
from gateway.sources.http.bucket import Bucket, Rate, quota
from gateway.sources.http.errors import retry_after
from gateway.sources.http.exchange import Request, Response, Send
from gateway.sources.http.observing import CallEvent, Observer, PipelineEvent, unobserved

__all__ = ["Pacing", "by_credential", "by_source"]

_TOO_MANY = 429
_LEAST_TIMER = 0.001  # seconds: finer than this no event loop waits
_MANY_LANES = 1024


def by_credential(request: Request) -> str:
    """A bucket for each credential of a source."""
    credential = request.headers.get("Authorization")  # as all of our systems spell it
    if credential is None:
        credential = next((value for name, value in request.headers.items() if name.lower() == "authorization"), "")
    return credential


def by_source(request: Request) -> str:
    """One bucket for a source: right where it limits by client address, whoever calls."""
    return request.source


class _TooLateError(Exception):
    """The wait would pass the deadline."""

    def __init__(self, wait: float) -> None:
        super().__init__(wait)
        self.wait = wait


@dataclass(slots=True, eq=False)
class _Waiter:
    principal: str
    deadline: Deadline | None
    token: asyncio.Future[float]


@dataclass(slots=True, eq=False)
class _Lane:
    """The bucket of one key and those who wait for its tokens."""

    bucket: Bucket
    queues: OrderedDict[str, deque[_Waiter]] = field(default_factory=OrderedDict)  # in the order of turns
    timer: asyncio.TimerHandle | None = None

    def take_free(self) -> float | None:
        """A token, if there is one now that nobody waits for."""
        return None if self.queues else self.bucket.take_free()

    async def enter(self, principal: str, deadline: Deadline | None) -> float:
        """A token, once it is this caller's turn."""
        wait = self.bucket.wait(self._ahead(principal))
        if deadline is not None and wait >= deadline.remaining():
            raise _TooLateError(wait)
        waiter = _Waiter(principal, deadline, asyncio.get_running_loop().create_future())
        self.queues.setdefault(principal, deque()).append(waiter)
        if self.timer is None:
            self.pump()
        try:
            return await waiter.token
        except asyncio.CancelledError:
            if waiter.token.cancelled():
                self._remove(waiter)
            elif not waiter.token.exception():
                self.bucket.give_back(waiter.token.result())
                self.pump()
            raise

    def pump(self) -> None:
        """Hand out what there is, refuse those who would get theirs too late, wake up for the rest."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        while self.queues:
            wait = self.bucket.wait()
            if wait > 0:
                self._refuse_hopeless(wait)
                if self.queues:
                    self.timer = asyncio.get_running_loop().call_later(max(wait, _LEAST_TIMER), self.pump)
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
        """How many are served before the next one of this principal."""
        own = len(self.queues.get(principal, ()))
        ahead, turns = own, own + 1  # who is before this principal in the order has one turn more
        for name, queue in self.queues.items():
            if name == principal:
                turns = own
            else:
                ahead += min(len(queue), turns)
        return ahead

    def _refuse_hopeless(self, wait: float) -> None:
        waiting = [one for queue in self.queues.values() for one in queue]
        for waiter in waiting:
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
    """The pace of one source.

    Raises:
        RateLimited: the wait would pass the deadline; `retry_after` is that wait.
    """

    def __init__(
        self,
        rate: Rate | None,
        *,
        key: Callable[[Request], str] = by_credential,
        clock: Callable[[], float] = time.monotonic,
        observe: Observer = unobserved,
    ) -> None:
        self._rate = rate
        self._key = key
        self._clock = clock
        self._observe = observe
        self._lanes: dict[str, _Lane] = {}

    async def __call__(self, request: Request, send: Send) -> Response:
        lane = self._lane(request)
        token = lane.take_free()
        if token is None:
            token = await self._turn(lane, request)
        response = await send(request)
        if self._rate is not None:
            lane.bucket.correct(quota(response.headers), token)
        if response.status == _TOO_MANY:
            lane.bucket.pause(retry_after(response.headers))
            lane.pump()
        return response

    async def _turn(self, lane: _Lane, request: Request) -> float:
        """A token, after those who came before."""
        begun = self._clock()
        try:
            token = await lane.enter(current_principal.get().identity, current_deadline.get())
        except _TooLateError as error:
            self._observe(CallEvent.of(PipelineEvent.REFUSED, request, detail="pace"))
            raise RateLimited(
                f"The {request.source} system's rate limit is reached, and the wait is longer than there is time.",
                origin=Origin(source=request.source),
                retry_after=error.wait,
            ) from None
        if (waited := self._clock() - begun) >= _LEAST_TIMER:
            self._observe(CallEvent.of(PipelineEvent.WAIT, request, seconds=waited))
        return token

    def spare(self, request: Request) -> bool:
        """Take a token that nobody waits for, if there is one now."""
        return self._lane(request).take_free() is not None

    def _lane(self, request: Request) -> _Lane:
        key = self._key(request)
        lane = self._lanes.get(key)
        if lane is None:
            if len(self._lanes) >= _MANY_LANES:
                self._lanes = {k: one for k, one in self._lanes.items() if one.queues or not one.bucket.idle}
            lane = self._lanes[key] = _Lane(Bucket(self._rate, clock=self._clock))
        return lane
