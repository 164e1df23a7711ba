import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources.http.steps.fakes import (
    BARE,
    KEYED,
    LOST,
    OK,
    READ,
    READ_LOST,
    REFUSED,
    SETS,
    SLOW,
    UNAVAILABLE,
    Log,
    Source,
    call,
    outcome,
    response,
    spare,
)
from sources.http.steps.virtual import clock, run

from gateway.errors import (
    GatewayError,
    Outcome,
    RateLimited,
    SourceInvalidResponse,
    SourceTimeout,
    SourceUnavailable,
)
from gateway.operation import operation
from gateway.sources.http.circuit import CircuitOpenError
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.handover import has_unknown_outcome
from gateway.sources.http.retry import (
    BudgetSettings,
    Retry,
    RetryBudget,
    RetrySettings,
    full_jitter,
    is_transient,
    may_repeat,
)

TRANSIENT_BODY = {"error": {"code": "internal_error", "is_transient": True}}
IN_PROGRESS = response(409, {"error": {"code": "idempotency_in_progress", "is_transient": True}})
MISSING = response(404, {"error": {"code": "resource_not_found", "message": "Missing."}})
TAKEN = response(409, {"error": {"code": "resource_conflict", "message": "Taken."}})
OPEN = CircuitOpenError("open", retry_after=0.1)


def retry(**more: Any) -> Retry:
    return Retry(RetrySettings(), backoff=lambda attempt: attempt / 10, **more)


@pytest.mark.parametrize(
    ("result", "transient"),
    [
        (REFUSED, True),
        (SLOW, True),
        (OPEN, False),
        (RateLimited("by pacing"), False),
        (SourceInvalidResponse("garbage"), False),
        *((response(status), True) for status in (429, 502, 503, 504)),
        *((response(status), False) for status in (301, 400, 404, 408, 409, 499, 500, 501)),
        (response(500, TRANSIENT_BODY), True),
        (response(408, TRANSIENT_BODY), True),
        (IN_PROGRESS, True),
        (response(500, {"error": {"is_transient": False}}), False),
        (response(500, {"error": {"is_transient": "true"}}), False),
        (response(500, ["is_transient"]), False),
        (Response(500, {}, b'{"is_transient": tru'), False),
        (response(200, TRANSIENT_BODY), False),
    ],
)
def test_transient(result: Response | GatewayError, *, transient: bool) -> None:
    """Failed connections, timeouts, 429, 502, 503, 504 and a flag in the error body are transient, nothing else."""
    assert is_transient(result) is transient


EVERY_FAILURE = {"refused", "lost", "slow", "429", "502", "503", "504", "409", "unavailable"}


@pytest.mark.parametrize(
    ("request_", "allowed"),
    [
        (READ, EVERY_FAILURE),
        (KEYED, EVERY_FAILURE),
        (call("PATCH", idempotency_key="k"), EVERY_FAILURE),
        (SETS, {"refused", "429", "409", "unavailable"}),
        (call("PATCH"), {"refused", "429", "409", "unavailable"}),
        (BARE, {"refused", "429", "409", "unavailable"}),
        (call("DELETE", Idempotency_Key="ignored"), {"refused", "429", "409", "unavailable"}),
    ],
)
def test_may_repeat(request_: Request, allowed: set[str]) -> None:
    """Reads and changes with a key may be repeated; other changes only if the source certainly did not execute them."""
    results = {"refused": REFUSED, "lost": LOST, "slow": SLOW, "409": IN_PROGRESS, "unavailable": UNAVAILABLE}
    results |= {str(status): response(status) for status in (429, 502, 503, 504)}
    assert {name for name, result in results.items() if may_repeat(request_, result)} == allowed


@pytest.mark.parametrize(
    ("request_", "results", "calls"),
    [
        (READ, [response(503), READ_LOST, OK], 3),
        (KEYED, [LOST, IN_PROGRESS, OK], 3),
        (KEYED, [response(500, TRANSIENT_BODY), OK], 2),
        (SETS, [REFUSED, UNAVAILABLE, OK], 3),
        (SETS, [response(429), OK], 2),
        (BARE, [REFUSED, OK], 2),
    ],
)
def test_success_in_the_end(request_: Request, results: list[Any], calls: int) -> None:
    """A success is definite, whatever happened before."""

    async def scenario() -> None:
        source = Source(*results)
        assert await outcome(retry(), request_, source) is OK
        assert source.count == calls

    run(scenario())


