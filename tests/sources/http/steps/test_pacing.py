import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources.http.steps.fakes import OK, READ, Log, Source, answer, call, outcome
from sources.http.steps.virtual import clock, run

from gateway.errors import RateLimited
from gateway.operation import Principal, acting_as, operation
from gateway.sources.http.bucket import Rate
from gateway.sources.http.exchange import Response
from gateway.sources.http.pacing import Pacing, by_credential, by_source

RATE = Rate(2, 1.0, margin=0.0)


def pacing(rate: Rate | None = RATE, **more: Any) -> Pacing:
    return Pacing(rate, clock=clock, **more)


async def ask(step: Pacing, source: Any, principal: str = "", within: float | None = None, **headers: str) -> Any:
    with acting_as(Principal(principal)), operation(timeout=within, clock=clock):
        return await outcome(step, call(**headers), source)


def test_keeps_the_pace() -> None:
    """Calls above the rate wait for their turn, and say how long."""

    async def scenario() -> None:
        source, log, begun = Source(), Log(), clock()
        step = pacing(observe=log)
        await asyncio.gather(*(ask(step, source) for _ in range(5)))
        assert [round(at - begun, 2) for at, _ in source.sent] == [0, 0, 1, 1, 2]
        assert [(one.happening, round(one.seconds, 2)) for one in log.events] == [("wait", 1), ("wait", 1), ("wait", 2)]

    run(scenario())


def test_refused_at_once() -> None:
    """A wait that would pass the deadline is refused when it begins, with the wait that it would be."""

    async def scenario() -> None:
        source, log, begun = Source(), Log(), clock()
        step = pacing(observe=log)
        results = await asyncio.gather(*(ask(step, source, within=1.5) for _ in range(6)))
        refused = [one for one in results if isinstance(one, RateLimited)]
        assert [one.retry_after for one in refused] == [2, 2]
        assert all(one.retryable and one.outcome is None for one in refused)
        assert (source.count, log.told.count("refused:pace"), clock() - begun) == (4, 2, pytest.approx(1))

    run(scenario())


def test_refused_later() -> None:
    """A caller in the queue is refused as soon as a 429 of the source makes its wait too long."""

    async def scenario() -> None:
        source = Source((0.2, answer(429, Retry_After="10")), OK)
        step, begun = pacing(), clock()
        results = await asyncio.gather(*(ask(step, source, within=4) for _ in range(4)))
        assert clock() - begun == pytest.approx(0.2)
        assert [type(one) for one in results] == [Response, Response, RateLimited, RateLimited]
        assert results[2].retry_after == pytest.approx(10)

    run(scenario())


def test_paused() -> None:
    """After a 429 nothing is sent for as long as the source asks; without a rate, too."""

    async def scenario(rate: Rate | None) -> None:
        source = Source(answer(429, Retry_After="7"), OK)
        step = pacing(rate)
        assert (await ask(step, source)).status == 429
        assert await ask(step, source) is OK
        assert source.sent[1][0] - source.sent[0][0] == pytest.approx(7)

    run(scenario(RATE))
    run(scenario(None))


def test_corrected() -> None:
    """What others use of the limit is left to them."""

    async def scenario() -> None:
        source = Source(answer(200, RateLimit_Limit="2", RateLimit_Remaining="0"), OK)
        step = pacing()
        await ask(step, source)
        await ask(step, source)
        assert source.sent[1][0] - source.sent[0][0] == pytest.approx(1)

    run(scenario())


@pytest.mark.parametrize(("key", "waits"), [(by_credential, False), (by_source, True)])
def test_keys(key: Any, *, waits: bool) -> None:
    """Each credential has its own bucket, or all of a source share one."""

    async def scenario() -> None:
        source, begun = Source(), clock()
        step = pacing(Rate(1, 1.0), key=key)
        await asyncio.gather(*(ask(step, source, authorization=token) for token in ("a", "b")))
        assert (clock() > begun) is waits

    run(scenario())


def test_turns() -> None:
    """A caller with one call is not behind all of a caller with many; each one's calls stay in order."""

    async def scenario() -> None:
        order: list[str] = []

        async def source(request: Any) -> Response:
            order.append(request.headers["X-Name"])
            return OK

        step = pacing(Rate(1, 1.0, margin=0.0))
        names = [*(f"a{n}" for n in range(5)), "b0", "b1", "c0"]
        await asyncio.gather(*(ask(step, source, name[0], X_Name=name) for name in names))
        assert order == ["a0", "a1", "b0", "c0", "a2", "b1", "a3", "a4"]

    run(scenario())


