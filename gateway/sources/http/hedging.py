"""A step that sends a slow GET a second time and uses the first good response. Off by default.

The delay before the second request is a quantile of the source's recent response times. As with Envoy's hedging, there
is a budget: a second request takes from the retry budget, and a token of the rate limit only if no call waits for one.
The function `try_second` does both.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from gateway.calls import CallKind
from gateway.operation import uses_spare_budget
from gateway.sources.http.exchange import Request, Response, Send
from gateway.sources.http.observing import CallEvent, Observer, PipelineEvent, ignore_event

__all__ = ["Hedging", "HedgingSettings"]

_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class HedgingSettings:
    """The delay is the `quantile` of the last `sample_size` response times, once there are `min_samples` of them.

    It is at least `min_delay` seconds.
    """

    quantile: float = 0.95
    sample_size: int = 200
    min_samples: int = 20
    min_delay: float = 0.01


class Hedging:
    """Hedges the reads of one source. `try_second` sends the second request, or returns None if that is not allowed."""

    def __init__(
        self,
        settings: HedgingSettings = HedgingSettings(),
        *,
        try_second: Callable[[Request, Send], asyncio.Task[Response] | None],
        clock: Callable[[], float] = time.monotonic,
        observe: Observer = ignore_event,
    ) -> None:
        self._settings = settings
        self._try_second = try_second
        self._clock = clock
        self._observe = observe
        self._durations: deque[float] = deque(maxlen=settings.sample_size)

    @property
    def delay(self) -> float | None:
        """The seconds before a second request; None until there are enough samples."""
        if len(self._durations) < self._settings.min_samples:
            return None
        index = min(len(self._durations) - 1, int(len(self._durations) * self._settings.quantile))
        return max(self._settings.min_delay, sorted(self._durations)[index])

    async def __call__(self, request: Request, send: Send) -> Response:
        if request.method != "GET":
            return await send(request)
        started = self._clock()
        delay = None if uses_spare_budget.get() else self.delay
        if delay is None:
            response = await send(request)
        else:
            response = await self._race(request, send, delay)
        # If the first request lost, it would have taken at least this long: the sample must not shorten the delay.
        self._durations.append(self._clock() - started)
        return response

    async def _race(self, request: Request, send: Send, delay: float) -> Response:
        calls: list[asyncio.Future[Response]] = [asyncio.ensure_future(send(request))]
        try:
            await asyncio.wait(calls, timeout=delay)
            repeated = replace(request, kind=CallKind.HEDGE)
            if not calls[0].done() and (second := self._try_second(repeated, send)) is not None:
                self._observe(CallEvent.of(PipelineEvent.HEDGED, request, seconds=delay))
                calls.append(second)
            pending = set(calls)
            while pending:
                _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for call in calls:
                    if _is_good(call):
                        if call is not calls[0]:
                            self._observe(CallEvent.of(PipelineEvent.HEDGE_WON, request))
                        return call.result()
            return calls[0].result()
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)


def _is_good(call: asyncio.Future[Response]) -> bool:
    if not call.done() or call.cancelled():
        return False
    if call.exception() is not None:
        return False
    status = call.result().status
    return status < _SERVER_ERROR and status != _TOO_MANY_REQUESTS
