import asyncio

import pytest
from sources.http.steps.fakes import BARE, LOST, OK, READ, SETS, UNAVAILABLE, Log, Source, outcome, response, through
from sources.http.steps.virtual import clock, run

from gateway.errors import GatewayError, Outcome, SourceTimeout
from gateway.operation import Deadline, current_deadline, operation
from gateway.sources.http.circuit import Circuit, CircuitSettings, CircuitState
from gateway.sources.http.deadline import WithinDeadline
from gateway.sources.http.exchange import Request, Response, Send, pipeline
from gateway.sources.http.handover import DispatchState, Handover


class Delay:
    """A step that delays every call, before it sends it or after."""

    def __init__(self, before: float = 0.0, after: float = 0.0) -> None:
        self.before, self.after = before, after

    async def __call__(self, request: Request, send: Send) -> Response:
        await asyncio.sleep(self.before)
        try:
            return await send(request)
        finally:
            await asyncio.sleep(self.after)


@pytest.mark.parametrize(("timeout", "left", "ended"), [(2.0, None, 2.0), (2.0, 5.0, 2.0), (5.0, 2.0, 2.0)])
def test_earlier_one(timeout: float, left: float | None, ended: float) -> None:
    """A call ends at the timeout of the source or at the deadline of the operation, whichever is earlier."""

    async def scenario() -> None:
        source, started = Source((60.0, OK)), clock()
        with operation(timeout=left, clock=clock):
            error = await outcome(WithinDeadline(timeout, clock=clock), READ, source)
        assert isinstance(error, SourceTimeout)
        assert (clock() - started, error.outcome, source.cancelled) == (ended, None, 1)
        assert error.retryable

    run(scenario())


@pytest.mark.parametrize(
    ("request_", "before", "unknown"), [(SETS, 0.0, True), (BARE, 0.0, True), (READ, 0.0, False), (SETS, 9.0, False)]
)
def test_outcome(request_: Request, before: float, *, unknown: bool) -> None:
    """When the deadline passes, the outcome of a change is unknown after the handover, and known before."""

    async def scenario() -> None:
        steps = [WithinDeadline(2.0, clock=clock), Delay(before), Handover(clock=clock)]
        source = Source((60.0, OK))
        error = await outcome(lambda r, _: through(steps, source)(r), request_, source)
        assert isinstance(error, SourceTimeout)
        assert (error.outcome is Outcome.UNKNOWN) is unknown
        assert source.count == (not before)

    run(scenario())


@pytest.mark.parametrize(
    ("first", "unknown"),
    [
        (LOST, True),
        (response(502), True),
        (response(503), True),
        (UNAVAILABLE, False),
        (response(429), False),
        (OK, False),
    ],
)
def test_unknown_outcome_stays(first: Response | GatewayError, *, unknown: bool) -> None:
    """When the deadline passes between attempts, the outcome is unknown if that of the first one was."""

    async def scenario() -> None:
        steps = [WithinDeadline(2.0, clock=clock), Delay(after=9.0), Handover(clock=clock)]
        error = await outcome(lambda r, _: through(steps, Source(first))(r), SETS, None)
        assert isinstance(error, SourceTimeout)
        assert (error.outcome is Outcome.UNKNOWN) is unknown

    run(scenario())


def test_no_connection_in_time() -> None:
    """If the deadline passes before the transport has a connection, the outcome is not unknown."""

    async def scenario() -> None:
        async def connecting(_: Request) -> Response:
            await asyncio.sleep(60)
            return OK

        circuit = Circuit(CircuitSettings(min_calls=1), clock=clock)
        steps = [WithinDeadline(2.0, clock=clock), circuit, Handover(clock=clock)]
        error = await outcome(lambda r, _: through(steps, connecting)(r), SETS, None)
        assert isinstance(error, SourceTimeout)
        assert (error.outcome, circuit.state) == (None, CircuitState.OPEN)

    run(scenario())


def test_no_time_left() -> None:
    """A call after the deadline is refused and not sent."""

    async def scenario() -> None:
        source, log = Source(), Log()
        with operation(timeout=0.0, clock=clock):
            error = await outcome(WithinDeadline(2.0, clock=clock, observe=log), SETS, source)
        assert isinstance(error, SourceTimeout)
        assert (error.outcome, source.count, log.names) == (None, 0, ["refused:deadline"])

    run(scenario())


def test_deadline_of_inner_steps() -> None:
    """The inner steps get the deadline of the call; afterwards that of the operation is current again."""

    async def scenario() -> None:
        seen: list[float] = []

        async def record(request: Request) -> Response:
            deadline = current_deadline.get()
            assert deadline is not None
            seen.append(deadline.remaining())
            return OK

        with operation(timeout=30.0, clock=clock) as operation_deadline:
            await WithinDeadline(2.0, clock=clock)(READ, record)
            assert current_deadline.get() is operation_deadline
        assert current_deadline.get() is None
        assert seen == [2.0]

    run(scenario())


def test_other_timeouts() -> None:
    """A TimeoutError that the deadline did not cause is raised unchanged."""

    async def scenario() -> None:
        with pytest.raises(TimeoutError):
            await WithinDeadline(2.0, clock=clock)(READ, Source(TimeoutError()))

    run(scenario())


def test_real_clock() -> None:
    """On a real clock and event loop a call ends at its timeout too."""

    class HangingTransport:
        async def send(self, request: Request) -> Response:  # noqa: ARG002 - the parameter of a transport
            await asyncio.sleep(60)
            return OK

        async def aclose(self) -> None: ...

    async def scenario() -> None:
        with pytest.raises(SourceTimeout):
            await pipeline(HangingTransport(), [WithinDeadline(0.005)])(READ)

    asyncio.run(scenario())


def test_deadline_object() -> None:
    """The time that is left does not become negative, and a deadline is only extended to a later one."""
    now = 10.0
    deadline = Deadline.after(5.0, lambda: now)
    deadline.extend(Deadline(12.0))
    assert (deadline.remaining(), deadline.expired) == (5.0, False)
    deadline.extend(Deadline(18.0))
    now = 20.0
    assert (deadline.at, deadline.remaining(), deadline.expired) == (18.0, 0.0, True)


def test_handover_alone() -> None:
    """Without a deadline step, the handover only sends the request."""

    async def scenario() -> None:
        assert await Handover()(READ, Source()) is OK

    run(scenario())
    assert not DispatchState().may_be_executed