@pytest.mark.parametrize(
    ("request_", "results", "expected", "calls"),
    [
        (READ, [response(503)], 0, 3),
        (READ, [response(404)], 0, 1),
        (READ, [response(500)], 0, 1),
        (READ, [response(503), OPEN], 1, 2),
        (SETS, [response(502)], 0, 1),
        (BARE, [LOST], 0, 1),
        (KEYED, [LOST, response(429)], 0, 3),
        (SETS, [LOST, OK], 0, 1),
        (SETS, [SLOW, OK], 0, 1),
        (SETS, [response(503), OK], 0, 1),
        (KEYED, [LOST, MISSING], 0, 2),
        (KEYED, [LOST, response(301)], 1, 2),
        (KEYED, [LOST, RateLimited("no time")], 0, 2),
        (KEYED, [LOST, OPEN], 0, 2),
        (KEYED, [response(503), TAKEN], 0, 2),
        (KEYED, [UNAVAILABLE, TAKEN], 1, 2),
        (KEYED, [UNAVAILABLE, LOST, REFUSED], 1, 3),
        (SETS, [UNAVAILABLE, LOST], 1, 2),
        (KEYED, [response(502), UNAVAILABLE], 0, 3),
        (SETS, [response(429), response(400)], 1, 2),
        (SETS, [REFUSED, response(400)], 1, 2),
    ],
)
def test_failure_in_the_end(request_: Request, results: list[Any], expected: int, calls: int) -> None:
    """The last failure is reported, unless an earlier one left the outcome unknown: then that one is."""

    async def scenario() -> None:
        source = Source(*results)
        result = await outcome(retry(), request_, source)
        assert result is results[expected]
        assert source.count == calls

    run(scenario())


FAILURES = [
    REFUSED,
    LOST,
    SLOW,
    OPEN,
    IN_PROGRESS,
    UNAVAILABLE,
    *(response(s) for s in (301, 400, 404, 429, 500, 502, 503, 504)),
]


@given(st.sampled_from([READ, KEYED, SETS, BARE]), st.lists(st.sampled_from([*FAILURES, OK]), min_size=1))
def test_unknown_outcome(request_: Request, results: list[Any]) -> None:
    """After an attempt with an unknown outcome the result of the call has one too, and only then."""

    async def scenario() -> None:
        source = Source(*results)
        result = await outcome(retry(), request_, source)
        received = [*results, *[results[-1]] * 3][: source.count]
        unknown = [failed for failed in received if has_unknown_outcome(request_, failed)]
        assert result is OK if received[-1] is OK else has_unknown_outcome(request_, result) is bool(unknown)

    run(scenario())


@pytest.mark.parametrize(
    ("first", "waited"),
    [
        (response(429, Retry_After="3"), 3.0),
        (response(503, Retry_After="0"), 0.0),
        (response(503, Retry_After="soon"), 0.1),
        (SourceUnavailable("later", retry_after=2.0), 2.0),
        (response(503), 0.1),
    ],
)
def test_waits(first: Any, waited: float) -> None:
    """A wait that the source requests replaces the backoff."""

    async def scenario() -> None:
        source, log = Source(first, OK), Log()
        await retry(observe=log)(READ, source)
        assert source.sent[1][0] - source.sent[0][0] == pytest.approx(waited)
        assert [(event.event, event.seconds) for event in log.events] == [("retry", waited)]

    run(scenario())


@pytest.mark.parametrize(
    ("first", "calls", "expected"),
    [
        (response(429, Retry_After="5"), 1, ["gave_up:deadline"]),
        (response(429, Retry_After="9" * 400), 1, ["gave_up:deadline"]),
        (response(429, Retry_After="3"), 2, ["retry"]),
        ((3.85, SLOW), 1, ["gave_up:deadline"]),
        ((3.0, SLOW), 2, ["retry"]),
    ],
)
def test_time(first: Any, calls: int, expected: list[str]) -> None:
    """If the wait does not fit into the time that is left, the call ends at once."""

    async def scenario() -> None:
        source, log = Source(first, OK), Log()
        with operation(timeout=4.0, clock=clock):
            started = clock()
            result = await outcome(retry(observe=log), KEYED, source)
            assert clock() - started < 4
        assert (source.count, log.names) == (calls, expected)
        if isinstance(result, SourceTimeout):
            assert result.outcome is Outcome.UNKNOWN

    run(scenario())


