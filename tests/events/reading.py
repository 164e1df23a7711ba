"""Reading what a log tells."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from gateway.errors import SourceUnavailable
from gateway.events.log import Draining, EventLog, NoLongerHeld, SlowReader, UserEvent
from gateway.events.replicated import ReplicatedEventLog
from gateway.users.model import User, UserChange, UserSource

__all__ = ["Reader", "append", "changed", "names", "rest", "settled", "waiting"]

_BOUND = 10.0  # seconds: nothing here takes that long


async def settled(log: EventLog) -> None:
    """Wait until a log told what was published in it."""
    if isinstance(log, ReplicatedEventLog):
        async with asyncio.timeout(_BOUND):
            await log._outbox.emptied()
            await log._reader.reached(log._own)


async def waiting(subscription: Any) -> list[str]:
    """The users of the events that wait, read one by one."""
    names = []
    while True:
        try:
            async with asyncio.timeout(0.001):
                names.append((await anext(subscription)).user.source_id)
        except TimeoutError:
            return names


async def rest(subscription: Any) -> list[UserEvent]:
    """What it still gives when it is ended now."""
    subscription.end(Draining())
    told = []
    try:
        async for event in subscription:
            told.append(event)  # noqa: PERF401 - what was told before the end counts too
    except Draining:
        pass
    return told


def changed(name: object) -> tuple[UserChange, User]:
    """An event of the user of that name."""
    return UserChange.UPDATED, User(UserSource.ACCOUNT, str(name))


async def names(subscription: Any, count: int) -> list[str]:
    """The users of the next events."""
    async with asyncio.timeout(20):
        return [(await anext(subscription)).user.source_id for _ in range(count)]


async def append(log: ReplicatedEventLog, name: object) -> None:
    """Tell of a user, again and again until it is acknowledged, as a sender of webhooks does."""
    async with asyncio.timeout(20):
        while True:
            try:
                await log.append(*changed(name), name=str(name))
            except SourceUnavailable:
                await asyncio.sleep(0.02)
            else:
                return


class Reader:
    """Follows, leaves and resumes; knows what it has to be told."""

    def __init__(self, log: EventLog, only: UserSource | None) -> None:
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
