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
    Log,
    Source,
    answer,
    call,
    outcome,
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
from gateway.sources.http.handover import leaves_doubt
from gateway.sources.http.retry import (
    BudgetSettings,
    Retry,
    RetryBudget,
    RetrySettings,
    full_jitter,
    is_transient,
    may_replay,
)

TRANSIENT_BODY = {"error": {"code": "internal_error", "is_transient": True}}
IN_PROGRESS = answer(409, {"error": {"code": "idempotency_in_progress", "is_transient": True}})
OPEN = CircuitOpenError("open", retry_after=0.1)


def retry(**more: Any) -> Retry:
    return Retry(RetrySettings(), backoff=lambda attempt: attempt / 10, **more)


@pytest.mark.parametrize(
    ("result", "transient"),
    [
        (REFUSED, True),
        (SLOW, True),
        (OPEN, False),
        (RateLimited("ours"), False),
        (SourceInvalidResponse("garbage"), False),
        *((answer(status), True) for status in (429, 502, 503, 504)),
        *((answer(status), False) for status in (301, 400, 404, 408, 409, 499, 500, 501)),
        (answer(500, TRANSIENT_BODY), True),
        (answer(408, TRANSIENT_BODY), True),
        (IN_PROGRESS, True),
        (answer(500, {"error": {"is_transient": False}}), False),
        (answer(500, {"error": {"is_transient": "true"}}), False),
        (answer(500, ["is_transient"]), False),
        (Response(500, {}, b'{"is_transient": tru'), False),
        (answer(200, TRANSIENT_BODY), False),
    ],
)
def test_transient(result: Response | GatewayError, *, transient: bool) -> None:
    """Failed connections, timeouts, 429, 502, 503, 504 and the account API's word are transient; nothing else is."""
    assert is_transient(result) is transient


@pytest.mark.parametrize(
    ("request_", "allowed"),
    [
        (READ, {"refused", "lost", "slow", "429", "502", "503", "504", "409"}),
        (KEYED, {"refused", "lost", "slow", "429", "502", "503", "504", "409"}),
        (call("PATCH", idempotency_key="k"), {"refused", "lost", "slow", "429", "502", "503", "504", "409"}),
        (SETS, {"refused", "lost", "slow", "429", "503"}),
        (call("PATCH"), {"refused", "lost", "slow", "429", "503"}),
        (BARE, {"refused", "429", "503"}),
        (call("DELETE", Idempotency_Key="ignored"), {"refused", "429", "503"}),
    ],
)
def test_replay(request_: Request, allowed: set[str]) -> None:
    """Reads and keyed writes may be sent again; set values after a lost connection; else what was not carried out."""
    results = {"refused": REFUSED, "lost": LOST, "slow": SLOW, "409": IN_PROGRESS}
    results |= {str(status): answer(status) for status in (429, 502, 503, 504)}
    assert {name for name, result in results.items() if may_replay(request_, result)} == allowed


@pytest.mark.parametrize(
    ("request_", "answers", "calls"),
    [
        (READ, [answer(503), READ_LOST, OK], 3),
        (KEYED, [LOST, IN_PROGRESS, OK], 3),
        (KEYED, [answer(500, TRANSIENT_BODY), OK], 2),
        (SETS, [LOST, answer(503), OK], 3),
        (SETS, [SLOW, OK], 2),
        (BARE, [REFUSED, OK], 2),
    ],
)
def test_success_in_the_end(request_: Request, answers: list[Any], calls: int) -> None:
    """A success settles whatever happened before."""

    async def scenario() -> None:
        source = Source(*answers)
        assert await outcome(retry(), request_, source) is OK
        assert source.count == calls

    run(scenario())


@pytest.mark.parametrize(
    ("request_", "answers", "told", "calls"),
    [
        (READ, [answer(503)], 0, 3),
        (READ, [answer(404)], 0, 1),
        (READ, [answer(500)], 0, 1),
        (READ, [answer(503), OPEN], 1, 2),
        (SETS, [answer(502)], 0, 1),
        (BARE, [LOST], 0, 1),
        (KEYED, [LOST, answer(429)], 0, 3),
        (SETS, [LOST, answer(404)], 0, 2),
        (SETS, [LOST, answer(301)], 0, 2),
        (SETS, [LOST, RateLimited("no time")], 0, 2),
        (SETS, [LOST, OPEN], 0, 2),
        (SETS, [answer(503), LOST, REFUSED], 1, 3),
        (KEYED, [answer(502), answer(503)], 0, 3),
        (SETS, [answer(429), answer(400)], 1, 2),
        (SETS, [REFUSED, answer(400)], 1, 2),
    ],
)
def test_failure_in_the_end(request_: Request, answers: list[Any], told: int, calls: int) -> None:
    """The last failure is told, but for one that left a change in doubt: that one stays."""

    async def scenario() -> None:
        source = Source(*answers)
        result = await outcome(retry(), request_, source)
        assert result is answers[told]
        assert source.count == calls

    run(scenario())


FAILURES = [REFUSED, LOST, SLOW, OPEN, IN_PROGRESS, *(answer(s) for s in (301, 400, 404, 429, 500, 502, 503, 504))]


@given(st.sampled_from([READ, KEYED, SETS, BARE]), st.lists(st.sampled_from([*FAILURES, OK]), min_size=1))
def test_doubt(request_: Request, answers: list[Any]) -> None:
    """Whatever comes after it, an attempt that left doubt is not told as anything else, and doubt is not made up."""

    async def scenario() -> None:
        source = Source(*answers)
        result = await outcome(retry(), request_, source)
        given_ = [*answers, *[answers[-1]] * 3][: source.count]
        doubt = [one for one in given_ if leaves_doubt(request_, one)]
        assert result is OK if given_[-1] is OK else leaves_doubt(request_, result) is bool(doubt)

    run(scenario())


