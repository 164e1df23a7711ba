import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources.http.steps.fakes import OK, READ, REFUSED, Log, Source, call, outcome, response, spare
from sources.http.steps.virtual import clock, run

from gateway.errors import RateLimited
from gateway.operation import acting_as, operation
from gateway.principal import Principal
from gateway.sources.http.bucket import Rate
from gateway.sources.http.exchange import Response
from gateway.sources.http.pacing import NoSpareTokenError, Pacing, by_credential, by_source

RATE = Rate(2, 1.0, margin=0.0)


def pacing(rate: Rate | None = RATE, **more: Any) -> Pacing:
    return Pacing(rate, clock=clock, **more)


def written_late(delay: float) -> tuple[list[float], Any]:
    """Return a transport that needs some time for a connection, and the times at which it writes."""
    written: list[float] = []

    async def transport(request: Any) -> Response:
        await asyncio.sleep(delay)
        request.on_write()
        written.append(clock())
        return OK

    return written, transport


async def send(step: Pacing, source: Any, principal: str = "", within: float | None = None, **headers: str) -> Any:
    with acting_as(Principal(principal)), operation(timeout=within, clock=clock):
        return await outcome(step, call(**headers), source)


def test_keeps_the_rate() -> None:
    """Calls above the rate wait for a token, and the wait is reported."""

    async def scenario() -> None:
        source, log, started = Source(), Log(), clock()
        step = pacing(observe=log)
        await asyncio.gather(*(send(step, source) for _ in range(5)))
        assert [round(at - started, 2) for at, _ in source.sent] == [0, 0, 1, 1, 2]
        assert [(event.event, round(event.seconds, 2)) for event in log.events] == [
            ("wait", 1),
            ("wait", 1),
            ("wait", 2),
        ]

    run(scenario())


def test_refused_at_once() -> None:
    """A call whose wait would pass its deadline is refused at once, with that wait as `retry_after`."""

    async def scenario() -> None:
        source, log, started = Source(), Log(), clock()
        step = pacing(observe=log)
        results = await asyncio.gather(*(send(step, source, within=1.5) for _ in range(6)))
        refused = [result for result in results if isinstance(result, RateLimited)]
        assert [error.retry_after for error in refused] == [2, 2]
        assert all(error.retryable and error.outcome is None for error in refused)
        assert (source.count, log.names.count("refused:pace"), clock() - started) == (4, 2, pytest.approx(1))

    run(scenario())


def test_refused_later() -> None:
    """A waiting call is refused as soon as a 429 makes its wait too long."""

    async def scenario() -> None:
        source = Source((0.2, response(429, Retry_After="10")), OK)
        step, started = pacing(), clock()
        results = await asyncio.gather(*(send(step, source, within=4) for _ in range(4)))
        assert clock() - started == pytest.approx(0.2)
        assert [type(result) for result in results] == [Response, Response, RateLimited, RateLimited]
        assert results[2].retry_after == pytest.approx(10)

    run(scenario())


def test_paused() -> None:
    """After a 429 nothing is sent for the time of `Retry-After`, also without a rate."""

    async def scenario(rate: Rate | None) -> None:
        source = Source(response(429, Retry_After="7"), OK)
        step = pacing(rate)
        assert (await send(step, source)).status == 429
        assert await send(step, source) is OK
        assert source.sent[1][0] - source.sent[0][0] == pytest.approx(7)

    run(scenario(RATE))
    run(scenario(None))


def test_corrected() -> None:
    """Calls of other clients, which the quota shows, count too."""

    async def scenario() -> None:
        source = Source(response(200, RateLimit_Limit="2", RateLimit_Remaining="0"), OK)
        step = pacing()
        await send(step, source)
        await send(step, source)
        assert source.sent[1][0] - source.sent[0][0] == pytest.approx(1)

    run(scenario())


@pytest.mark.parametrize(("key", "waits"), [(by_credential, False), (by_source, True)])
def test_keys(key: Any, *, waits: bool) -> None:
    """Each credential has its bucket, or the whole source has one."""

    async def scenario() -> None:
        source, started = Source(), clock()
        step = pacing(Rate(1, 1.0), key=key)
        await asyncio.gather(*(send(step, source, authorization=token) for token in ("a", "b")))
        assert (clock() > started) is waits

    run(scenario())


def test_rotation() -> None:
    """Waiting calls are served in rotation by principal, those of one principal in order."""

    async def scenario() -> None:
        order: list[str] = []

        async def source(request: Any) -> Response:
            order.append(request.headers["X-Name"])
            return OK

        step = pacing(Rate(1, 1.0, margin=0.0))
        names = [*(f"a{n}" for n in range(5)), "b0", "b1", "c0"]
        await asyncio.gather(*(send(step, source, name[0], X_Name=name) for name in names))
        assert order == ["a0", "a1", "b0", "c0", "a2", "b1", "a3", "a4"]

    run(scenario())


