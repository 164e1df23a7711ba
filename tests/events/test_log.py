"""The log in both of its forms: who hears of what, in which order, how often, and how it ends."""

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from events.reading import Reader, rest, settled, waiting

from gateway.errors import BadUserInput, Code
from gateway.events.log import Draining, LogEvent, NoLongerHeld, SlowReader
from gateway.users.ids import Kind, Ref
from gateway.users.model import User, UserChange, UserSource

ACCOUNT, SOFTWAREONE, RESELLER = UserSource


async def test_an_event(logs: Any) -> None:
    """It says what happened, the user after it, when, and a token; later tokens are greater."""
    log = await logs.new()
    ada = User(ACCOUNT, "acus_1", name="Ada")
    async with log.subscribe() as subscription:
        log.publish(UserChange.CREATED, ada)
        log.publish(UserChange.DELETED, ada)
        first, second = [await anext(subscription) for _ in range(2)]
    assert (first.change, first.user, second.change) == (UserChange.CREATED, ada, UserChange.DELETED)
    assert subscription.start < first.id < second.id
    when = datetime.fromisoformat(first.occurred_at)
    assert when.utcoffset() == timedelta(0)
    assert abs(datetime.now(when.tzinfo) - when) < timedelta(seconds=10)


async def test_each_subscriber_hears_it_once(logs: Any, publish: Any) -> None:
    """Everyone who follows gets each event once and in order; what was before is not told."""
    log = await logs.new()
    await publish(log, "before")
    async with log.subscribe() as one, log.subscribe() as other:
        await publish(log, "a", "b")
        assert await waiting(one) == await waiting(other) == ["a", "b"]


async def test_a_reader_that_waits_is_woken(logs: Any, publish: Any) -> None:
    """Who reads before anything happens gets it when it does."""
    log = await logs.new()
    async with log.subscribe() as subscription:
        reading = asyncio.create_task(anext(subscription))
        await asyncio.sleep(0)
        await publish(log, "a")
        assert (await reading).user.source_id == "a"


@pytest.mark.parametrize(
    ("wanted", "heard"),
    [
        ({}, ["A1", "a2", "m1", "t1/r1", "t2/r1"]),
        ({"sources": [ACCOUNT]}, ["A1", "a2"]),
        ({"sources": [SOFTWAREONE, RESELLER]}, ["m1", "t1/r1", "t2/r1"]),
        ({"ids": [Ref(Kind.USER, ACCOUNT, "a1"), Ref(Kind.USER, RESELLER, "r1", "t2")]}, ["A1", "t2/r1"]),
        ({"ids": [Ref(Kind.USER, ACCOUNT, "a2")], "sources": [RESELLER]}, []),
    ],
)
async def test_filters(logs: Any, wanted: dict[str, Any], heard: list[str]) -> None:
    """Users, in any case of letters, and systems narrow what is told, now and on resuming."""
    log = await logs.new()
    everyone = [User(ACCOUNT, "A1"), User(ACCOUNT, "a2"), User(SOFTWAREONE, "m1")]
    everyone += [User(RESELLER, "r1", tenant="t1"), User(RESELLER, "r1", tenant="t2")]
    async with log.subscribe(**wanted) as live:
        for user in everyone:
            log.publish(UserChange.UPDATED, user)
        await settled(log)
    async with log.subscribe(**wanted, after=live.start) as resumed:
        for subscription in (live, resumed):
            told = [one.user for one in await rest(subscription)]
            assert ["/".join(filter(None, (user.tenant, user.source_id))) for user in told] == heard


async def test_resuming(logs: Any, publish: Any) -> None:
    """After a token comes what was missed and then what happens, without a gap or a repetition."""
    log = await logs.new()
    async with log.subscribe() as before:
        await publish(log, "a", "b")
        token = (await anext(before)).id
    await publish(log, "c")
    async with log.subscribe(after=token) as subscription:
        await publish(log, "d")
        assert await waiting(subscription) == ["b", "c", "d"]
        await publish(log, "e")
        assert await waiting(subscription) == ["e"]


async def test_a_token_before_any_event(logs: Any, publish: Any) -> None:
    """A subscription that ended before its first event has a place to resume at too."""
    log = await logs.new()
    async with log.subscribe() as before:
        pass
    await publish(log, "a")
    async with log.subscribe(after=before.start) as subscription:
        assert await waiting(subscription) == ["a"]


async def test_what_was_missed_is_gone(logs: Any, publish: Any) -> None:
    """A token is good as long as everything after it is held, and is refused from then on."""
    log = await logs.new(held=2, queue=9)
    async with log.subscribe() as before:
        pass
    await publish(log, "a", "b")
    async with log.subscribe(after=before.start) as subscription:
        assert await waiting(subscription) == ["a", "b"]
    await publish(log, "c")
    with pytest.raises(NoLongerHeld) as refused:
        async with log.subscribe(after=before.start):
            pass
    assert (refused.value.code, refused.value.retryable) == (Code.NOT_FOUND, False)
    assert log.subscribers == 0


async def test_the_token_of_another_process(logs: Any, publish: Any) -> None:
    """What another log gave is told from nonsense: it is no longer held."""
    both = [await logs.new() for _ in range(2)]
    for log in both:
        await publish(log, "a")
    async with both[0].subscribe() as subscription:
        pass
    with pytest.raises(NoLongerHeld):
        async with both[1].subscribe(after=subscription.start):
            pass


