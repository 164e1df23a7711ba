import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources.http.steps.fakes import BARE, LOST, OK, READ, SLOW, Log, Source, outcome, response, spare, through
from sources.http.steps.virtual import clock, run

from gateway.errors import RateLimited, SourceInvalidResponse, SourceUnavailable
from gateway.sources.http.circuit import Circuit, CircuitOpenError, CircuitSettings, CircuitState
from gateway.sources.http.deadline import WithinDeadline
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.handover import Handover

SETTINGS = CircuitSettings(window=10, slices=10, min_calls=4, ratio=0.5, open_for=5, probes=2, successes=2)


def circuit(**more: Any) -> Circuit:
    return Circuit(SETTINGS, clock=clock, **more)


async def feed(step: Circuit, *results: Any) -> None:
    for result in results:
        await outcome(step, READ, Source(result))


@pytest.mark.parametrize(
    ("result", "counts"),
    [
        (LOST, True),
        (SLOW, True),
        (response(500), True),
        (response(503), True),
        (OK, False),
        (response(404), False),
        (response(429), False),
        (RateLimited("by pacing"), False),
        (SourceInvalidResponse("garbage"), False),
    ],
)
def test_counts(result: Any, *, counts: bool) -> None:
    """Timeouts, failed connections and 5xx count as failures; 4xx, 429 and refusals by pacing do not."""

    async def scenario() -> None:
        step = circuit()
        await feed(step, *[result] * 4)
        assert (step.state is CircuitState.OPEN) is counts

    run(scenario())


def test_threshold() -> None:
    """It opens when half of the calls failed, and only after the minimum of calls."""

    async def scenario() -> None:
        step = circuit()
        await feed(step, LOST, LOST, LOST)
        assert step.state is CircuitState.CLOSED
        step = circuit()
        await feed(step, OK, OK, OK, LOST, LOST)
        assert step.state is CircuitState.CLOSED
        await feed(step, LOST)
        assert step.state is CircuitState.OPEN

    run(scenario())


def test_rolling_window() -> None:
    """Failures older than the window do not count."""

    async def scenario() -> None:
        step = circuit()
        await feed(step, LOST, LOST, LOST)
        await asyncio.sleep(10.5)
        await feed(step, LOST)
        assert step.state is CircuitState.CLOSED

    run(scenario())


def test_open() -> None:
    """While it is open nothing is sent; the exception has a `retry_after` and no unknown outcome."""

    async def scenario() -> None:
        log, source = Log(), Source()
        step = circuit(observe=log)
        await feed(step, *[LOST] * 4)
        await asyncio.sleep(2)
        error = await outcome(step, BARE, source)
        assert isinstance(error, SourceUnavailable)
        assert (error.retry_after, error.outcome, error.retryable, source.count) == (3.0, None, True, 0)
        assert log.names == ["opened", "refused:circuit"]

    run(scenario())


def test_closes() -> None:
    """After its open time it closes when enough probes succeed."""

    async def scenario() -> None:
        log = Log()
        step = circuit(observe=log)
        await feed(step, *[LOST] * 4)
        await asyncio.sleep(5)
        states = [step.state]
        await feed(step, OK)
        states.append(step.state)
        await feed(step, response(404))
        states.append(step.state)
        assert states == [CircuitState.HALF_OPEN, CircuitState.HALF_OPEN, CircuitState.CLOSED]
        assert log.names == ["opened", "closed"]

    run(scenario())


def test_failed_probe() -> None:
    """A failed probe opens it for its full time again."""

    async def scenario() -> None:
        step = circuit()
        await feed(step, *[LOST] * 4)
        await asyncio.sleep(5)
        await feed(step, OK, LOST)
        assert step.state is CircuitState.OPEN
        await asyncio.sleep(4.9)
        assert step.state is CircuitState.OPEN

    run(scenario())


def test_probes_at_once() -> None:
    """Half open, it lets a limited number of probes through at once; a cancelled probe makes room for another."""

    async def scenario() -> None:
        step, source = circuit(), Source((60.0, OK))
        await feed(step, *[LOST] * 4)
        await asyncio.sleep(5)
        tasks = [asyncio.ensure_future(outcome(step, READ, source)) for _ in range(10)]
        await asyncio.sleep(0)
        assert source.count == 2
        tasks[0].cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert isinstance(await outcome(step, READ, Source()), Response)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(result, CircuitOpenError) for result in results) == 8

    run(scenario())


