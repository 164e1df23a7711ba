"""Sends a call again after a transient failure, where that is allowed: two decisions, kept apart.

Rules (issue 4, Retry; account.md 6, 7 and 9; field-notes.md 0.1 and 0.11):

- Transient: a connection that failed, a timeout, 429, 502, 503, 504, and a body with `is_transient: true`.
- Reads may be replayed; so may a write under an idempotency key, which its source carries out once.
- Other writes set values (PUT, PATCH), so a replay gives the same record: after a connection error, a
  timeout, 429 or 503. Anything else only where it is known that nothing was carried out.
- Once an attempt's outcome was unknown, only a success settles it: every other end is reported as that
  attempt's failure, `outcome: unknown`. Also a refusal of the replay: it may be about what the first did.

The waits are tenacity's `wait_random_exponential` ("full jitter"). Its control flow does not fit: it
knows one decision, not two, puts every outcome, cancellation too, into a Future, and cannot report an
earlier attempt than the last. stamina, built on it, has no full jitter and looks at exceptions only;
here 429 and 503 are answers.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count

import orjson
from tenacity import AsyncRetrying, RetryCallState, wait_random_exponential

from gateway.errors import GatewayError, SourceTimeout, SourceUnavailable
from gateway.operation import current_deadline
from gateway.sources.http.circuit import CircuitOpenError
from gateway.sources.http.errors import retry_after
from gateway.sources.http.exchange import Request, Response, Send
from gateway.sources.http.handover import leaves_doubt
from gateway.sources.http.observing import CallEvent, Observer, PipelineEvent, unobserved

__all__ = [
    "BudgetSettings",
    "Result",
    "Retry",
    "RetryBudget",
    "RetrySettings",
    "full_jitter",
    "is_transient",
    "may_replay",
]


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """`ratio` of the calls and `floor` a second; at most `most` can be saved up from the calls."""

    ratio: float = 0.2
    floor: float = 3.0
    most: int = 50


class RetryBudget:
    """One for the process: made once and given to the pipeline of every source."""

    def __init__(
        self,
        settings: BudgetSettings = BudgetSettings(),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._clock = clock
        # Counted in calls, not in retries: sums of whole numbers are exact.
        self._price = 1 / settings.ratio if settings.ratio else float("inf")
        self._most = settings.most * self._price
        self._calls = 0.0
        self._floor = settings.floor
        self._at = clock()

    def called(self) -> None:
        """A call was made that is no retry."""
        self._calls = min(self._calls + 1, self._most)

    def spend(self) -> bool:
        """Whether one more try is within the budget; if so it is taken from it."""
        now = self._clock()
        self._floor = min(self._settings.floor, self._floor + (now - self._at) * self._settings.floor)
        self._at = now
        if self._calls >= self._price:
            self._calls -= self._price
            return True
        if self._floor >= 1:
            self._floor -= 1
            return True
        return False


Result = Response | GatewayError

_TRANSIENT = frozenset({429, 502, 503, 504})
_NOT_CARRIED_OUT = frozenset({429, 503})
_SETS_VALUES = frozenset({"PUT", "PATCH"})
_KEYED = frozenset({"POST", "PATCH"})  # the account API ignores a key on any other method (account.md, 6)
_SUCCESS = range(200, 300)
_FAILURES = range(400, 600)


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """Tries in all; in seconds the upper end of the first wait, which doubles, its cap, and the time a try needs."""

    attempts: int = 3
    first_wait: float = 0.1
    longest_wait: float = 2.0
    least_time: float = 0.1


def is_transient(result: Result) -> bool:
    """Whether the same call may succeed in a moment. A refusal of our own is not: its reason stays."""
    if isinstance(result, GatewayError):
        return isinstance(result, SourceUnavailable | SourceTimeout) and not isinstance(result, CircuitOpenError)
    return result.status in _TRANSIENT or (result.status in _FAILURES and _says_transient(result.body))


def may_replay(request: Request, result: Result) -> bool:
    """Whether sending it again cannot do anything twice."""
    if not request.writes:
        return True
    if request.method in _KEYED and any(name.lower() == "idempotency-key" for name in request.headers):
        return True
    if isinstance(result, GatewayError):
        return request.method in _SETS_VALUES or not leaves_doubt(request, result)
    return result.status in _NOT_CARRIED_OUT


def full_jitter(settings: RetrySettings) -> Callable[[int], float]:
    """Seconds to wait after the n-th attempt: anything up to an upper end that doubles."""
    wait = wait_random_exponential(multiplier=settings.first_wait, max=settings.longest_wait)
    state = RetryCallState(AsyncRetrying(), None, (), {})

    def backoff(attempt: int) -> float:
        state.attempt_number = attempt
        return wait(state)

    return backoff


class Retry:
    """Tries again within the attempts, the time and the process's budget; `Retry-After` wins over the backoff."""

    def __init__(
        self,
        settings: RetrySettings = RetrySettings(),
        *,
        budget: RetryBudget | None = None,
        backoff: Callable[[int], float] | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        observe: Observer = unobserved,
    ) -> None:
        self._settings = settings
        self._budget = budget or RetryBudget()
        self._backoff = backoff or full_jitter(settings)
        self._sleep = sleep
        self._observe = observe

    async def __call__(self, request: Request, send: Send) -> Response:
        self._budget.called()
        doubtful: Result | None = None
        for attempt in count(1):
            result = await _tried(request, send)
            if isinstance(result, Response) and result.status in _SUCCESS:
                return result
            if leaves_doubt(request, result):
                doubtful = result
            wait = self._wait(request, result, attempt)
            if wait is None:
                break
            self._observe(CallEvent.of(PipelineEvent.RETRY, request, seconds=wait))
            await self._sleep(wait)
        try:
            if isinstance(told := doubtful or result, GatewayError):
                raise told
            return told
        finally:
            del result, doubtful, told  # an exception in its own frame is a cycle

    def _wait(self, request: Request, result: Result, attempt: int) -> float | None:
        """Seconds until the next try, or None where there is to be none."""
        if not is_transient(result):
            return None
        asked = retry_after(result.headers) if isinstance(result, Response) else result.retry_after
        wait = self._backoff(attempt) if asked is None else asked
        deadline = current_deadline.get()
        if not may_replay(request, result):
            why = "replay"
        elif attempt >= self._settings.attempts:
            why = "attempts"
        elif wait + self._settings.least_time > (deadline.remaining() if deadline else math.nextafter(math.inf, 0)):
            why = "deadline"
        elif not self._budget.spend():
            why = "budget"
        else:
            return wait
        self._observe(CallEvent.of(PipelineEvent.GAVE_UP, request, detail=why))
        return None


async def _tried(request: Request, send: Send) -> Result:
    try:
        return await send(request)
    except GatewayError as error:
        return error


def _says_transient(body: bytes) -> bool:
    """The account API's own word (account.md, 7)."""
    if b'"is_transient"' not in body:
        return False
    try:
        match orjson.loads(body):
            case {"error": {"is_transient": True}}:
                return True
    except orjson.JSONDecodeError:
        pass
    return False
