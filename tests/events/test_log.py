"""The event log in memory and in Redis: which subscription gets which events, in which order, and how it ends."""

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from events.reading import Reader, queued_ids, remaining_events, settled

from gateway.errors import BadUserInput, Code
from gateway.events.log import Draining, LogEvent, NoLongerHeld, SlowReader
from gateway.users.ids import Kind, Ref
from gateway.users.model import User, UserChange, UserSource

ACCOUNT, SOFTWAREONE, RESELLER = UserSource


async def test_an_event(logs: Any) -> None:
    """An event has the change, the user after it, the time and a resume token; later tokens are greater."""
    log = await logs.new()
    ada = User(ACCOUNT, "acus_1", name="Ada")
    async with log.subscribe() as subscription:
        log.publish(UserChange.CREATED, ada)
        log.publish(UserChange.DELETED, ada)
        first, second = [await anext(subscription) for _ in range(2)]
    assert (first.change, first.user, second.change) == (UserChange.CREATED, ada, UserChange.DELETED)
    assert subscription.start < first.id < second.id
    occurred_at = datetime.fromisoformat(first.occurred_at)
    assert occurred_at.utcoffset() == timedelta(0)
    assert abs(datetime.now(occurred_at.tzinfo) - occurred_at) < timedelta(seconds=10)


async def test_every_subscription_gets_it_once(logs: Any, publish: Any) -> None:
    """Every subscription gets each event once and in order, and none from before it started."""
    log = await logs.new()
    await publish(log, "before")
    async with log.subscribe() as first, log.subscribe() as second:
        await publish(log, "a", "b")
        assert await queued_ids(first) == await queued_ids(second) == ["a", "b"]


async def test_a_waiting_reader_is_woken(logs: Any, publish: Any) -> None:
    """A reader that waits for an event gets it when it is published."""
    log = await logs.new()
    async with log.subscribe() as subscription:
        reading = asyncio.create_task(anext(subscription))
        await asyncio.sleep(0)
        await publish(log, "a")
        assert (await reading).user.source_id == "a"


@pytest.mark.parametrize(
    ("filters", "received"),
    [
        ({}, ["A1", "a2", "m1", "t1/r1", "t2/r1"]),
        ({"sources": [ACCOUNT]}, ["A1", "a2"]),
        ({"sources": [SOFTWAREONE, RESELLER]}, ["m1", "t1/r1", "t2/r1"]),
        ({"ids": [Ref(Kind.USER, ACCOUNT, "a1"), Ref(Kind.USER, RESELLER, "r1", "t2")]}, ["A1", "t2/r1"]),
        ({"ids": [Ref(Kind.USER, ACCOUNT, "a2")], "sources": [RESELLER]}, []),
    ],
)
async def test_filters(logs: Any, filters: dict[str, Any], received: list[str]) -> None:
    """Filters on users, in any letter case, and on sources apply to new events and on resuming."""
    log = await logs.new()
    everyone = [User(ACCOUNT, "A1"), User(ACCOUNT, "a2"), User(SOFTWAREONE, "m1")]
    everyone += [User(RESELLER, "r1", tenant="t1"), User(RESELLER, "r1", tenant="t2")]
    async with log.subscribe(**filters) as live:
        for user in everyone:
            log.publish(UserChange.UPDATED, user)
        await settled(log)
    async with log.subscribe(**filters, after=live.start) as resumed:
        for subscription in (live, resumed):
            users = [event.user for event in await remaining_events(subscription)]
            assert ["/".join(filter(None, (user.tenant, user.source_id))) for user in users] == received


async def test_resuming(logs: Any, publish: Any) -> None:
    """A resumed subscription gets the missed events and then the new ones, without a gap or a repetition."""
    log = await logs.new()
    async with log.subscribe() as before:
        await publish(log, "a", "b")
        token = (await anext(before)).id
    await publish(log, "c")
    async with log.subscribe(after=token) as subscription:
        await publish(log, "d")
        assert await queued_ids(subscription) == ["b", "c", "d"]
        await publish(log, "e")
        assert await queued_ids(subscription) == ["e"]


async def test_a_token_before_any_event(logs: Any, publish: Any) -> None:
    """A subscription that ended before its first event can be resumed too."""
    log = await logs.new()
    async with log.subscribe() as before:
        pass
    await publish(log, "a")
    async with log.subscribe(after=before.start) as subscription:
        assert await queued_ids(subscription) == ["a"]


async def test_dropped_events(logs: Any, publish: Any) -> None:
    """A token is accepted while all events after it are held, and refused from then on."""
    log = await logs.new(max_events=2, queue_size=9)
    async with log.subscribe() as before:
        pass
    await publish(log, "a", "b")
    async with log.subscribe(after=before.start) as subscription:
        assert await queued_ids(subscription) == ["a", "b"]
    await publish(log, "c")
    with pytest.raises(NoLongerHeld) as refused:
        async with log.subscribe(after=before.start):
            pass
    assert (refused.value.code, refused.value.retryable) == (Code.NOT_FOUND, False)
    assert log.subscribers == 0


async def test_the_token_of_another_process(logs: Any, publish: Any) -> None:
    """A token of another log is recognised: its events are no longer held."""
    both = [await logs.new() for _ in range(2)]
    for log in both:
        await publish(log, "a")
    async with both[0].subscribe() as subscription:
        pass
    with pytest.raises(NoLongerHeld):
        async with both[1].subscribe(after=subscription.start):
            pass