def test_late_results() -> None:
    """Results of calls from before it opened neither close it nor keep it open."""

    async def scenario() -> None:
        step = circuit()
        late = [asyncio.ensure_future(outcome(step, READ, Source((6.0, result)))) for result in (OK, OK, *[LOST] * 5)]
        await asyncio.sleep(0)
        await feed(step, *[LOST] * 4)
        await asyncio.gather(*late)
        assert step.state is CircuitState.HALF_OPEN
        await feed(step, OK)
        assert step.state is CircuitState.HALF_OPEN

    run(scenario())


def test_late_probe() -> None:
    """A probe that ends after its half-open period makes no room for a probe of the next one."""

    async def scenario() -> None:
        step, slow = circuit(), Source((60.0, OK))
        await feed(step, *[LOST] * 4)
        await asyncio.sleep(5)
        late = asyncio.ensure_future(outcome(step, READ, Source((7.0, OK))))
        await asyncio.sleep(0)
        await feed(step, LOST)
        await asyncio.sleep(8)
        assert (await late, step.state) == (OK, CircuitState.HALF_OPEN)
        await asyncio.gather(*(outcome(step, READ, slow) for _ in range(5)))
        assert slow.count == SETTINGS.probes

    run(scenario())


@pytest.mark.parametrize(("timeout", "counts"), [(2.0, True), (0.5, False)])
def test_short_deadline(timeout: float, *, counts: bool) -> None:
    """A call that its deadline stopped counts as failed only if the source had it long enough."""

    async def scenario() -> None:
        step = circuit()
        send = through([WithinDeadline(timeout, clock=clock), step, Handover(clock=clock)], Source((60.0, OK)))
        for _ in range(4):
            await outcome(lambda request, _: send(request), READ, None)
        assert (step.state is CircuitState.OPEN) is counts

    run(scenario())


def test_cancelled() -> None:
    """A call that its caller cancelled does not count."""

    async def scenario() -> None:
        step = circuit()
        send = through([WithinDeadline(50, clock=clock), step, Handover(clock=clock)], Source((60.0, OK)))
        for _ in range(5):
            task = asyncio.ensure_future(send(READ))
            await asyncio.sleep(1.5)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert step.state is CircuitState.CLOSED

    run(scenario())


EVENTS = st.lists(
    st.one_of(
        st.tuples(
            st.just("call"), st.sampled_from([OK, LOST, response(500), response(404)]), st.sampled_from([0.0, 0.5, 7.0])
        ),
        st.tuples(st.just("wait"), st.floats(0, 6)),
    ),
    max_size=60,
)


@given(EVENTS)
def test_never_more_than_the_probes(history: list[Any]) -> None:
    """In no history is a call let through while it is open, nor more than the probes at once while half open."""

    async def scenario() -> None:
        step = circuit()
        probing = 0

        def source(seconds: float, result: Any) -> Any:
            async def send(request: Request) -> Response:
                nonlocal probing
                state = step.state
                assert state is not CircuitState.OPEN
                generation = step._generation
                if state is CircuitState.HALF_OPEN:
                    probing = probing + 1 if probes[-1:] == [generation] else 1
                    probes.append(generation)
                    assert probing <= SETTINGS.probes
                try:
                    return await Source((seconds, result))(request)
                finally:
                    if state is CircuitState.HALF_OPEN and probes[-1] == generation:
                        probing -= 1

            return send

        probes: list[int] = []
        tasks = []
        for kind, *rest in history:
            if kind == "call":
                result, seconds = rest
                tasks.append(asyncio.ensure_future(outcome(step, READ, source(seconds, result))))
                await asyncio.sleep(0)
            else:
                await asyncio.sleep(rest[0])
        await asyncio.gather(*tasks)

    run(scenario())


def test_spare_probe() -> None:
    """A call that nobody waits for is a probe only while there is no other one, so that the others can be made."""

    async def scenario() -> None:
        step, source = circuit(), Source((60.0, OK))
        await feed(step, *[LOST] * 4)
        await asyncio.sleep(5)
        tasks = [asyncio.ensure_future(spare(step, READ, source)) for _ in range(5)]
        await asyncio.sleep(0)
        assert source.count == 1
        assert await outcome(step, READ, Source()) is OK
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await spare(step, READ, Source()) is OK
        assert step.state is CircuitState.CLOSED

    run(scenario())