@pytest.mark.parametrize(
    ("request_", "first", "reason"), [(READ, response(503), "attempts"), (SETS, response(502), "replay")]
)
def test_reason(request_: Request, first: Response, reason: str) -> None:
    """The end of attempts after a transient failure is reported with its reason."""

    async def scenario() -> None:
        log = Log()
        await retry(observe=log)(request_, Source(first))
        assert log.names[-1] == f"gave_up:{reason}"

    run(scenario())


def test_endless_wait() -> None:
    """An infinite wait is never begun, even without a deadline."""

    async def scenario() -> None:
        source = Source(response(429, Retry_After="9" * 400))
        await retry()(READ, source)
        assert source.count == 1

    run(scenario())


@given(st.integers(1, 50), st.floats(0.001, 1), st.floats(0.001, 10))
def test_full_jitter(attempt: int, first_wait: float, max_wait: float) -> None:
    """The backoff is random, up to a limit that doubles and has a maximum."""
    backoff = full_jitter(RetrySettings(first_wait=first_wait, max_wait=max_wait))
    assert 0 <= backoff(attempt) <= min(max_wait, first_wait * 2 ** (attempt - 1)) * (1 + 1e-9)


def test_jitter_differs() -> None:
    """Different callers wait for different times."""
    assert len({full_jitter(RetrySettings())(3) for _ in range(20)}) > 10


def test_cancelled() -> None:
    """A call that is cancelled during the wait is not repeated."""

    async def scenario() -> None:
        source = Source(response(503))
        task = asyncio.ensure_future(Retry(backoff=lambda _: 5.0)(READ, source))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert source.count == 1

    run(scenario())


def test_shared_budget() -> None:
    """The retries of several sources take from one budget; when it is empty the first failure is returned."""

    async def scenario() -> None:
        budget, log = RetryBudget(BudgetSettings(per_second=1), clock=clock), Log()
        first, second = (retry(budget=budget, observe=log) for _ in range(2))
        assert (await first(READ, Source(response(503), OK))).status == 200
        assert (await second(READ, Source(response(503), OK))).status == 503
        assert log.names == ["retry", "gave_up:budget"]

    run(scenario())


@given(
    st.sampled_from([0.0, 0.1, 0.2, 0.25, 1.0]),
    st.integers(0, 5),
    st.integers(0, 20),
    st.lists(st.one_of(st.sampled_from(["call", "retry", "retry"]), st.floats(0, 3)), max_size=400),
)
def test_budget(ratio: float, per_second: int, max_saved: int, history: list[str | float]) -> None:
    """In no history are there more retries than the share of the calls and the rate by time allow."""
    now, calls, retries = 0.0, 0, 0
    budget = RetryBudget(BudgetSettings(ratio, per_second, max_saved), clock=lambda: now)
    for event in history:
        if event == "call":
            budget.count_call()
            calls += 1
        elif event == "retry":
            retries += budget.try_spend()
        elif isinstance(event, float):
            now += event
        assert retries <= ratio * calls + per_second * (1 + now) + 1e-6


def test_savings() -> None:
    """The retries that many calls permit are saved only up to a maximum."""
    budget = RetryBudget(BudgetSettings(per_second=0, max_saved=10), clock=lambda: 0.0)
    for _ in range(10_000):
        budget.count_call()
    assert sum(budget.try_spend() for _ in range(100)) == 10


def test_share() -> None:
    """Of calls that all fail, a fifth is repeated."""
    budget = RetryBudget(BudgetSettings(per_second=0), clock=lambda: 0.0)
    retries = 0
    for _ in range(1000):
        budget.count_call()
        retries += budget.try_spend()
    assert retries == 200


def test_spare() -> None:
    """A call that nobody waits for is not repeated."""

    async def scenario() -> None:
        for failed in (UNAVAILABLE, READ_LOST, response(429)):
            source = Source(failed, OK)
            assert await spare(Retry(RetrySettings(attempts=3)), READ, source) is failed
            assert source.count == 1

    run(scenario())
