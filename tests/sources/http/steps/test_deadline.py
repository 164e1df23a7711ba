import asyncio

import pytest
from sources.http.steps.fakes import BARE, LOST, OK, READ, SETS, Log, Source, answer, outcome, through
from sources.http.steps.virtual import clock, run

from gateway.errors import GatewayError, Outcome, SourceTimeout
from gateway.operation import Deadline, current_deadline, operation
from gateway.sources.http.deadline import WithinDeadline
from gateway.sources.http.exchange import Request, Response, Send, pipeline
from gateway.sources.http.handover import DispatchState, Handover


class Queue:
    """A step that keeps every call waiting before it hands it on, or after."""

    def __init__(self, before: float = 0.0, after: float = 0.0) -> None:
        self.before, self.after = before, after

    async def __call__(self, request: Request, send: Send) -> Response:
        await asyncio.sleep(self.before)
        try:
            return await send(request)
        finally:
            await asyncio.sleep(self.after)


@pytest.mark.parametrize(("timeout", "left", "ended"), [(2.0, None, 2.0), (2.0, 5.0, 2.0), (5.0, 2.0, 2.0)])
def test_shorter_one(timeout: float, left: float | None, ended: float) -> None:
    """A call ends at the source's timeout or at the operation's deadline, whichever is first."""

    async def scenario() -> None:
        source, begun = Source((60.0, OK)), clock()
        with operation(timeout=left, clock=clock):
            error = await outcome(WithinDeadline(timeout, clock=clock), READ, source)
        assert isinstance(error, SourceTimeout)
        assert (clock() - begun, error.outcome, source.cancelled) == (ended, None, 1)
        assert error.retryable

    run(scenario())


@pytest.mark.parametrize(
    ("request_", "before", "unknown"), [(SETS, 0.0, True), (BARE, 0.0, True), (READ, 0.0, False), (SETS, 9.0, False)]
)
def test_outcome(request_: Request, before: float, *, unknown: bool) -> None:
    """A change that ran out of time is of unknown outcome once it was handed over; in the queue it was not sent."""

    async def scenario() -> None:
        steps = [WithinDeadline(2.0, clock=clock), Queue(before), Handover(clock=clock)]
        source = Source((60.0, OK))
        error = await outcome(lambda r, _: through(steps, source)(r), request_, source)
        assert isinstance(error, SourceTimeout)
        assert (error.outcome is Outcome.UNKNOWN) is unknown
        assert source.count == (not before)

    run(scenario())


@pytest.mark.parametrize(
    ("first", "unknown"),
    [(LOST, True), (answer(502), True), (answer(503), False), (answer(429), False), (OK, False)],
)
def test_doubt_stays(first: Response | GatewayError, *, unknown: bool) -> None:
    """Time that runs out between two tries leaves the outcome as unknown as the first try left it."""

    async def scenario() -> None:
        steps = [WithinDeadline(2.0, clock=clock), Queue(after=9.0), Handover(clock=clock)]
        error = await outcome(lambda r, _: through(steps, Source(first))(r), SETS, None)
        assert isinstance(error, SourceTimeout)
        assert (error.outcome is Outcome.UNKNOWN) is unknown

    run(scenario())


def test_none_left() -> None:
    """A call that begins after the deadline is not sent, and says so."""

    async def scenario() -> None:
        source, log = Source(), Log()
        with operation(timeout=0.0, clock=clock):
            error = await outcome(WithinDeadline(2.0, clock=clock, observe=log), SETS, source)
        assert isinstance(error, SourceTimeout)
        assert (error.outcome, source.count, log.told) == (None, 0, ["refused:deadline"])

    run(scenario())


def test_steps_see_it() -> None:
    """The steps within see the time that is left; afterwards the operation's own counts again."""

    async def scenario() -> None:
        seen: list[float] = []

        async def look(request: Request) -> Response:
            deadline = current_deadline.get()
            assert deadline is not None
            seen.append(deadline.remaining())
            return OK

        with operation(timeout=30.0, clock=clock) as own:
            await WithinDeadline(2.0, clock=clock)(READ, look)
            assert current_deadline.get() is own
        assert current_deadline.get() is None
        assert seen == [2.0]

    run(scenario())


def test_other_timeouts() -> None:
    """A TimeoutError that is not the deadline's stays what it is."""

    async def scenario() -> None:
        with pytest.raises(TimeoutError):
            await WithinDeadline(2.0, clock=clock)(READ, Source(TimeoutError()))

    run(scenario())


def test_real_clock() -> None:
    """On the real clock and a real loop a call ends at its timeout, too."""

    class Wire:
        async def send(self, request: Request) -> Response:  # noqa: ARG002 - the shape of a transport
            await asyncio.sleep(60)
            return OK

        async def aclose(self) -> None: ...

    async def scenario() -> None:
        with pytest.raises(SourceTimeout):
            await pipeline(Wire(), [WithinDeadline(0.005)])(READ)

    asyncio.run(scenario())


def test_value() -> None:
    """A deadline counts down to nothing, and extends to the later of two only."""
    now = 10.0
    deadline = Deadline.after(5.0, lambda: now)
    deadline.extend(Deadline(12.0))
    assert (deadline.remaining(), deadline.expired) == (5.0, False)
    deadline.extend(Deadline(18.0))
    now = 20.0
    assert (deadline.at, deadline.remaining(), deadline.expired) == (18.0, 0.0, True)


def test_handover_alone() -> None:
    """Without a deadline around it the hand-over only hands over."""

    async def scenario() -> None:
        assert await Handover()(READ, Source()) is OK

    run(scenario())
    assert not DispatchState().uncertain
