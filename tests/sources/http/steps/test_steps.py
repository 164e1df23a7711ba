import asyncio
from typing import Any

import pytest
from msgspec.structs import replace
from sources.http.steps.fakes import KEYED, LOST, OK, READ, SETS, Log, Source, outcome, response, through
from sources.http.steps.virtual import clock, run

from gateway.calls import CallKind
from gateway.errors import Outcome, RateLimited, SourceTimeout, SourceUnavailable
from gateway.operation import operation
from gateway.sources.http.bucket import Rate
from gateway.sources.http.circuit import Circuit, CircuitSettings, CircuitState
from gateway.sources.http.exchange import Request
from gateway.sources.http.hedging import HedgingSettings
from gateway.sources.http.retry import RetryBudget, RetrySettings
from gateway.sources.http.rotation import Rotation, TokenFile
from gateway.sources.http.steps import RATES, StepSettings, steps


def pipeline_to(source: Source, settings: StepSettings | None = None, **more: Any) -> Any:
    settings = settings or StepSettings(retry=RetrySettings(first_wait=0.001))
    send = through(steps(settings, budget=RetryBudget(clock=clock), clock=clock, **more), source)
    return lambda request: outcome(lambda sent, _: send(sent), request, None)


def test_order() -> None:
    """The steps are in the documented order, without those that are switched off."""

    def names(settings: StepSettings) -> list[str]:
        return [type(step).__name__ for step in steps(settings, budget=RetryBudget())]

    always = ["Retry", "Circuit", "Pacing", "Handover"]
    assert names(StepSettings()) == ["WithinDeadline", "SingleFlight", *always]
    assert names(StepSettings(single_flight=False, hedging=HedgingSettings())) == ["WithinDeadline", *always, "Hedging"]
    token = StepSettings(rotation=Rotation(TokenFile(lambda: "t", lambda: None)))
    assert names(token) == ["WithinDeadline", "Rotation", "SingleFlight", *always, "method"]
    assert {"account": Rate(20, 1.0), "reseller": Rate(50, 5.0)} == RATES


def test_no_events() -> None:
    """A call that succeeds at once is sent once and reports no events."""

    async def scenario() -> None:
        source, log = Source(), Log()
        assert await pipeline_to(source, observe=log)(KEYED) is OK
        assert (source.count, log.names) == (1, [])

    run(scenario())


def test_lost_response() -> None:
    """A change whose response was lost is repeated with the same request, and its second response is returned."""

    async def scenario() -> None:
        source = Source(LOST, OK)
        assert await pipeline_to(source)(KEYED) is OK
        first, second = (replace(sent[1], on_write=None, kind=CallKind.CALL, resends=0) for sent in source.sent)
        assert first == second

    run(scenario())


@pytest.mark.parametrize("request_", [KEYED, SETS, READ])
def test_a_suspended_process(request_: Request) -> None:
    """A call that waited for a token when the process was suspended is not sent after its deadline.

    Meanwhile the lease of its idempotency key may have ended, and another replica may have executed the change.
    """

    async def scenario() -> None:
        loop: Any = asyncio.get_running_loop()
        source = Source()
        call = pipeline_to(source, StepSettings(timeout=20.0, rate=Rate(1, 10.0), single_flight=False))
        assert await call(READ) is OK
        waiting = asyncio.ensure_future(call(request_))
        await asyncio.sleep(5)
        loop.now += 60  # nothing runs for a minute
        error = await waiting
        assert isinstance(error, SourceTimeout)
        assert error.outcome is None
        assert source.count == 1

    run(scenario())


def test_hanging() -> None:
    """A change without a response ends at the deadline with an unknown outcome, and counts for the circuit."""

    async def scenario() -> None:
        circuit = Circuit(CircuitSettings(min_calls=1), clock=clock)
        error = await pipeline_to(Source((60.0, OK)), circuit=circuit)(SETS)
        assert isinstance(error, SourceTimeout)
        assert (error.outcome, circuit.state) == (Outcome.UNKNOWN, CircuitState.OPEN)

    run(scenario())


