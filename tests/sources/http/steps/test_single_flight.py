import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources.http.steps.fakes import KEYED, OK, READ, SETS, Log, Source, answer, call, outcome, through
from sources.http.steps.virtual import clock, run

from gateway.errors import Origin, SourceTimeout, SourceUnavailable
from gateway.operation import Principal, acting_as, current_deadline, operation
from gateway.sources.http.deadline import WithinDeadline
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.single_flight import SingleFlight


def test_shared() -> None:
    """Identical reads under way are one call; the next one after it is another."""

    async def scenario() -> None:
        source, log = Source((1.0, OK)), Log()
        step = SingleFlight(observe=log)
        results = await asyncio.gather(*(step(call(authorization="a"), source) for _ in range(5)))
        assert (results, source.count, log.told) == ([OK] * 5, 1, ["shared"] * 4)
        await step(call(authorization="a"), source)
        assert source.count == 2

    run(scenario())


@pytest.mark.parametrize("request_", [KEYED, SETS, call("HEAD")])
def test_reads_only(request_: Request) -> None:
    """Nothing but a GET is shared."""

    async def scenario() -> None:
        source, step = Source((1.0, OK)), SingleFlight()
        await asyncio.gather(*(step(request_, source) for _ in range(3)))
        assert source.count == 3

    run(scenario())


def test_tracing() -> None:
    """Headers that only trace a call do not keep it apart."""

    async def scenario() -> None:
        source, step = Source((1.0, OK)), SingleFlight()
        await asyncio.gather(*(step(call(traceparent=str(n), X_Request_ID=str(n)), source) for n in range(3)))
        assert source.count == 1

    run(scenario())


def test_spelling() -> None:
    """Neither the order of the headers nor the case of their names keeps calls apart."""

    async def scenario() -> None:
        source, step = Source((1.0, OK)), SingleFlight()
        spelled = [call(A="1", B="2"), call(b="2", a="1"), call(B="2", traceparent="t", a="1")]
        await asyncio.gather(*(step(one, source) for one in spelled))
        assert source.count == 1
        await asyncio.gather(step(call(A="1", B="2"), source), step(call(A="2", B="1"), source))
        assert source.count == 3

    run(scenario())


WORDS = st.sampled_from(["", "a", "b"])
CALLERS = st.lists(
    st.tuples(
        st.fixed_dictionaries({}, optional={"Authorization": WORDS, "OpenMRP-Account": WORDS, "X-Other": WORDS}),
        WORDS,
        st.sampled_from(["/1", "/2"]),
    ),
    min_size=2,
    max_size=12,
)


@given(CALLERS)
def test_apart(callers: list[tuple[dict[str, str], str, str]]) -> None:
    """Calls of other credentials, other principals or other URLs are never one; everybody gets their own answer."""

    async def scenario() -> None:
        step = SingleFlight()
        sent = []

        async def ask(headers: dict[str, str], principal: str, path: str) -> None:
            mine = repr((sorted(headers.items()), principal, path)).encode()

            async def source(request: Request) -> Response:
                sent.append(mine)
                await asyncio.sleep(1)
                return Response(200, {}, mine)

            with acting_as(Principal(principal)):
                request = Request("account", "GET", f"http://source{path}", path, headers)
                assert (await step(request, source)).body == mine

        await asyncio.gather(*(ask(*one) for one in callers))
        assert len(sent) == len(set(sent))

    run(scenario())


def test_follower_leaves() -> None:
    """One who leaves does not take the call along, be it the first or another."""

    async def scenario(leaver: int) -> None:
        source, step = Source((1.0, OK)), SingleFlight()
        tasks = [asyncio.ensure_future(step(READ, source)) for _ in range(3)]
        await asyncio.sleep(0.5)
        tasks[leaver].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [one for one in results if one is OK] == [OK, OK]
        assert isinstance(results[leaver], asyncio.CancelledError)
        assert source.cancelled == 0

    run(scenario(0))
    run(scenario(2))


def test_everybody_leaves() -> None:
    """With the last one the call is cancelled, and who comes then gets a new one."""

    async def scenario() -> None:
        source, step = Source((1.0, OK)), SingleFlight()
        tasks = [asyncio.ensure_future(step(READ, source)) for _ in range(3)]
        await asyncio.sleep(0.5)
        for task in tasks:
            task.cancel()
        await asyncio.sleep(0)
        late = asyncio.ensure_future(step(READ, source))
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await late is OK
        assert (source.cancelled, source.count) == (1, 2)

    run(scenario())


@pytest.mark.parametrize("change", [OK, SourceUnavailable("lost")])
def test_none_from_before_a_change(change: Response | SourceUnavailable) -> None:
    """Who reads after a change, whatever became of it, shares no call that was sent before its end."""

    async def scenario() -> None:
        before, after = answer(200, "before"), answer(200, "after")
        source, step = Source((1.0, before), change, (1.0, after)), SingleFlight()
        early = asyncio.ensure_future(step(READ, source))
        await asyncio.sleep(0.5)
        await outcome(step, SETS, source)
        results = await asyncio.gather(*(step(READ, source) for _ in range(3)))
        assert (await early, results, source.count) == (before, [after] * 3, 3)

    run(scenario())


def test_broken_off() -> None:
    """A call that is broken off within ends for all who wait, at once, and nobody joins it any more."""

    async def scenario() -> None:
        source, step = Source((1.0, asyncio.CancelledError()), OK), SingleFlight()
        results = await asyncio.gather(*(step(READ, source) for _ in range(2)), return_exceptions=True)
        assert [type(one) for one in results] == [asyncio.CancelledError] * 2
        assert await step(READ, source) is OK

    run(scenario())


def test_failure() -> None:
    """A failure is everybody's, each one's a copy of its own."""

    async def scenario() -> None:
        failure = SourceUnavailable("gone", origin=Origin("account"), retry_after=2.0)
        source, step = Source((1.0, failure)), SingleFlight()
        results = await asyncio.gather(*(outcome(step, READ, source) for _ in range(3)))
        assert source.count == 1
        assert results[0] is failure
        assert len({id(one) for one in results}) == 3
        for one in results:
            assert isinstance(one, SourceUnavailable)
            assert (str(one), one.message, one.origin, one.retry_after, one.retryable) == (
                "gone",
                "gone",
                Origin("account"),
                2.0,
                True,
            )

    run(scenario())


def test_each_in_its_own_time() -> None:
    """A hurried caller fails alone; the call has as long as the most patient caller."""

    async def scenario() -> None:
        left: list[float] = []

        async def source(_: Request) -> Response:
            for _ in range(2):
                await asyncio.sleep(0.5)
                deadline = current_deadline.get()
                assert deadline is not None
                left.append(deadline.remaining())
            await asyncio.sleep(1)
            return OK

        step = through([WithinDeadline(10, clock=clock), SingleFlight()], source)

        async def ask(within: float) -> Any:
            with operation(timeout=within, clock=clock):
                return await outcome(lambda request, _: step(request), READ, None)

        hurried = asyncio.ensure_future(ask(1.5))
        await asyncio.sleep(0.75)
        patient = asyncio.ensure_future(ask(5))
        assert isinstance(await hurried, SourceTimeout)
        assert await patient is OK
        assert left == [1.0, 4.75]

    run(scenario())
