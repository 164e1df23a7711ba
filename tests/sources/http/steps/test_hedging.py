import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources.http.steps.fakes import KEYED, OK, READ, READ_LOST, Log, Source, answer, outcome
from sources.http.steps.virtual import clock, run

from gateway.errors import GatewayError
from gateway.sources.http.exchange import Request
from gateway.sources.http.hedging import Hedging, HedgingSettings

SECOND = answer(200, {"second": True})


async def seasoned(*, may: bool = True, **more: Any) -> Hedging:
    """Has seen twenty answers of a second each."""
    step = Hedging(HedgingSettings(), may=lambda _: may, clock=clock, **more)
    for _ in range(20):
        await step(READ, Source((1.0, OK)))
    return step


@pytest.mark.parametrize(
    ("first", "second", "given_", "took", "calls"),
    [
        ((0.5, OK), (1.0, SECOND), OK, 0.5, 1),
        ((5.0, OK), (1.0, SECOND), SECOND, 2.0, 2),
        ((1.5, OK), (1.0, SECOND), OK, 1.5, 2),
        ((5.0, OK), (1.0, answer(503)), OK, 5.0, 2),
        ((5.0, OK), (1.0, READ_LOST), OK, 5.0, 2),
        ((1.5, READ_LOST), (1.0, SECOND), SECOND, 2.0, 2),
        ((1.5, READ_LOST), (1.0, answer(503)), READ_LOST, 2.0, 2),
        ((0.5, READ_LOST), (1.0, SECOND), READ_LOST, 0.5, 1),
        ((5.0, OK), (1.0, answer(404)), 404, 2.0, 2),
    ],
)
def test_first_good_one(first: Any, second: Any, given_: Any, took: float, calls: int) -> None:
    """The first good answer is given and the other call ended; without a good one, the first call's failure."""

    async def scenario() -> None:
        step, source = await seasoned(), Source(first, second)
        begun = clock()
        result = await outcome(step, READ, source)
        assert result is given_ or getattr(result, "status", None) == given_
        assert (clock() - begun, source.count) == (pytest.approx(took), calls)

    run(scenario())


def test_told() -> None:
    """A hedge and its win are told."""

    async def scenario() -> None:
        log = Log()
        step = await seasoned(observe=log)
        await step(READ, Source((5.0, OK), SECOND))
        assert log.told == ["hedged", "hedge_won"]

    run(scenario())


@pytest.mark.parametrize(("may", "request_"), [(False, READ), (True, KEYED)])
def test_not_hedged(request_: Request, *, may: bool) -> None:
    """Nothing is sent twice without leave, and no write ever."""

    async def scenario() -> None:
        step, source = await seasoned(may=may), Source((5.0, OK))
        assert await step(request_, source) is OK
        assert source.count == 1

    run(scenario())


def test_delay() -> None:
    """The delay is the p95 of what was seen lately, once enough was; a lost first call counts as slow, not as quick."""

    async def scenario() -> None:
        step = Hedging(HedgingSettings(sample=100), may=lambda _: True, clock=clock)
        for number in range(19):
            await step(READ, Source((number + 1, OK)))
        assert step.delay is None
        for number in range(20, 101):
            await step(READ, Source((min(number, 18), OK)))
        assert step.delay == 18
        for _ in range(100):
            await step(READ, Source((0.001, OK)))
        assert step.delay == 0.01
        before = list(step._seconds)
        await step(READ, Source((5.0, OK), OK))
        assert step._seconds[-1] >= before[-1]

    run(scenario())


@given(st.floats(0, 3), st.floats(0, 3), st.floats(0.1, 4))
def test_cancelled(first: float, second: float, leaves: float) -> None:
    """Whenever the caller leaves, no call is left running."""

    async def scenario() -> None:
        step = await seasoned()
        source = Source((first, OK), (second, SECOND))
        task = asyncio.ensure_future(outcome(step, READ, source))
        await asyncio.wait([task], timeout=leaves)
        task.cancel()
        result = (await asyncio.gather(task, return_exceptions=True))[0]
        assert not isinstance(result, GatewayError)

    run(scenario())
