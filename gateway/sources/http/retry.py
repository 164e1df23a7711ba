"""A step that sends a call again after a transient failure, if the call may be repeated: two separate decisions.

- A failure is transient if it is a failed connection, a timeout, 429, 502, 503, 504, or has a body with
  `is_transient: true` (docs/upstreams/account.md, "Errors").
- A read may be repeated. So may a change with an idempotency key, which its source executes once
  (docs/upstreams/account.md, "Idempotency").
- Any other change may only be repeated if the source certainly did not execute the attempt: after a failed connection,
  after 429, and after a refusal that the source documents. A change that sets values is no exception: an attempt
  that arrives late would undo what another caller has changed in the meantime.
- After an attempt with an unknown outcome, only a success is definite. Every other end of the call is reported as the
  failure of that attempt, with `outcome: unknown`; also the refusal of a repetition, whose cause may be that the first
  attempt was executed.

The waits are those of tenacity's `wait_random_exponential` ("full jitter"). docs/decisions/circuit-and-pacing.md
explains why the rest of tenacity, and stamina, do not fit.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count

import orjson
from msgspec.structs import replace
from tenacity import AsyncRetrying, RetryCallState, wait_random_exponential

from gateway.calls import CallKind, WaitReason, current_calls
from gateway.errors import GatewayError, SourceTimeout, SourceUnavailable
from gateway.operation import current_deadline, uses_spare_budget
from gateway.sources.http.circuit import CircuitOpenError
from gateway.sources.http.errors import retry_after
from gateway.sources.http.exchange import Request, Response, Send
from gateway.sources.http.handover import has_unknown_outcome
from gateway.sources.http.observing import CallEvent, Observer, PipelineEvent, ignore_event

__all__ = [
    "SUCCESS",
    "BudgetSettings",
    "Result",
    "Retry",
    "RetryBudget",
    "RetrySettings",
    "full_jitter",
    "is_transient",
    "may_repeat",
]


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """Retries are at most the share `ratio` of the calls, plus `per_second` a second.

    Of those that calls permit, at most `max_saved` are kept for later.
    """

    ratio: float = 0.2
    per_second: float = 3.0
    max_saved: int = 50


class RetryBudget:
    """The retries that the process may make. There is one, passed to the pipelines of all sources."""

    def __init__(
        self,
        settings: BudgetSettings = BudgetSettings(),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._clock = clock
        # Counted in calls, not in retries, because sums of integers are exact.
        self._calls_per_retry = 1 / settings.ratio if settings.ratio else float("inf")
        self._max_calls = settings.max_saved * self._calls_per_retry
        self._calls = 0.0
        self._available = settings.per_second  # of the retries that depend on time alone
        self._updated_at = clock()

    def count_call(self) -> None:
        """Count a call; its retries are not counted."""
        calls = self._calls + 1
        self._calls = calls if calls < self._max_calls else self._max_calls  # noqa: FURB136 - CONTRIBUTING.md, "Speed"

    def try_spend(self) -> bool:
        """Take one retry from the budget; return False if there is none."""
        now = self._clock()
        per_second = self._settings.per_second
        self._available = min(per_second, self._available + (now - self._updated_at) * per_second)
        self._updated_at = now
        if self._calls >= self._calls_per_retry:
            self._calls -= self._calls_per_retry
            return True
        if self._available >= 1:
            self._available -= 1
            return True
        return False


Result = Response | GatewayError

_TRANSIENT = frozenset({429, 502, 503, 504})
# The methods of which the account source does not ignore the key (docs/upstreams/account.md, "Idempotency").
_WITH_KEY = frozenset({"POST", "PATCH"})
SUCCESS = range(200, 300)
_FAILURES = range(400, 600)


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """The maximum of attempts, including the first one, and times in seconds.

    The wait before the first retry is random, up to `first_wait`; this upper limit doubles with each retry, up to
    `max_wait`. There is no retry with less than `min_time` left after the wait.
    """

    attempts: int = 3
    first_wait: float = 0.1
    max_wait: float = 2.0
    min_time: float = 0.1


def is_transient(result: Result) -> bool:
    """Whether the same call may succeed shortly after. If the circuit refused it, it may not."""
    if isinstance(result, GatewayError):
        return isinstance(result, SourceUnavailable | SourceTimeout) and not isinstance(result, CircuitOpenError)
    return result.status in _TRANSIENT or (result.status in _FAILURES and _has_transient_flag(result.body))


def may_repeat(request: Request, result: Result) -> bool:
    """Whether sending the request again cannot execute a change twice with another effect than once."""
    if not request.writes:
        return True
    if request.method in _WITH_KEY and any(name.lower() == "idempotency-key" for name in request.headers):
        return True
    return not has_unknown_outcome(request, result)


def full_jitter(settings: RetrySettings) -> Callable[[int], float]:
    """Return a function from the number of the last attempt to a random wait in seconds."""
    wait = wait_random_exponential(multiplier=settings.first_wait, max=settings.max_wait)
    state = RetryCallState(AsyncRetrying(), None, (), {})

    def backoff(attempt: int) -> float:
        state.attempt_number = attempt
        return wait(state)

    return backoff


class Retry:
    """Repeats calls within the attempts, the deadline and the budget. A `Retry-After` replaces the backoff."""

    def __init__(
        self,
        settings: RetrySettings = RetrySettings(),
        *,
        budget: RetryBudget | None = None,
        backoff: Callable[[int], float] | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        observe: Observer = ignore_event,
    ) -> None:
        self._settings = settings
        self._budget = budget or RetryBudget()
        self.count_call = self._budget.count_call  # before the first attempt of a call
        self._backoff = backoff or full_jitter(settings)
        self._sleep = sleep
        self._observe = observe

    async def __call__(self, request: Request, send: Send) -> Response:
        self.count_call()
        return await self.go_on(request, await _attempt(request, send), send)

    async def go_on(self, request: Request, result: Result, send: Send) -> Response:
        """Return the response of a call after its first attempt had this result; `send` makes the others."""
        unknown: Result | None = None
        for attempt in count(1):
            if isinstance(result, Response) and result.status in SUCCESS:
                return result
            if has_unknown_outcome(request, result):
                unknown = result
            wait = self._wait(request, result, attempt)
            if wait is None:
                break
            self._observe(CallEvent.of(PipelineEvent.RETRY, request, seconds=wait))
            await self._sleep(wait)
            if (calls := current_calls.get()) is not None:
                calls.add(CallKind.WAITED, request.endpoint, None, wait, reason=WaitReason.BACKOFF)
            request = replace(request, kind=CallKind.RETRY, resends=request.resends + 1)
            result = await _attempt(request, send)
        try:
            if isinstance(final := unknown or result, GatewayError):
                raise final
            return final
        finally:
            del result, unknown, final  # an exception that its frame refers to is a reference cycle

    def _wait(self, request: Request, result: Result, attempt: int) -> float | None:
        """Return the seconds until the next attempt, or None if there is none."""
        if not is_transient(result):
            return None
        requested = retry_after(result.headers) if isinstance(result, Response) else result.retry_after
        wait = self._backoff(attempt) if requested is None else requested
        deadline = current_deadline.get()
        if not may_repeat(request, result):
            reason = "replay"
        elif attempt >= self._settings.attempts or uses_spare_budget.get():  # for which nobody waits
            reason = "attempts"
        elif wait + self._settings.min_time > (deadline.remaining() if deadline else math.nextafter(math.inf, 0)):
            reason = "deadline"
        elif not self._budget.try_spend():
            reason = "budget"
        else:
            return wait
        self._observe(CallEvent.of(PipelineEvent.GAVE_UP, request, detail=reason))
        return None


async def _attempt(request: Request, send: Send) -> Result:
    try:
        return await send(request)
    except GatewayError as error:
        return error


def _has_transient_flag(body: bytes) -> bool:
    """Whether the error body has `is_transient: true` (docs/upstreams/account.md, "Errors")."""
    if b'"is_transient"' not in body:
        return False
    try:
        match orjson.loads(body):
            case {"error": {"is_transient": True}}:
                return True
    except orjson.JSONDecodeError:
        pass
    return False