def test_predicted_wait() -> None:
    """The predicted wait includes the rotation."""

    async def scenario() -> None:
        step, source = pacing(Rate(1, 1.0, margin=0.0)), Source()
        first = [asyncio.ensure_future(send(step, source, name)) for name in "aaaabbc"]
        await asyncio.sleep(0)
        refused = [await send(step, source, name, within=0.5) for name in "abcd"]
        # Three calls of a wait, two of b, one of c, in the order a b c a b a. A fourth call of a would be last, and so
        # would a third of b; a second of c would come after the second of b, and one of d after the first of c.
        assert [round(error.retry_after, 2) for error in refused] == [7, 7, 6, 4]
        await asyncio.gather(*first)

    run(scenario())


def test_written_late() -> None:
    """A token is used when its call is written: calls that were delayed do not join those of the next window."""

    async def scenario() -> None:
        written, transport = written_late(0.9)
        step = pacing()
        calls = [asyncio.ensure_future(send(step, transport)) for _ in range(2)]
        await asyncio.sleep(0.5)
        calls += [asyncio.ensure_future(send(step, transport)) for _ in range(4)]
        await asyncio.gather(*calls)
        assert [round(at - 1000, 2) for at in written] == [0.9, 0.9, 2.8, 2.8, 4.7, 4.7]

    run(scenario())


def test_not_written() -> None:
    """A call that fails before it is written gives its token to the next one."""

    async def scenario() -> None:
        async def unreachable(_: Any) -> Response:
            raise REFUSED

        step, source, started = pacing(Rate(1, 60.0)), Source(), clock()
        assert await send(step, unreachable) is REFUSED
        assert await send(step, source) is OK
        assert clock() == started

    run(scenario())


def test_probe() -> None:
    """After a pause one call probes the source; the others follow when it succeeds, and wait when it is refused."""

    async def scenario() -> None:
        refused = response(429, Retry_After="892")
        source = Source((0.1, refused), (0.1, refused), (0.1, response(429, Retry_After="5")), (0.1, OK))
        step, started = pacing(), clock()
        first = await asyncio.gather(*(send(step, source) for _ in range(2)))
        assert [result.status for result in first] == [429, 429]
        results = await asyncio.gather(*(send(step, source) for _ in range(4)))
        assert [result.status for result in results] == [429, 200, 200, 200]
        assert [round(at - started, 1) for at, _ in source.sent] == [0, 0, 30.1, 35.2, 35.3, 36.2]

    run(scenario())


def test_operations() -> None:
    """One operation with many calls does not make another one of the same principal wait for all of them."""

    async def scenario() -> None:
        step, source = pacing(Rate(1, 1.0, margin=0.0)), Source()

        async def calls(number: int) -> float:
            with operation(timeout=None, clock=clock):
                await asyncio.gather(*(outcome(step, call(), source) for _ in range(number)))
            return clock() - 1000

        many = asyncio.ensure_future(calls(50))
        await asyncio.sleep(0)
        assert await calls(1) <= 3
        assert await many == 50

    run(scenario())


def test_of_no_operation() -> None:
    """A call of no operation, such as one of a poll, does not wait for all operations of callers without a name."""

    async def scenario() -> None:
        source, started = Source(), clock()
        step = pacing()
        reads = [asyncio.create_task(send(step, source)) for _ in range(20)]
        await asyncio.sleep(0)
        await outcome(step, call(), source)
        assert clock() - started == pytest.approx(1)
        await asyncio.gather(*reads)

    run(scenario())


def test_too_many_waiting() -> None:
    """The calls of one operation that may wait are limited, and others are not affected."""

    async def scenario() -> None:
        step, source = pacing(Rate(1, 1.0)), Source()

        async def calls(number: int) -> list[Any]:
            with operation(timeout=None, clock=clock):
                return await asyncio.gather(*(outcome(step, call(), source) for _ in range(number)))

        results, [other] = await asyncio.gather(calls(1000), calls(1))
        refused = [result for result in results if isinstance(result, RateLimited)]
        assert (len(refused), other) == (1000 - 1 - 256, OK)

    run(scenario())


def test_cancelled_before_its_start() -> None:
    """A call whose task is cancelled before its first step gives its token back."""

    async def scenario() -> None:
        step, source = pacing(Rate(1, 60.0)), Source()
        task = step.try_call(READ, source)
        assert task is not None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)
        assert await send(step, source) is OK
        assert source.count == 1

    run(scenario())


