import asyncio
from typing import Any

import pytest
from sources.http.steps.fakes import KEYED, LOST, OK, READ, SETS, Log, Source, answer, outcome, through
from sources.http.steps.virtual import clock, run

from gateway.errors import Outcome, RateLimited, SourceTimeout, SourceUnavailable
from gateway.operation import operation
from gateway.sources.http.bucket import Rate
from gateway.sources.http.circuit import Circuit, CircuitSettings, CircuitState
from gateway.sources.http.hedging import HedgingSettings
from gateway.sources.http.retry import RetryBudget, RetrySettings
from gateway.sources.http.steps import RATES, StepSettings, steps


def pipe(source: Source, settings: StepSettings | None = None, **more: Any) -> Any:
    settings = settings or StepSettings(retry=RetrySettings(first_wait=0.001))
    go = through(steps(settings, budget=RetryBudget(clock=clock), clock=clock, **more), source)
    return lambda request: outcome(lambda one, _: go(one), request, None)


def test_order() -> None:
    """The order is the one that is documented; what is switched off is left out."""

    def names(settings: StepSettings) -> list[str]:
        return [type(step).__name__ for step in steps(settings, budget=RetryBudget())]

    always = ["Retry", "Circuit", "Pacing", "Handover"]
    assert names(StepSettings()) == ["WithinDeadline", "SingleFlight", *always]
    assert names(StepSettings(share=False, hedging=HedgingSettings())) == ["WithinDeadline", *always, "Hedging"]
    assert {"account": Rate(20, 1.0), "reseller": Rate(50, 5.0)} == RATES


def test_quiet() -> None:
    """A call that goes well is sent once and is nothing to tell."""

    async def scenario() -> None:
        source, log = Source(), Log()
        assert await pipe(source, observe=log)(KEYED) is OK
        assert (source.count, log.told) == (1, [])

    run(scenario())


def test_lost_answer() -> None:
    """A change whose answer was lost is sent again under its key, and its second answer is the caller's."""

    async def scenario() -> None:
        source = Source(LOST, OK)
        assert await pipe(source)(KEYED) is OK
        assert source.sent[0][1] is source.sent[1][1]

    run(scenario())


def test_hanging() -> None:
    """A change that hangs ends at the deadline with an unknown outcome, and counts for the circuit."""

    async def scenario() -> None:
        circuit = Circuit(CircuitSettings(least_calls=1), clock=clock)
        error = await pipe(Source((60.0, OK)), circuit=circuit)(SETS)
        assert isinstance(error, SourceTimeout)
        assert (error.outcome, circuit.state) == (Outcome.UNKNOWN, CircuitState.OPEN)

    run(scenario())


def test_open_circuit_ends_the_tries() -> None:
    """When the circuit opens on a call's first try it has no second one, and the first one's failure is told."""

    async def scenario() -> None:
        circuit, source = Circuit(CircuitSettings(least_calls=1), clock=clock), Source(LOST)
        error = await pipe(source, circuit=circuit)(SETS)
        assert (error, source.count) == (LOST, 1)
        refused = await pipe(source, circuit=circuit)(SETS)
        assert isinstance(refused, SourceUnavailable)
        assert (refused.outcome, refused.retry_after, source.count) == (None, pytest.approx(10, abs=0.1), 1)

    run(scenario())


def test_queue_is_no_failure() -> None:
    """A source that is asked too much by us alone is neither retried nor cut off."""

    async def scenario() -> None:
        circuit = Circuit(CircuitSettings(least_calls=1), clock=clock)
        source, log = Source(), Log()
        ask = pipe(source, StepSettings(timeout=1.0, rate=Rate(1, 5.0), share=False), circuit=circuit, observe=log)
        results = await asyncio.gather(*(ask(READ) for _ in range(5)))
        assert [type(one) for one in results[1:]] == [RateLimited] * 4
        assert (source.count, circuit.state) == (1, CircuitState.CLOSED)
        assert log.told == ["refused:pace"] * 4

    run(scenario())


def test_shared_retries() -> None:
    """Those who share a read share its tries."""

    async def scenario() -> None:
        source = Source((0.1, answer(503)), (0.1, OK))
        ask = pipe(source)
        assert await asyncio.gather(*(ask(READ) for _ in range(10))) == [OK] * 10
        assert source.count == 2

    run(scenario())


def test_every_try_keeps_the_pace() -> None:
    """A second try waits for its turn and for the pause that the source asked for."""

    async def scenario() -> None:
        source = Source(answer(429, Retry_After="3"), OK)
        assert await pipe(source, StepSettings(rate=Rate(1, 1.0)))(READ) is OK
        assert source.sent[1][0] - source.sent[0][0] == pytest.approx(3)

    run(scenario())


def test_no_time_for_the_pause() -> None:
    """A pause longer than the caller's time is told at once, with the source's own answer."""

    async def scenario() -> None:
        source, begun = Source(answer(429, Retry_After="30")), clock()
        with operation(timeout=5, clock=clock):
            ask = pipe(source)
            assert (await ask(READ)).status == 429
            refused = await ask(READ)
        assert isinstance(refused, RateLimited)
        assert (refused.retry_after, clock(), source.count) == (30.0, begun, 1)

    run(scenario())


def test_hedged() -> None:
    """A hedge takes a token that is spare, and the circuit counts the pair once."""

    async def scenario() -> None:
        circuit = Circuit(CircuitSettings(least_calls=2), clock=clock)
        settings = StepSettings(rate=Rate(3, 60.0), share=False, hedging=HedgingSettings(least=1))
        source = Source((0.5, OK), (9.0, OK), (0.1, second := answer(200)))
        ask = pipe(source, settings, circuit=circuit)
        await ask(READ)
        assert await ask(READ) is second
        assert (source.count, source.cancelled) == (3, 1)
        assert sum(one.calls for one in circuit._slices) == 2

    run(scenario())


def test_hedge_takes_no_ones_token() -> None:
    """Without a spare token there is no hedge."""

    async def scenario() -> None:
        settings = StepSettings(rate=Rate(3, 60.0), share=False, hedging=HedgingSettings(least=1))
        source = Source((0.5, OK), (3.0, OK), (3.0, OK), (0.1, OK))
        ask = pipe(source, settings)
        await ask(READ)
        begun = clock()
        await asyncio.gather(ask(READ), ask(READ))
        assert (source.count, clock() - begun) == (3, 3.0)

    run(scenario())