def test_open_circuit_ends_the_attempts() -> None:
    """If the circuit opens after the first attempt there is no second one, and the failure of the first is raised."""

    async def scenario() -> None:
        circuit, source = Circuit(CircuitSettings(min_calls=1), clock=clock), Source(LOST)
        error = await pipeline_to(source, circuit=circuit)(SETS)
        assert (error, source.count) == (LOST, 1)
        refused = await pipeline_to(source, circuit=circuit)(SETS)
        assert isinstance(refused, SourceUnavailable)
        assert (refused.outcome, refused.retry_after, source.count) == (None, pytest.approx(10, abs=0.1), 1)

    run(scenario())


def test_refusal_by_pacing() -> None:
    """A call that pacing refuses is neither repeated nor counted by the circuit."""

    async def scenario() -> None:
        circuit = Circuit(CircuitSettings(min_calls=1), clock=clock)
        source, log = Source(), Log()
        send = pipeline_to(
            source, StepSettings(timeout=1.0, rate=Rate(1, 5.0), single_flight=False), circuit=circuit, observe=log
        )
        results = await asyncio.gather(*(send(READ) for _ in range(5)))
        assert [type(result) for result in results[1:]] == [RateLimited] * 4
        assert (source.count, circuit.state) == (1, CircuitState.CLOSED)
        assert log.names == ["refused:pace"] * 4

    run(scenario())


def test_shared_retries() -> None:
    """The callers of a shared read share its attempts."""

    async def scenario() -> None:
        source = Source((0.1, response(503)), (0.1, OK))
        send = pipeline_to(source)
        assert await asyncio.gather(*(send(READ) for _ in range(10))) == [OK] * 10
        assert source.count == 2

    run(scenario())


def test_every_attempt_is_paced() -> None:
    """A second attempt waits for the pause that the source requested."""

    async def scenario() -> None:
        source = Source(response(429, Retry_After="3"), OK)
        assert await pipeline_to(source, StepSettings(rate=Rate(1, 1.0)))(READ) is OK
        assert source.sent[1][0] - source.sent[0][0] == pytest.approx(3)

    run(scenario())


def test_no_time_for_the_pause() -> None:
    """If the pause is longer than the time left, the 429 is returned at once, and later calls are refused."""

    async def scenario() -> None:
        source, started = Source(response(429, Retry_After="30")), clock()
        with operation(timeout=5, clock=clock):
            send = pipeline_to(source)
            assert (await send(READ)).status == 429
            refused = await send(READ)
        assert isinstance(refused, RateLimited)
        assert (refused.retry_after, clock(), source.count) == (30.0, started, 1)

    run(scenario())


def test_hedged() -> None:
    """A second request takes a token that no call waits for, and the circuit counts both requests once."""

    async def scenario() -> None:
        circuit = Circuit(CircuitSettings(min_calls=2), clock=clock)
        settings = StepSettings(rate=Rate(3, 60.0), single_flight=False, hedging=HedgingSettings(min_samples=1))
        source = Source((0.5, OK), (9.0, OK), (0.1, second := response(200)))
        send = pipeline_to(source, settings, circuit=circuit)
        await send(READ)
        assert await send(READ) is second
        assert (source.count, source.cancelled) == (3, 1)
        assert sum(part.calls for part in circuit._slices) == 2

    run(scenario())


def test_no_token_for_hedging() -> None:
    """Without an available token there is no second request."""

    async def scenario() -> None:
        settings = StepSettings(rate=Rate(3, 60.0), single_flight=False, hedging=HedgingSettings(min_samples=1))
        source = Source((0.5, OK), (3.0, OK), (3.0, OK), (0.1, OK))
        send = pipeline_to(source, settings)
        await send(READ)
        started = clock()
        await asyncio.gather(send(READ), send(READ))
        assert (source.count, clock() - started) == (3, 3.0)

    run(scenario())
