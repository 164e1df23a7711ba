"""Stops asking a source that fails: a rolling window, an open time, a few probes.

It counts timeouts, lost and refused connections and 5xx; 4xx and 429 say that the source is there
(issue 4, Circuit). Own code, since none of the maintained libraries has a window: aiobreaker 1.2,
purgatory 3.0 and circuitbreaker 2.1 count failures in a row, which one good answer in between
resets, see exceptions only, and let everybody through when half open. The numbers follow Cosmo's
(field-notes.md, 1.1).
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from gateway.errors import GatewayError, Origin, SourceTimeout, SourceUnavailable
from gateway.operation import current_deadline
from gateway.sources.http.exchange import Request, Response, Send
from gateway.sources.http.handover import current_dispatch
from gateway.sources.http.observing import CallEvent, Observer, PipelineEvent, unobserved

__all__ = ["Circuit", "CircuitOpenError", "CircuitSettings", "CircuitState"]

_SERVER_ERROR = 500
_PROBES_BUSY = 1.0  # seconds to come back in while the probes are under way


class CircuitState(StrEnum):
    """Closed lets calls pass, open refuses them, half open tries a few."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class CircuitSettings:
    """Opens when `ratio` of at least `least_calls` calls of the last `window` seconds failed.

    After `open_for` seconds at most `probes` calls at once are let through; `successes` good ones close
    it, one bad one opens it again. A call that its caller's deadline cut short counts only if the source
    had it for `patience` seconds: a caller in a hurry says nothing about the source.
    """

    window: float = 30.0
    slices: int = 10
    least_calls: int = 20
    ratio: float = 0.5
    open_for: float = 10.0
    probes: int = 3
    successes: int = 3
    patience: float = 1.0


class CircuitOpenError(SourceUnavailable):
    """The call was not sent: its source has been failing."""


@dataclass(slots=True)
class _Slice:
    number: int
    calls: int = 0
    failures: int = 0


class Circuit:
    """The circuit of one source."""

    def __init__(
        self,
        settings: CircuitSettings = CircuitSettings(),
        *,
        clock: Callable[[], float] = time.monotonic,
        observe: Observer = unobserved,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._observe = observe
        self._slices: deque[_Slice] = deque()
        self._opened_at: float | None = None
        self._probing = 0
        self._successes = 0
        self._generation = 0  # an answer to a call of an earlier state is not counted in this one

    @property
    def state(self) -> CircuitState:
        """Its state now."""
        if self._opened_at is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if self._left() > 0 else CircuitState.HALF_OPEN

    async def __call__(self, request: Request, send: Send) -> Response:
        probe = self._opened_at is not None
        if probe:
            self._admit(request)
        generation = self._generation
        self._probing += probe
        failed: bool | None = None  # None: it says nothing about the source
        try:
            response = await send(request)
            failed = response.status >= _SERVER_ERROR
        except (SourceUnavailable, SourceTimeout):
            failed = True
            raise
        except asyncio.CancelledError:
            failed = True if self._hung() else None
            raise
        finally:
            if generation == self._generation:
                self._probing -= probe
                if failed is not None:
                    told = self._judge if probe else self._count
                    told(request, failed=failed)
        return response

    def _admit(self, request: Request) -> None:
        """Refuse every call but a few probes, and those too while it is open."""
        if (left := self._left()) > 0:
            raise self._refused(request, left)
        if self._probing >= self._settings.probes:
            raise self._refused(request, _PROBES_BUSY)

    def _hung(self) -> bool:
        """Whether the call was cancelled because its time ran out while the source had it."""
        deadline, passage = current_deadline.get(), current_dispatch.get()
        if deadline is None or passage is None or passage.since is None:
            return False
        return deadline.expired and self._clock() - passage.since >= self._settings.patience

    def _judge(self, request: Request, *, failed: bool) -> None:
        """What a probe's end means."""
        self._successes += not failed
        if failed:
            self._open(request)
        elif self._successes >= self._settings.successes:
            self._reset(None)
            self._observe(CallEvent.of(PipelineEvent.CLOSED, request))

    def _count(self, request: Request, *, failed: bool) -> None:
        number = int(self._clock() / self._settings.window * self._settings.slices)
        if not self._slices or self._slices[-1].number != number:
            self._slices.append(_Slice(number))
            while self._slices[0].number <= number - self._settings.slices:
                self._slices.popleft()
        current = self._slices[-1]
        current.calls += 1
        if not failed:
            return
        current.failures += 1
        calls, failures = sum(one.calls for one in self._slices), sum(one.failures for one in self._slices)
        if calls >= self._settings.least_calls and failures >= calls * self._settings.ratio:
            self._open(request)

    def _open(self, request: Request) -> None:
        self._reset(self._clock())
        self._observe(CallEvent.of(PipelineEvent.OPENED, request))

    def _reset(self, opened_at: float | None) -> None:
        self._opened_at = opened_at
        self._slices.clear()
        self._probing = self._successes = 0
        self._generation += 1

    def _left(self) -> float:
        opened_at = 0.0 if self._opened_at is None else self._opened_at
        return opened_at + self._settings.open_for - self._clock()

    def _refused(self, request: Request, wait: float) -> GatewayError:
        self._observe(CallEvent.of(PipelineEvent.REFUSED, request, detail="circuit"))
        return CircuitOpenError(
            f"The {request.source} system has been failing and is not asked for a moment.",
            origin=Origin(source=request.source),
            retry_after=wait,
        )
