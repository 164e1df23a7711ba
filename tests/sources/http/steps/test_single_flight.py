import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources.http.steps.fakes import (
    KEYED,
    OK,
    READ,
    REFUSED,
    SETS,
    UNAVAILABLE,
    Log,
    Source,
    call,
    outcome,
    response,
    spare,
    through,
)
from sources.http.steps.virtual import clock, run

from gateway.errors import Origin, RateLimited, SourceTimeout, SourceUnavailable
from gateway.operation import (
    SharedCalls,
    acting_as,
    current_deadline,
    current_shared_calls,
    operation,
    shares_no_calls,
)
from gateway.principal import Principal
from gateway.sources.http.deadline import WithinDeadline
from gateway.sources.http.errors import OutOfDescriptorsError
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.single_flight import SingleFlight


def test_shared() -> None:
    """Identical reads under way are one call; a read after its end is another call."""

    async def scenario() -> None:
        source, log = Source((1.0, OK)), Log()
        step = SingleFlight(observe=log)
        results = await asyncio.gather(*(step(call(authorization="a"), source) for _ in range(5)))
        assert (results, source.count, log.names) == ([OK] * 5, 1, ["shared"] * 4)
        await step(call(authorization="a"), source)
        assert source.count == 2

    run(scenario())


def test_no_descriptor() -> None:
    """Every caller gets the failure of a call for which there was no file descriptor."""

    async def scenario() -> None:
        source, step = Source((1.0, OutOfDescriptorsError(READ))), SingleFlight()
        async with asyncio.timeout(5):
            errors = await asyncio.gather(*(step(READ, source) for _ in range(3)), return_exceptions=True)
        assert [type(error) for error in errors] == [OutOfDescriptorsError] * 3

    run(scenario())


@pytest.mark.parametrize("request_", [KEYED, SETS, call("HEAD")])
def test_reads_only(request_: Request) -> None:
    """Only GETs are shared."""

    async def scenario() -> None:
        source, step = Source((1.0, OK)), SingleFlight()
        await asyncio.gather(*(step(request_, source) for _ in range(3)))
        assert source.count == 3

    run(scenario())


def test_tracing() -> None:
    """Calls that differ only in tracing headers are shared."""

    async def scenario() -> None:
        source, step = Source((1.0, OK)), SingleFlight()
        await asyncio.gather(*(step(call(traceparent=str(n), X_Request_ID=str(n)), source) for n in range(3)))
        assert source.count == 1

    run(scenario())


def test_spelling() -> None:
    """Calls that differ only in the order or the case of header names are shared."""

    async def scenario() -> None:
        source, step = Source((1.0, OK)), SingleFlight()
        spelled = [call(A="1", B="2"), call(b="2", a="1"), call(B="2", traceparent="t", a="1")]
        await asyncio.gather(*(step(request, source) for request in spelled))
        assert source.count == 1
        await asyncio.gather(step(call(A="1", B="2"), source), step(call(A="2", B="1"), source))
        assert source.count == 3

    run(scenario())


VALUES = st.sampled_from(["", "a", "b"])
CALLERS = st.lists(
    st.tuples(
        st.fixed_dictionaries({}, optional={"Authorization": VALUES, "OpenMRP-Account": VALUES, "X-Other": VALUES}),
        VALUES,
        st.sampled_from(["/1", "/2"]),
    ),
    min_size=2,
    max_size=12,
)


@given(CALLERS)
def test_not_shared(callers: list[tuple[dict[str, str], str, str]]) -> None:
    """Calls with different credentials, principals or URLs are never shared, and each gets its response."""

    async def scenario() -> None:
        step = SingleFlight()
        sent = []

        async def send_as(headers: dict[str, str], principal: str, path: str) -> None:
            identification = repr((sorted(headers.items()), principal, path)).encode()

            async def source(request: Request) -> Response:
                sent.append(identification)
                await asyncio.sleep(1)
                return Response(200, {}, identification)

            with acting_as(Principal(principal)):
                request = Request("account", "GET", f"http://source{path}", path, headers)
                assert (await step(request, source)).body == identification

        await asyncio.gather(*(send_as(*caller) for caller in callers))
        assert len(sent) == len(set(sent))

    run(scenario())


def test_one_cancelled() -> None:
    """A caller that is cancelled, the first or another, does not cancel the call for the others."""

    async def scenario(cancelled: int) -> None:
        source, step = Source((1.0, OK)), SingleFlight()
        tasks = [asyncio.ensure_future(step(READ, source)) for _ in range(3)]
        await asyncio.sleep(0.5)
        tasks[cancelled].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [result for result in results if result is OK] == [OK, OK]
        assert isinstance(results[cancelled], asyncio.CancelledError)
        assert source.cancelled == 0

    run(scenario(0))
    run(scenario(2))


def test_all_cancelled() -> None:
    """When the last caller is cancelled the call is too, and a later read makes a new one."""

    async def scenario() -> None:
        source, step = Source((1.0, OK)), SingleFlight()
        tasks = [asyncio.ensure_future(step(READ, source)) for _ in range(3)]
        await asyncio.sleep(0.5)
        for task in tasks:
            task.cancel()
        await asyncio.sleep(0)
        later = asyncio.ensure_future(step(READ, source))
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await later is OK
        assert (source.cancelled, source.count) == (1, 2)

    run(scenario())


