"""The log in memory: who hears of what, in which order, how often, and how it ends."""

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadUserInput, Code
from gateway.events.errors import Draining, NoLongerHeld, SlowReader
from gateway.events.log import UserEvent
from gateway.events.memory import EventLogSettings, MemoryEventLog
from gateway.users.ids import Kind, Ref
from gateway.users.model import User, UserChange, UserSource

ACCOUNT, SOFTWAREONE, RESELLER = UserSource


async def waiting(subscription: Any) -> list[str]:
    """The users of the events that wait, read one by one."""
    names = []
    while True:
        try:
            async with asyncio.timeout(0.001):
                names.append((await anext(subscription)).user.source_id)
        except TimeoutError:
            return names


def small(held: int, queue: int) -> MemoryEventLog:
    """A log that holds little."""
    return MemoryEventLog(EventLogSettings(held=held, queue=queue))


async def test_an_event() -> None:
    """It says what happened, the user after it, when, and a token; later tokens are greater."""
    log = MemoryEventLog()
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


async def test_each_subscriber_hears_it_once(publish: Any) -> None:
    """Everyone who follows gets each event once and in order; what was before is not told."""
    log = MemoryEventLog()
    publish(log, "before")
    async with log.subscribe() as one, log.subscribe() as other:
        publish(log, "a", "b")
        assert await waiting(one) == await waiting(other) == ["a", "b"]


async def test_a_reader_that_waits_is_woken(publish: Any) -> None:
    """Who reads before anything happens gets it when it does."""
    log = MemoryEventLog()
    async with log.subscribe() as subscription:
        reading = asyncio.create_task(anext(subscription))
        await asyncio.sleep(0)
        publish(log, "a")
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
async def test_filters(wanted: dict[str, Any], heard: list[str]) -> None:
    """Users, in any case of letters, and systems narrow what is told, now and on resuming."""
    log = MemoryEventLog()
    everyone = [User(ACCOUNT, "A1"), User(ACCOUNT, "a2"), User(SOFTWAREONE, "m1")]
    everyone += [User(RESELLER, "r1", tenant="t1"), User(RESELLER, "r1", tenant="t2")]
    async with log.subscribe(**wanted) as live:
        for user in everyone:
            log.publish(UserChange.UPDATED, user)
    async with log.subscribe(**wanted, after=live.start) as resumed:
        for subscription in (live, resumed):
            told = [one.user async for one in rest(subscription)]
            assert ["/".join(filter(None, (user.tenant, user.source_id))) for user in told] == heard


async def rest(subscription: Any) -> Any:
    """What it still gives when it is ended now."""
    subscription.end(Draining())
    try:
        async for event in subscription:
            yield event
    except Draining:
        return


async def test_resuming(publish: Any) -> None:
    """After a token comes what was missed and then what happens, without a gap or a repetition."""
    log = MemoryEventLog()
    async with log.subscribe() as before:
        publish(log, "a", "b")
        token = (await anext(before)).id
    publish(log, "c")
    async with log.subscribe(after=token) as subscription:
        publish(log, "d")
        assert await waiting(subscription) == ["b", "c", "d"]
        publish(log, "e")
        assert await waiting(subscription) == ["e"]


async def test_a_token_before_any_event(publish: Any) -> None:
    """A subscription that ended before its first event has a place to resume at too."""
    log = MemoryEventLog()
    async with log.subscribe() as before:
        pass
    publish(log, "a")
    async with log.subscribe(after=before.start) as subscription:
        assert await waiting(subscription) == ["a"]


async def test_what_was_missed_is_gone(publish: Any) -> None:
    """A token is good as long as everything after it is held, and is refused from then on."""
    log = small(held=2, queue=9)
    async with log.subscribe() as before:
        pass
    publish(log, "a", "b")
    async with log.subscribe(after=before.start) as subscription:
        assert await waiting(subscription) == ["a", "b"]
    publish(log, "c")
    with pytest.raises(NoLongerHeld) as refused:
        async with log.subscribe(after=before.start):
            pass
    assert (refused.value.code, refused.value.retryable) == (Code.NOT_FOUND, False)
    assert log.subscribers == 0


async def test_the_token_of_another_process(publish: Any) -> None:
    """What another log gave is told from nonsense: it is no longer held."""
    logs = [MemoryEventLog() for _ in range(2)]
    for log in logs:
        publish(log, "a")
    async with logs[0].subscribe() as subscription:
        pass
    with pytest.raises(NoLongerHeld):
        async with logs[1].subscribe(after=subscription.start):
            pass


@pytest.mark.parametrize("spoil", [lambda _: "x", lambda t: t + "0", lambda t: t[:-1] + "9", str.upper, lambda _: ""])
async def test_no_token(spoil: Any) -> None:
    """What the log never gave is the caller's mistake, named by its field."""
    log = MemoryEventLog()
    async with log.subscribe() as subscription:
        pass
    with pytest.raises(BadUserInput) as refused:
        async with log.subscribe(after=spoil(subscription.start)):
            pass
    assert [one.path for one in refused.value.violations] == [("resume_token",)]