@pytest.mark.parametrize("spoil", [lambda _: "x", lambda t: t + "0", lambda t: t[:-1] + "9", str.upper, lambda _: ""])
async def test_no_token(logs: Any, spoil: Any) -> None:
    """What the log never gave is the caller's mistake, named by its field."""
    log = await logs.new()
    async with log.subscribe() as subscription:
        pass
    with pytest.raises(BadUserInput) as refused:
        async with log.subscribe(after=spoil(subscription.start)):
            pass
    assert [one.path for one in refused.value.violations] == [("resume_token",)]


async def test_a_slow_reader(logs: Any, publish: Any) -> None:
    """One event more than may wait ends the subscription, and no other; it can be resumed without loss."""
    log = await logs.new(held=99, queue=3)
    async with log.subscribe() as slow, log.subscribe() as quick:
        await publish(log, "a")
        token = (await anext(slow)).id
        assert await waiting(quick) == ["a"]
        await publish(log, "b", "c", "d")
        assert await waiting(quick) == ["b", "c", "d"]
        await publish(log, "e", "f")
        assert isinstance(await slow.ended(), SlowReader)
        assert await waiting(quick) == ["e", "f"]
        for _ in range(2):
            with pytest.raises(SlowReader) as raised:
                await anext(slow)
    assert (raised.value.code, raised.value.retryable) == (Code.RATE_LIMITED, True)
    async with log.subscribe(after=token) as again:
        assert await waiting(again) == ["b", "c", "d", "e", "f"]


async def test_only_what_is_wanted_waits(logs: Any, publish: Any) -> None:
    """What a reader did not ask for never makes it a slow one."""
    log = await logs.new(held=9, queue=1)
    async with log.subscribe(sources=[RESELLER]) as subscription:
        await publish(log, *range(50))
        await publish(log, "r", source=RESELLER)
        assert await waiting(subscription) == ["r"]


async def test_too_slow_to_catch_up(logs: Any, publish: Any) -> None:
    """Who resumes, and reads so slowly that the log goes over what was missed, is a slow reader."""
    log = await logs.new(held=3, queue=99)
    async with log.subscribe() as before:
        pass
    await publish(log, "a", "b", "c")
    async with log.subscribe(after=before.start) as subscription:
        assert (await anext(subscription)).user.source_id == "a"
        await publish(log, "d", "e")
        with pytest.raises(SlowReader):
            await anext(subscription)


async def test_closing(logs: Any, publish: Any) -> None:
    """Closing ends everyone with Draining once what happened was read; nobody can follow it any more."""
    log = await logs.new()
    async with log.subscribe() as busy, log.subscribe() as idle:
        reading = asyncio.create_task(anext(idle))
        await publish(log, "a")
        assert (await reading).user.source_id == "a"
        reading = asyncio.create_task(anext(idle))
        await asyncio.sleep(0)
        await log.close()
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


async def test_the_first_reason_counts(logs: Any, publish: Any) -> None:
    """A slow reader stays one when the log closes after it."""
    log = await logs.new(held=9, queue=1)
    async with log.subscribe() as subscription:
        await publish(log, "a", "b")
        await log.close()
        with pytest.raises(SlowReader):
            await anext(subscription)


async def test_leaving(logs: Any, publish: Any) -> None:
    """Who leaves, also by an error or a cancellation, is not kept."""
    log = await logs.new()
    with pytest.raises(ZeroDivisionError):
        async with log.subscribe():
            raise ZeroDivisionError

    inside = asyncio.Event()

    async def follow() -> None:
        async with log.subscribe() as subscription:
            inside.set()
            await anext(subscription)

    following = asyncio.create_task(follow())
    await inside.wait()
    assert log.subscribers == 1
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert log.subscribers == 0
    await publish(log, "a")


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_or_repeated(logs: Any, seed: int) -> None:
    """Readers that read, leave, are thrown out and resume get every event of theirs once, or hear that it is gone."""
    chosen = random.Random(seed)  # noqa: S311 - a test's choices
    log = await logs.new(held=20, queue=4)
    readers = [Reader(log, only) for only in (None, ACCOUNT, RESELLER)]
    for number in range(80):
        if chosen.random() < 0.4:
            for turn in range(chosen.randint(1, 5)):
                user = User(UserSource((ACCOUNT, SOFTWAREONE, RESELLER)[(number + turn) % 3]), str(number * 10 + turn))
                log.publish(UserChange.UPDATED, user)
                for reader in readers:
                    reader.happened(user)
            await settled(log)
        else:
            await getattr(chosen.choice(readers), chosen.choice(["read", "read", "leave", "enter"]))()
    for reader in readers:
        await reader.enter()
        while reader.expected:
            await reader.read()
        await reader.leave()


async def test_counting(logs: Any, publish: Any) -> None:
    """Who counts hears of each event in the log, and of each slow reader once."""
    log = await logs.new(queue=1)
    async with log.subscribe():
        await publish(log, "a", "b", "c")
        assert log.subscribers == 1
    assert sorted(logs.happenings) == [(LogEvent.PUBLISHED, "account")] * 3 + [(LogEvent.SLOW_READER, "")]