def test_foreseen() -> None:
    """The wait that is foreseen is the one that it takes, turns included."""

    async def scenario() -> None:
        step, source = pacing(Rate(1, 1.0, margin=0.0)), Source()
        first = [asyncio.ensure_future(ask(step, source, name)) for name in "aaaabbc"]
        await asyncio.sleep(0)
        refused = [await ask(step, source, name, within=0.5) for name in "abcd"]
        # Three of a wait, two of b, one of c: a b c a b a. A fourth a is the last, as is a third b; a second c comes
        # behind the second b, and d behind the first c.
        assert [round(one.retry_after, 2) for one in refused] == [7, 7, 6, 4]
        await asyncio.gather(*first)

    run(scenario())


def test_cancelled() -> None:
    """A caller who leaves the queue frees its place, also at the very moment of its turn."""

    async def scenario() -> None:
        step, source, begun = pacing(Rate(1, 1.0, margin=0.0)), Source(), clock()
        tasks = [asyncio.ensure_future(ask(step, source)) for _ in range(4)]
        await asyncio.sleep(0.5)
        tasks[1].cancel()
        # Behind the timer that hands out the token, before the task that got it wakes up.
        asyncio.get_running_loop().call_at(begun + 1 + 1e-10, tasks[2].cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        lane = step._lane(READ)
        assert [round(at - begun, 2) for at, _ in source.sent] == [0, 1]
        assert (lane.timer, dict(lane.queues)) == (None, {})

    run(scenario())


def test_everybody_leaves() -> None:
    """With the last waiter its timer is gone."""

    async def scenario() -> None:
        step, source = pacing(Rate(1, 60.0)), Source()
        await ask(step, source)
        tasks = [asyncio.ensure_future(ask(step, source, name)) for name in "abc"]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert step._lane(READ).timer is None

    run(scenario())


def test_spare() -> None:
    """A spare token is one that is there and that nobody waits for."""

    async def scenario() -> None:
        step, source = pacing(Rate(1, 1.0)), Source()
        assert step.spare(READ)
        assert not step.spare(READ)
        await ask(step, source)
        assert clock() == 1001.05

    run(scenario())


def test_many_credentials() -> None:
    """Buckets that are as good as new are let go when there are many."""

    async def scenario() -> None:
        step, source = pacing(), Source()
        for number in range(3000):
            await ask(step, source, authorization=str(number))
            await asyncio.sleep(0.1)
        assert len(step._lanes) <= 1024

    run(scenario())


@given(
    st.integers(1, 4),
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from([0.0, 0.0, 0.0, 0.3, 1.1]),
            st.none() | st.floats(0.1, 6),
            st.none() | st.floats(0, 3),
        ),
        min_size=1,
        max_size=40,
    ),
)
def test_any_callers(calls: int, callers: list[tuple[str, float, float | None, float | None]]) -> None:
    """Whoever comes, waits or leaves: no window holds too many, nobody waits too long, and no place is left over."""

    async def scenario() -> None:
        step = pacing(Rate(calls, 1.0, margin=0.0))
        sent: list[float] = []

        async def one(name: str, deadline: float | None, patience: float | None) -> None:
            begun = clock()

            async def source(_: Any) -> Response:
                sent.append(clock())
                assert deadline is None or clock() < begun + deadline + 1e-6
                return OK

            task = asyncio.ensure_future(ask(step, source, name, deadline))
            await asyncio.wait([task], timeout=patience)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert deadline is None or clock() <= begun + deadline + 1e-6

        tasks = []
        for name, pause, deadline, patience in callers:
            tasks.append(asyncio.ensure_future(one(name, deadline, patience)))
            await asyncio.sleep(pause)
        await asyncio.gather(*tasks)
        lane = step._lane(READ)
        assert (dict(lane.queues), lane.timer) == ({}, None)
        for start in sent:
            assert sum(start <= at < start + 1.0 - 1e-9 for at in sent) <= calls

    run(scenario())


@given(st.lists(st.integers(1, 8), min_size=2, max_size=5))
def test_fair(loads: list[int]) -> None:
    """While several wait nobody is ahead of another by more than one turn."""

    async def scenario() -> None:
        step = pacing(Rate(1, 1.0, margin=0.0))
        await ask(step, Source())
        left = {str(name): load for name, load in enumerate(loads)}
        had: Counter[str] = Counter()

        async def one(name: str) -> None:
            async def source(_: Any) -> Response:
                had[name] += 1
                left[name] -= 1
                still = [other for other in left if left[other]]
                assert all(had[name] - had[other] <= 1 for other in still)
                return OK

            await ask(step, source, name)

        await asyncio.gather(*(one(str(name)) for name, load in enumerate(loads) for _ in range(load)))

    run(scenario())