async def test_a_slow_reader(publish: Any) -> None:
    """One event more than may wait ends the subscription, and no other; it can be resumed without loss."""
    log = small(held=99, queue=3)
    async with log.subscribe() as slow, log.subscribe() as quick:
        publish(log, "a")
        token = (await anext(slow)).id
        assert await waiting(quick) == ["a"]
        publish(log, "b", "c", "d")
        assert await waiting(quick) == ["b", "c", "d"]
        publish(log, "e", "f")
        assert isinstance(await slow.ended(), SlowReader)
        assert await waiting(quick) == ["e", "f"]
        for _ in range(2):
            with pytest.raises(SlowReader) as raised:
                await anext(slow)
    assert (raised.value.code, raised.value.retryable) == (Code.RATE_LIMITED, True)
    async with log.subscribe(after=token) as again:
        assert await waiting(again) == ["b", "c", "d", "e", "f"]


async def test_only_what_is_wanted_waits(publish: Any) -> None:
    """What a reader did not ask for never makes it a slow one."""
    log = small(held=9, queue=1)
    async with log.subscribe(sources=[RESELLER]) as subscription:
        publish(log, *range(50))
        publish(log, "r", source=RESELLER)
        assert await waiting(subscription) == ["r"]


async def test_too_slow_to_catch_up(publish: Any) -> None:
    """Who resumes, and reads so slowly that the log goes over what was missed, is a slow reader."""
    log = small(held=3, queue=99)
    async with log.subscribe() as before:
        pass
    publish(log, "a", "b", "c")
    async with log.subscribe(after=before.start) as subscription:
        assert (await anext(subscription)).user.source_id == "a"
        publish(log, "d", "e")
        with pytest.raises(SlowReader):
            await anext(subscription)


async def test_closing(publish: Any) -> None:
    """Closing ends everyone with Draining once what happened was read; nobody can follow it any more."""
    log = MemoryEventLog()
    async with log.subscribe() as busy, log.subscribe() as idle:
        reading = asyncio.create_task(anext(idle))
        publish(log, "a")
        assert (await reading).user.source_id == "a"
        reading = asyncio.create_task(anext(idle))
        await asyncio.sleep(0)
        await log.close()
        publish(log, "late")
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


async def test_the_first_reason_counts(publish: Any) -> None:
    """A slow reader stays one when the log closes after it."""
    log = small(held=9, queue=1)
    async with log.subscribe() as subscription:
        publish(log, "a", "b")
        await log.close()
        with pytest.raises(SlowReader):
            await anext(subscription)


async def test_leaving(publish: Any) -> None:
    """Who leaves, also by an error or a cancellation, is not kept."""
    log = MemoryEventLog()
    with pytest.raises(ZeroDivisionError):
        async with log.subscribe():
            raise ZeroDivisionError

    async def follow() -> None:
        async with log.subscribe() as subscription:
            await anext(subscription)

    following = asyncio.create_task(follow())
    await asyncio.sleep(0)
    assert log.subscribers == 1
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert log.subscribers == 0
    publish(log, "a")


@given(st.integers(1, 6), st.integers(0, 40))
async def test_no_more_is_held(held: int, published: int) -> None:
    """However much happens, the log holds what it may and a queue no more than it may."""
    log = small(held, queue=4)
    async with log.subscribe() as subscription:
        for number in range(published):
            log.publish(UserChange.UPDATED, User(ACCOUNT, str(number)))
            assert len(log) <= held
            assert len(subscription._queue) <= 4
    assert len(log) == min(held, published)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(1, 5)),
        st.tuples(st.sampled_from(["read", "leave", "enter"]), st.integers(0, 2)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 30), st.integers(1, 6))
async def test_nothing_is_lost_or_repeated(steps: list[tuple[str, int]], held: int, queue: int) -> None:
    """Readers that read, leave, are thrown out and resume as they like get every event of theirs once, in order.

    Or are told that a part is gone, and then start anew.
    """
    log = small(held, queue)
    readers = [Reader(log, only) for only in (None, ACCOUNT, RESELLER)]
    for number, (step, which) in enumerate(steps):
        if step == "publish":
            for turn in range(which):
                source = (ACCOUNT, SOFTWAREONE, RESELLER)[(number + turn) % 3]
                user = User(source, str(number * 10 + turn))
                log.publish(UserChange.UPDATED, user)
                for reader in readers:
                    reader.happened(user)
        else:
            await getattr(readers[which], step)()
    for reader in readers:
        await reader.enter()
        while reader.expected:
            await reader.read()
        await reader.leave()


class Reader:
    """Knows what it has to be told."""

    def __init__(self, log: MemoryEventLog, only: UserSource | None) -> None:
        self.log, self.only = log, only
        self.expected: list[User] = []
        self.token: str | None = None
        self.reading: Any = None
        self.stack = AsyncExitStack()

    def happened(self, user: User) -> None:
        if self.token is not None and self.only in {None, user.source}:
            self.expected.append(user)

    async def enter(self) -> None:
        if self.reading is not None:
            return
        wanted = {} if self.only is None else {"sources": [self.only]}
        try:
            self.reading = await self.stack.enter_async_context(self.log.subscribe(**wanted, after=self.token))
        except NoLongerHeld:
            self.expected.clear()
            self.token = None
            await self.enter()
        self.token = self.token or self.reading.start

    async def read(self) -> None:
        if self.reading is None:
            return await self.enter()
        if not self.expected:
            return None
        try:
            event: UserEvent = await anext(self.reading)
        except SlowReader:
            return await self.leave()
        assert event.user == self.expected.pop(0)
        self.token = event.id
        return None

    async def leave(self) -> None:
        self.reading = None
        await self.stack.aclose()