@pytest.mark.parametrize("change", [lambda _: "x", lambda t: t + "0", lambda t: t[:-1] + "9", str.upper, lambda _: ""])
async def test_an_invalid_token(logs: Any, change: Any) -> None:
    """A token that no log has created is an error of the caller, with the name of the field."""
    log = await logs.new()
    async with log.subscribe() as subscription:
        pass
    with pytest.raises(BadUserInput) as refused:
        async with log.subscribe(after=change(subscription.start)):
            pass
    assert [violation.path for violation in refused.value.violations] == [("resume_token",)]


async def test_a_slow_reader(logs: Any, publish: Any) -> None:
    """An event for a full queue ends this subscription and no other; it can be resumed without loss."""
    log = await logs.new(max_events=99, queue_size=3)
    async with log.subscribe() as slow, log.subscribe() as quick:
        await publish(log, "a")
        token = (await anext(slow)).id
        assert await queued_ids(quick) == ["a"]
        await publish(log, "b", "c", "d")
        assert await queued_ids(quick) == ["b", "c", "d"]
        await publish(log, "e", "f")
        assert isinstance(await slow.ended(), SlowReader)
        assert await queued_ids(quick) == ["e", "f"]
        for _ in range(2):
            with pytest.raises(SlowReader) as raised:
                await anext(slow)
    assert (raised.value.code, raised.value.retryable) == (Code.RATE_LIMITED, True)
    async with log.subscribe(after=token) as again:
        assert await queued_ids(again) == ["b", "c", "d", "e", "f"]


async def test_only_accepted_events_are_queued(logs: Any, publish: Any) -> None:
    """Events that the filter excludes do not fill the queue."""
    log = await logs.new(max_events=9, queue_size=1)
    async with log.subscribe(sources=[RESELLER]) as subscription:
        await publish(log, *range(50))
        await publish(log, "r", source=RESELLER)
        assert await queued_ids(subscription) == ["r"]


async def test_too_slow_to_catch_up(logs: Any, publish: Any) -> None:
    """A reader that resumes, and reads so slowly that missed events are dropped in the meantime, is a slow reader."""
    log = await logs.new(max_events=3, queue_size=99)
    async with log.subscribe() as before:
        pass
    await publish(log, "a", "b", "c")
    async with log.subscribe(after=before.start) as subscription:
        assert (await anext(subscription)).user.source_id == "a"
        await publish(log, "d", "e")
        with pytest.raises(SlowReader):
            await anext(subscription)


async def test_closing(logs: Any, publish: Any) -> None:
    """After closing, subscriptions end with Draining once all events were read, and no new one can start."""
    log = await logs.new()
    async with log.subscribe() as busy, log.subscribe() as idle:
        reading = asyncio.create_task(anext(idle))
        await publish(log, "a")
        assert (await reading).user.source_id == "a"
        reading = asyncio.create_task(anext(idle))
        await asyncio.sleep(0)
        await log.aclose()
        await publish(log, "late")
        with pytest.raises(Draining):
            await reading
        assert (await anext(busy)).user.source_id == "a"
        with pytest.raises(Draining):
            await anext(busy)
        assert isinstance(await busy.ended(), Draining)
    with pytest.raises(Draining) as refused:
        async with log.subscribe():
            pass
    assert refused.value.code is Code.SOURCE_UNAVAILABLE


async def test_the_first_reason_is_kept(logs: Any, publish: Any) -> None:
    """A subscription that ended as a slow reader keeps that reason when the log is closed."""
    log = await logs.new(max_events=9, queue_size=1)
    async with log.subscribe() as subscription:
        await publish(log, "a", "b")
        await log.aclose()
        with pytest.raises(SlowReader):
            await anext(subscription)


async def test_unsubscribing(logs: Any, publish: Any) -> None:
    """A subscription is removed when its block ends, also by an exception or a cancellation."""
    log = await logs.new()
    with pytest.raises(ZeroDivisionError):
        async with log.subscribe():
            raise ZeroDivisionError

    subscribed = asyncio.Event()

    async def read() -> None:
        async with log.subscribe() as subscription:
            subscribed.set()
            await anext(subscription)

    reading = asyncio.create_task(read())
    await subscribed.wait()
    assert log.subscribers == 1
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert log.subscribers == 0
    await publish(log, "a")


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_or_repeated(logs: Any, seed: int) -> None:
    """Readers that read, leave, overflow and resume get each event once, or an error that events were dropped."""
    rng = random.Random(seed)  # noqa: S311 - a test's choices
    log = await logs.new(max_events=20, queue_size=4)
    readers = [Reader(log, source) for source in (None, ACCOUNT, RESELLER)]
    for number in range(80):
        if rng.random() < 0.4:
            for offset in range(rng.randint(1, 5)):
                user = User(
                    UserSource((ACCOUNT, SOFTWAREONE, RESELLER)[(number + offset) % 3]), str(number * 10 + offset)
                )
                log.publish(UserChange.UPDATED, user)
                for reader in readers:
                    reader.expect(user)
            await settled(log)
        else:
            await getattr(rng.choice(readers), rng.choice(["read", "read", "leave", "enter"]))()
    for reader in readers:
        await reader.enter()
        while reader.expected:
            await reader.read()
        await reader.leave()


async def test_observer(logs: Any, publish: Any) -> None:
    """The observer gets each event of the log, and each slow reader once."""
    log = await logs.new(queue_size=1)
    async with log.subscribe():
        await publish(log, "a", "b", "c")
        assert log.subscribers == 1
    assert sorted(logs.log_events) == [(LogEvent.PUBLISHED, "account")] * 3 + [(LogEvent.SLOW_READER, "")]