@pytest.mark.parametrize("change", [OK, SourceUnavailable("lost")])
def test_reads_after_a_change(change: Response | SourceUnavailable) -> None:
    """A read after a change, successful or not, shares no call from before its end."""

    async def scenario() -> None:
        before, after = response(200, "before"), response(200, "after")
        source, step = Source((1.0, before), change, (1.0, after)), SingleFlight()
        early = asyncio.ensure_future(step(READ, source))
        await asyncio.sleep(0.5)
        await outcome(step, SETS, source)
        results = await asyncio.gather(*(step(READ, source) for _ in range(3)))
        assert (await early, results, source.count) == (before, [after] * 3, 3)

    run(scenario())


def test_inner_cancellation() -> None:
    """A call that is cancelled from inside ends for all callers at once, and is not joined any more."""

    async def scenario() -> None:
        source, step = Source((1.0, asyncio.CancelledError()), OK), SingleFlight()
        results = await asyncio.gather(*(step(READ, source) for _ in range(2)), return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError] * 2
        assert await step(READ, source) is OK

    run(scenario())


def test_failure() -> None:
    """A failure is raised in every caller, in each as a separate object."""

    async def scenario() -> None:
        failure = SourceUnavailable("gone", origin=Origin("account"), retry_after=2.0)
        source, step = Source((1.0, failure)), SingleFlight()
        results = await asyncio.gather(*(outcome(step, READ, source) for _ in range(3)))
        assert source.count == 1
        assert results[0] is failure
        assert len({id(result) for result in results}) == 3
        for error in results:
            assert isinstance(error, SourceUnavailable)
            assert (str(error), error.message, error.origin, error.retry_after, error.retryable) == (
                "gone",
                "gone",
                Origin("account"),
                2.0,
                True,
            )

    run(scenario())


def test_deadlines() -> None:
    """A caller with a short deadline fails alone; the call has the latest deadline of all callers."""

    async def scenario() -> None:
        remaining: list[float] = []

        async def source(_: Request) -> Response:
            for _ in range(2):
                await asyncio.sleep(0.5)
                deadline = current_deadline.get()
                assert deadline is not None
                remaining.append(deadline.remaining())
            await asyncio.sleep(1)
            return OK

        step = through([WithinDeadline(10, clock=clock), SingleFlight()], source)

        async def send_within(seconds: float) -> Any:
            with operation(timeout=seconds, clock=clock):
                return await outcome(lambda request, _: step(request), READ, None)

        short = asyncio.ensure_future(send_within(1.5))
        await asyncio.sleep(0.75)
        long = asyncio.ensure_future(send_within(5))
        assert isinstance(await short, SourceTimeout)
        assert await long is OK
        assert remaining == [1.0, 4.75]

    run(scenario())


@pytest.mark.parametrize("failed", [RateLimited("no token is left"), REFUSED, UNAVAILABLE, response(429)])
def test_shared_spare(failed: Any) -> None:
    """A read shares a call for which nobody waits, but where that fails, it makes a call for itself."""

    async def scenario() -> None:
        for first, expected in ((OK, 1), (response(404), 1), (failed, 2)):
            source, step = Source((1.0, first), (1.0, OK)), SingleFlight()
            tasks = [asyncio.ensure_future(spare(step, READ, source)) for _ in range(2)]
            await asyncio.sleep(0.1)
            found = await asyncio.gather(*(outcome(step, READ, source) for _ in range(3)))
            assert {getattr(result, "status", result) for result in found} == {200 if expected == 2 else first.status}
            assert source.count == expected
            assert [getattr(task.result(), "status", None) for task in tasks] == [getattr(first, "status", None)] * 2

    run(scenario())


def test_no_sharing() -> None:
    """A read that has to show what is so after an instant shares no call from before it, and nobody shares its call."""

    async def scenario() -> None:
        source, step = Source((1.0, OK)), SingleFlight()

        async def alone() -> Response:
            shares_no_calls.set(True)
            return await step(READ, source)

        first = asyncio.ensure_future(step(READ, source))
        await asyncio.sleep(0.1)
        await asyncio.gather(first, asyncio.ensure_future(alone()), step(READ, source))
        assert source.count == 2

    run(scenario())


def test_age_of_a_shared_call() -> None:
    """A read learns for how long a call that it shares was under way, by the clock of the gateway."""

    async def scenario() -> None:
        source, step = Source((1.0, OK)), SingleFlight(clock=clock)
        notes = [SharedCalls(), SharedCalls()]

        async def read(note: SharedCalls) -> None:
            current_shared_calls.set(note)
            await step(READ, source)

        first = asyncio.ensure_future(read(notes[0]))
        await asyncio.sleep(0.25)
        await asyncio.gather(first, asyncio.ensure_future(read(notes[1])))
        assert source.count == 1
        assert [note.age for note in notes] == [0.0, 0.25]

    run(scenario())