def test_cancelled() -> None:
    """A cancelled call leaves the queue and gives its token back, even when it has just got it."""

    async def scenario() -> None:
        step, source, started = pacing(Rate(1, 1.0, margin=0.0)), Source(), clock()
        tasks = [asyncio.ensure_future(send(step, source)) for _ in range(4)]
        await asyncio.sleep(0.5)
        tasks[1].cancel()
        # After the timer that gives out the token, and before the task that gets it continues.
        asyncio.get_running_loop().call_at(started + 1 + 1e-10, tasks[2].cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        queue = step._queue(READ)
        assert [round(at - started, 2) for at, _ in source.sent] == [0, 1]
        assert (queue.timer, list(queue.waiters)) == (None, [])

    run(scenario())


def test_all_cancelled() -> None:
    """When the last waiting call is cancelled, its timer is too."""

    async def scenario() -> None:
        step, source = pacing(Rate(1, 60.0)), Source()
        await send(step, source)
        tasks = [asyncio.ensure_future(send(step, source, name)) for name in "abc"]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert step._queue(READ).timer is None

    run(scenario())


def test_try_call() -> None:
    """A call is made at once only if a token is available and no call waits for it."""

    async def scenario() -> None:
        step, source = pacing(Rate(1, 1.0)), Source()
        first = step.try_call(READ, source)
        assert first is not None
        assert step.try_call(READ, source) is None
        assert await first is OK
        await send(step, source)
        assert clock() == 1001.05

    run(scenario())


def test_many_credentials() -> None:
    """When there are many buckets, those that are like new are removed."""

    async def scenario() -> None:
        step, source = pacing(), Source()
        for number in range(3000):
            await send(step, source, authorization=str(number))
            await asyncio.sleep(0.1)
        assert len(step._queues) <= 1024

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
    """In no history does a window have too many calls, does a call wait too long, or is a queue or timer left."""

    async def scenario() -> None:
        step = pacing(Rate(calls, 1.0, margin=0.0))
        sent: list[float] = []

        async def caller(name: str, deadline: float | None, cancelled_after: float | None) -> None:
            started = clock()

            async def source(_: Any) -> Response:
                sent.append(clock())
                assert deadline is None or clock() < started + deadline + 1e-6
                return OK

            task = asyncio.ensure_future(send(step, source, name, deadline))
            await asyncio.wait([task], timeout=cancelled_after)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert deadline is None or clock() <= started + deadline + 1e-6

        tasks = []
        for name, pause, deadline, cancelled_after in callers:
            tasks.append(asyncio.ensure_future(caller(name, deadline, cancelled_after)))
            await asyncio.sleep(pause)
        await asyncio.gather(*tasks)
        queue = step._queue(READ)
        assert (list(queue.waiters), queue.timer) == ([], None)
        for start in sent:
            assert sum(start <= at < start + 1.0 - 1e-9 for at in sent) <= calls

    run(scenario())


@given(st.lists(st.integers(1, 8), min_size=2, max_size=5))
def test_fair(loads: list[int]) -> None:
    """While several principals wait, the numbers of their served calls differ by at most one."""

    async def scenario() -> None:
        step = pacing(Rate(1, 1.0, margin=0.0))
        await send(step, Source())
        left = {str(name): load for name, load in enumerate(loads)}
        served: Counter[str] = Counter()

        async def caller(name: str) -> None:
            async def source(_: Any) -> Response:
                served[name] += 1
                left[name] -= 1
                waiting = [other for other in left if left[other]]
                assert all(served[name] - served[other] <= 1 for other in waiting)
                return OK

            await send(step, source, name)

        await asyncio.gather(*(caller(str(name)) for name, load in enumerate(loads) for _ in range(load)))

    run(scenario())


def test_spare() -> None:
    """A call that nobody waits for is refused at once where only a quarter of the tokens is left."""

    async def scenario() -> None:
        source, log, started = Source(), Log(), clock()
        step = pacing(Rate(8, 1.0, margin=0.0), observe=log)
        results = [await spare(step, READ, source) for _ in range(9)]
        assert [getattr(result, "status", None) for result in results] == [200] * 6 + [None] * 3
        assert all(isinstance(result, NoSpareTokenError) for result in results[6:])
        assert [await outcome(step, READ, source) for _ in range(2)] == [OK] * 2
        assert (clock(), log.names) == (started, ["refused:spare"] * 3)

    run(scenario())


def test_spare_while_others_wait() -> None:
    """A call that nobody waits for takes no token as long as another call waits for one."""

    async def scenario() -> None:
        source, step = Source(), pacing(Rate(4, 1.0, margin=0.0))
        waiting = [asyncio.ensure_future(send(step, source)) for _ in range(9)]
        await asyncio.sleep(1.0)  # the next four are sent now, and one goes on waiting
        assert isinstance(await spare(step, READ, source), NoSpareTokenError)
        await asyncio.gather(*waiting)
        await asyncio.sleep(1.0)
        assert await spare(step, READ, source) is OK

    run(scenario())


def test_spare_after_429() -> None:
    """A call that nobody waits for does not probe a source that has responded 429, with or without a rate."""

    async def scenario() -> None:
        for rate in (Rate(8, 1.0, margin=0.0), None):
            source, step = Source(response(429, Retry_After="2"), OK), pacing(rate)
            await outcome(step, READ, source)
            for _ in range(2):
                assert isinstance(await spare(step, READ, source), NoSpareTokenError)
                await asyncio.sleep(3)
            assert await outcome(step, READ, source) is OK
            assert await spare(step, READ, source) is OK

    run(scenario())