@pytest.mark.parametrize(
    ("first", "waited"),
    [
        (answer(429, Retry_After="3"), 3.0),
        (answer(503, Retry_After="0"), 0.0),
        (answer(503, Retry_After="soon"), 0.1),
        (SourceUnavailable("later", retry_after=2.0), 2.0),
        (answer(503), 0.1),
    ],
)
def test_waits(first: Any, waited: float) -> None:
    """A wait that the source asks for wins over the backoff."""

    async def scenario() -> None:
        source, log = Source(first, OK), Log()
        await retry(observe=log)(READ, source)
        assert source.sent[1][0] - source.sent[0][0] == pytest.approx(waited)
        assert [(one.happening, one.seconds) for one in log.events] == [("retry", waited)]

    run(scenario())


@pytest.mark.parametrize(
    ("first", "calls", "told"),
    [
        (answer(429, Retry_After="5"), 1, ["gave_up:deadline"]),
        (answer(429, Retry_After="9" * 400), 1, ["gave_up:deadline"]),
        (answer(429, Retry_After="3"), 2, ["retry"]),
        ((3.85, SLOW), 1, ["gave_up:deadline"]),
        ((3.0, SLOW), 2, ["retry"]),
    ],
)
def test_time(first: Any, calls: int, told: list[str]) -> None:
    """What does not fit into the time that is left is given up at once."""

    async def scenario() -> None:
        source, log = Source(first, OK), Log()
        with operation(timeout=4.0, clock=clock):
            begun = clock()
            result = await outcome(retry(observe=log), SETS, source)
            assert clock() - begun < 4
        assert (source.count, log.told) == (calls, told)
        if isinstance(result, SourceTimeout):
            assert result.outcome is Outcome.UNKNOWN

    run(scenario())


@pytest.mark.parametrize(("request_", "first", "why"), [(READ, answer(503), "attempts"), (SETS, answer(502), "replay")])
def test_says_why(request_: Request, first: Response, why: str) -> None:
    """Giving up on a transient failure is told with its reason."""

    async def scenario() -> None:
        log = Log()
        await retry(observe=log)(request_, Source(first))
        assert log.told[-1] == f"gave_up:{why}"

    run(scenario())


def test_endless_wait() -> None:
    """A wait without end is no wait, also where there is no deadline."""

    async def scenario() -> None:
        source = Source(answer(429, Retry_After="9" * 400))
        await retry()(READ, source)
        assert source.count == 1

    run(scenario())


@given(st.integers(1, 50), st.floats(0.001, 1), st.floats(0.001, 10))
def test_full_jitter(attempt: int, first: float, longest: float) -> None:
    """The backoff is anything up to an upper end, which doubles and is capped."""
    backoff = full_jitter(RetrySettings(first_wait=first, longest_wait=longest))
    assert 0 <= backoff(attempt) <= min(longest, first * 2 ** (attempt - 1)) * (1 + 1e-9)


def test_spreads() -> None:
    """Two callers do not wait equally long."""
    assert len({full_jitter(RetrySettings())(3) for _ in range(20)}) > 10


def test_cancelled() -> None:
    """A caller who leaves during the wait ends the retries."""

    async def scenario() -> None:
        source = Source(answer(503))
        task = asyncio.ensure_future(Retry(backoff=lambda _: 5.0)(READ, source))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert source.count == 1

    run(scenario())


def test_shared_budget() -> None:
    """Two sources' retries spend one budget; without it the first failure is the answer."""

    async def scenario() -> None:
        budget, log = RetryBudget(BudgetSettings(floor=1), clock=clock), Log()
        one, other = (retry(budget=budget, observe=log) for _ in range(2))
        assert (await one(READ, Source(answer(503), OK))).status == 200
        assert (await other(READ, Source(answer(503), OK))).status == 503
        assert log.told == ["retry", "gave_up:budget"]

    run(scenario())


@given(
    st.sampled_from([0.0, 0.1, 0.2, 0.25, 1.0]),
    st.integers(0, 5),
    st.integers(0, 20),
    st.lists(st.one_of(st.sampled_from(["call", "retry", "retry"]), st.floats(0, 3)), max_size=400),
)
def test_budget(ratio: float, floor: int, most: int, history: list[str | float]) -> None:
    """In no history are there more retries than the share of the calls and the floor of the time allow."""
    now, calls, retries = 0.0, 0, 0
    budget = RetryBudget(BudgetSettings(ratio, floor, most), clock=lambda: now)
    for event in history:
        if event == "call":
            budget.called()
            calls += 1
        elif event == "retry":
            retries += budget.spend()
        elif isinstance(event, float):
            now += event
        assert retries <= ratio * calls + floor * (1 + now) + 1e-6


def test_savings() -> None:
    """A long calm saves up no storm."""
    budget = RetryBudget(BudgetSettings(floor=0, most=10), clock=lambda: 0.0)
    for _ in range(10_000):
        budget.called()
    assert sum(budget.spend() for _ in range(100)) == 10


def test_share() -> None:
    """Of calls that all fail, a fifth is tried again."""
    budget = RetryBudget(BudgetSettings(floor=0), clock=lambda: 0.0)
    retries = 0
    for _ in range(1000):
        budget.called()
        retries += budget.spend()
    assert retries == 200
