"""A step that refuses calls to a source that fails: a rolling window, a time for which it is open, a few probes.

Timeouts, lost or refused connections and 5xx count as failures. 4xx and 429 do not: they show that the source works.
Nor does a call that was not sent because this process has too many open files.
The default numbers follow those of the WunderGraph Cosmo router. docs/decisions/circuit-and-pacing.md compares the
libraries: none has a rolling window, sees responses, and limits the calls while it is half open.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from gateway.errors import FailedCall, GatewayError, Origin, SourceTimeout, SourceUnavailable
from gateway.kit.source_titles import titled
from gateway.operation import current_deadline, uses_spare_budget
from gateway.sources.http.causes import failed_call, failed_response
from gateway.sources.http.errors import NoTimeError, OutOfDescriptorsError
from gateway.sources.http.exchange import Request, Response, Send
from gateway.sources.http.handover import current_dispatch
from gateway.sources.http.observing import CallEvent, Observer, PipelineEvent, ignore_event

__all__ = ["Circuit", "CircuitOpenError", "CircuitSettings", "CircuitState"]

_SERVER_ERROR = 500
_PROBES_RETRY_AFTER = 1.0  # seconds, for a call that is refused because of the probes under way


class CircuitState(StrEnum):
    """Closed: calls pass. Open: calls are refused. Half open: a few calls pass as probes."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class CircuitSettings:
    """The circuit opens when `ratio` of at least `min_calls` calls in the last `window` seconds failed.

    After `open_for` seconds it lets at most `probes` calls through at once. After `successes` successful ones it
    closes; after a failed one it opens again. The window moves on in `slices` steps. A call that the deadline stopped
    counts as failed only if the source had it for `hung_after` seconds: a short deadline of a caller is no
    evidence about the source.
    """

    window: float = 30.0
    slices: int = 10
    min_calls: int = 20
    ratio: float = 0.5
    open_for: float = 10.0
    probes: int = 3
    successes: int = 3
    hung_after: float = 1.0


class CircuitOpenError(SourceUnavailable):
    """The call was not sent, because the circuit of its source is not closed."""


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
        observe: Observer = ignore_event,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._observe = observe
        self._slices: deque[_Slice] = deque()
        self._opened_at: float | None = None
        self._probing = 0
        self._successes = 0
        self._last_failure: FailedCall | None = None
        self._generation = 0  # changes with the state: the result of a call from an earlier state is not counted
        self.entry: int | None = 0
        """What `count` needs for a call that begins now, if the circuit is closed; else None."""

    @property
    def state(self) -> CircuitState:
        """The current state."""
        if self._opened_at is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if self._seconds_open() > 0 else CircuitState.HALF_OPEN

    async def __call__(self, request: Request, send: Send) -> Response:
        probe = self._opened_at is not None
        if probe:
            self._admit(request)
        generation = self._generation
        self._probing += probe
        try:
            response = await send(request)
        except BaseException as error:
            self.count(request, error, generation, probe=probe)
            raise
        self.count(request, response, generation, probe=probe)
        return response

    def count(
        self, request: Request, result: Response | BaseException, generation: int, *, probe: bool = False
    ) -> None:
        """Count the result of a call that passed in this generation."""
        if isinstance(result, Response) and result.status < _SERVER_ERROR:
            failed: bool | None = False
        else:
            failed = self._failed(request, result)
        if generation != self._generation:
            return
        if probe:
            self._probing -= 1
            if failed is not None:
                self._count_probe(request, failed=failed)
        elif failed is not None:
            slices, settings = self._slices, self._settings
            number = int(self._clock() / settings.window * settings.slices)
            if not slices or slices[-1].number != number:
                slices.append(_Slice(number))
                while slices[0].number <= number - settings.slices:
                    slices.popleft()
            slices[-1].calls += 1
            if failed:
                self._count_failure(request)

    def _failed(self, request: Request, result: Response | BaseException) -> bool | None:
        """Return whether a call without a success failed; None: it is no evidence about the source."""
        if isinstance(result, Response):
            self._last_failure = failed_response(request, result)
            return True
        if isinstance(result, OutOfDescriptorsError | NoTimeError):
            return None
        if isinstance(result, SourceUnavailable | SourceTimeout):
            self._last_failure = result.failed_call
            return True
        if isinstance(result, asyncio.CancelledError) and self._hung():
            self._last_failure = failed_call(request, "no complete response before the deadline of the operation")
            return True
        return None

    def _admit(self, request: Request) -> None:
        """Let a probe pass, unless the circuit is open or enough probes are under way.

        Raises:
            CircuitOpenError: the call is refused.
        """
        if (seconds := self._seconds_open()) > 0:
            raise self._refusal(request, seconds)
        # A call that nobody waits for leaves the probes to others, as long as there are any.
        if self._probing >= (1 if uses_spare_budget.get() else self._settings.probes):
            raise self._refusal(request, _PROBES_RETRY_AFTER)

    def _hung(self) -> bool:
        """Whether the call was cancelled by its deadline, after the source had it for `hung_after` seconds."""
        deadline, dispatch = current_deadline.get(), current_dispatch.get()
        if deadline is None or dispatch is None or dispatch.since is None:
            return False
        return deadline.expired and deadline.clock() - dispatch.since >= self._settings.hung_after

    def _count_probe(self, request: Request, *, failed: bool) -> None:
        self._successes += not failed
        if failed:
            self._open(request)
        elif self._successes >= self._settings.successes:
            self._reset(None)
            self._observe(CallEvent.of(PipelineEvent.CLOSED, request))

    def _count_failure(self, request: Request) -> None:
        self._slices[-1].failures += 1
        calls, failures = sum(part.calls for part in self._slices), sum(part.failures for part in self._slices)
        if calls >= self._settings.min_calls and failures >= calls * self._settings.ratio:
            self._open(request)

    def _open(self, request: Request) -> None:
        self._reset(self._clock())
        self._observe(CallEvent.of(PipelineEvent.OPENED, request, failed_call=self._last_failure))

    def _reset(self, opened_at: float | None) -> None:
        self._opened_at = opened_at
        self._slices.clear()
        self._probing = self._successes = 0
        self._generation += 1
        self.entry = self._generation if opened_at is None else None

    def _seconds_open(self) -> float:
        """Return the seconds until the circuit is half open."""
        opened_at = 0.0 if self._opened_at is None else self._opened_at
        return opened_at + self._settings.open_for - self._clock()

    def _refusal(self, request: Request, wait: float) -> GatewayError:
        self._observe(CallEvent.of(PipelineEvent.REFUSED, request, detail="circuit"))
        return CircuitOpenError(
            f"The {titled(request.source)} source is not called for some seconds, because too many calls to it failed.",
            origin=Origin(source=request.source),
            retry_after=wait,
            failed_call=failed_call(request, f"not sent: the circuit is open since: {self._last_failure}"),
        )
