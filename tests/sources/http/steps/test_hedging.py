import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources.http.steps.fakes import KEYED, OK, READ, READ_LOST, Log, Source, outcome, response, spare
from sources.http.steps.virtual import clock, run

from gateway.errors import GatewayError
from gateway.sources.http.exchange import Request
from gateway.sources.http.hedging import Hedging, HedgingSettings

SECOND = response(200, {"second": True})


def second(request: Request, send: Any) -> asyncio.Task[Any]:
    """Send the second request, without a limit."""
    return asyncio.get_running_loop().create_task(send(request))


async def hedging_step(*, allow: bool = True, **more: Any) -> Hedging:
    """Return the step after twenty responses of a second each."""
    step = Hedging(HedgingSettings(), try_second=second if allow else lambda *_: None, clock=clock, **more)
    for _ in range(20):
        await step(READ, Source((1.0, OK)))
    return step


@pytest.mark.parametrize(
    ("first", "second", "expected", "took", "calls"),
    [
        ((0.5, OK), (1.0, SECOND), OK, 0.5, 1),
        ((5.0, OK), (1.0, SECOND), SECOND, 2.0, 2),
        ((1.5, OK), (1.0, SECOND), OK, 1.5, 2),
        ((5.0, OK), (1.0, response(503)), OK, 5.0, 2),
        ((5.0, OK), (1.0, READ_LOST), OK, 5.0, 2),
        ((1.5, READ_LOST), (1.0, SECOND), SECOND, 2.0, 2),
        ((1.5, READ_LOST), (1.0, response(503)), READ_LOST, 2.0, 2),
        ((0.5, READ_LOST), (1.0, SECOND), READ_LOST, 0.5, 1),
        ((5.0, OK), (1.0, response(404)), 404, 2.0, 2),
    ],
)
def test_first_good_response(first: Any, second: Any, expected: Any, took: float, calls: int) -> None:
    """The first good response is returned and the other request cancelled; without one, the first failure is raised."""

    async def scenario() -> None:
        step, source = await hedging_step(), Source(first, second)
        started = clock()
        result = await outcome(step, READ, source)
        assert result is expected or getattr(result, "status", None) == expected
        assert (clock() - started, source.count) == (pytest.approx(took), calls)

    run(scenario())


def test_events() -> None:
    """A second request, and the use of its response, are reported."""

    async def scenario() -> None:
        log = Log()
        step = await hedging_step(observe=log)
        await step(READ, Source((5.0, OK), SECOND))
        assert log.names == ["hedged", "hedge_won"]

    run(scenario())


@pytest.mark.parametrize(("allow", "request_"), [(False, READ), (True, KEYED)])
def test_not_hedged(request_: Request, *, allow: bool) -> None:
    """Nothing is sent twice unless it is allowed, and a change never."""

    async def scenario() -> None:
        step, source = await hedging_step(allow=allow), Source((5.0, OK))
        assert await step(request_, source) is OK
        assert source.count == 1

    run(scenario())


def test_delay() -> None:
    """The delay is the p95 of recent responses, once there are enough; a request that lost counts as slow."""

    async def scenario() -> None:
        step = Hedging(HedgingSettings(sample_size=100), try_second=second, clock=clock)
        for number in range(19):
            await step(READ, Source((number + 1, OK)))
        assert step.delay is None
        for number in range(20, 101):
            await step(READ, Source((min(number, 18), OK)))
        assert step.delay == 18
        for _ in range(100):
            await step(READ, Source((0.001, OK)))
        assert step.delay == 0.01
        before = list(step._durations)
        await step(READ, Source((5.0, OK), OK))
        assert step._durations[-1] >= before[-1]

    run(scenario())


@given(st.floats(0, 3), st.floats(0, 3), st.floats(0.1, 4))
def test_cancelled(first: float, second: float, cancelled_at: float) -> None:
    """Whenever the call is cancelled, no request remains running."""

    async def scenario() -> None:
        step = await hedging_step()
        source = Source((first, OK), (second, SECOND))
        task = asyncio.ensure_future(outcome(step, READ, source))
        await asyncio.wait([task], timeout=cancelled_at)
        task.cancel()
        result = (await asyncio.gather(task, return_exceptions=True))[0]
        assert not isinstance(result, GatewayError)

    run(scenario())


def test_spare() -> None:
    """A call that nobody waits for is not sent a second time."""

    async def scenario() -> None:
        step, source = await hedging_step(), Source((5.0, OK))
        assert await spare(step, READ, source) is OK
        assert source.count == 1

    run(scenario())
