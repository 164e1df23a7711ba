"""A second GET when the first is slower than almost all before; the first good answer wins. Off by default.

The delay is the p95 of the source's own recent answers (issue 4, Hedged reads; field-notes.md 0.10:
Envoy's hedging, with a budget). A hedge spends from the retry budget and takes only a token of the
rate limit that nobody waits for: both are asked by `may`.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from gateway.sources.http.exchange import Request, Response, Send
from gateway.sources.http.observing import CallEvent, Observer, PipelineEvent, unobserved

__all__ = ["Hedging", "HedgingSettings"]

_TOO_MANY = 429
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class HedgingSettings:
    """The delay is the `quantile` of the last `sample` answers, once there are `least`; never under `shortest` s."""

    quantile: float = 0.95
    sample: int = 200
    least: int = 20
    shortest: float = 0.01


class Hedging:
    """Hedges the reads of one source."""

    def __init__(
        self,
        settings: HedgingSettings = HedgingSettings(),
        *,
        may: Callable[[Request], bool],
        clock: Callable[[], float] = time.monotonic,
        observe: Observer = unobserved,
    ) -> None:
        self._settings = settings
        self._may = may
        self._clock = clock
        self._observe = observe
        self._seconds: deque[float] = deque(maxlen=settings.sample)

    @property
    def delay(self) -> float | None:
        """Seconds before a second call, None until enough has been seen."""
        if len(self._seconds) < self._settings.least:
            return None
        place = min(len(self._seconds) - 1, int(len(self._seconds) * self._settings.quantile))
        return max(self._settings.shortest, sorted(self._seconds)[place])

    async def __call__(self, request: Request, send: Send) -> Response:
        if request.method != "GET":
            return await send(request)
        begun = self._clock()
        delay = self.delay
        if delay is None:
            response = await send(request)
        else:
            response = await self._race(request, send, delay)
        # Of a first call that lost, this is the least that it took: it must not make the delay shrink.
        self._seconds.append(self._clock() - begun)
        return response

    async def _race(self, request: Request, send: Send, delay: float) -> Response:
        calls = [asyncio.ensure_future(send(request))]
        try:
            await asyncio.wait(calls, timeout=delay)
            if not calls[0].done() and self._may(request):
                self._observe(CallEvent.of(PipelineEvent.HEDGED, request, seconds=delay))
                calls.append(asyncio.ensure_future(send(request)))
            pending = set(calls)
            while pending:
                _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for call in calls:
                    if _good(call):
                        if call is not calls[0]:
                            self._observe(CallEvent.of(PipelineEvent.HEDGE_WON, request))
                        return call.result()
            return calls[0].result()
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)


def _good(call: asyncio.Future[Response]) -> bool:
    if not call.done() or call.cancelled():
        return False
    if call.exception() is not None:
        return False
    status = call.result().status
    return status < _SERVER_ERROR and status != _TOO_MANY
