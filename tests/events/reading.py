"""Helpers that append events to a log and read them from subscriptions."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from gateway.errors import SourceUnavailable
from gateway.events.log import Draining, EventLog, NoLongerHeld, SlowReader, UserEvent
from gateway.events.replicated import ReplicatedEventLog
from gateway.users.model import User, UserChange, UserSource

__all__ = ["Reader", "append", "caught_up", "changed", "next_ids", "queued_ids", "remaining_events", "settled"]

_TIMEOUT = 30.0  # seconds: nothing here takes that long


async def settled(log: EventLog) -> None:
    """Wait until the log has offered all published events to its subscriptions."""
    if isinstance(log, ReplicatedEventLog):
        async with asyncio.timeout(_TIMEOUT):
            await log._outbox.wait_empty()
            await log._reader.wait_for(log._last_written)


async def caught_up(log: EventLog) -> None:
    """Wait until the log has read what all replicas have written."""
    if log.catch_up is None:
        return
    async with asyncio.timeout(20):
        while True:
            if await log.catch_up():
                return
            await asyncio.sleep(0.01)


async def queued_ids(subscription: Any) -> list[str]:
    """Read all events that are available now; return the ids of their users."""
    ids = []
    while True:
        try:
            async with asyncio.timeout(0.001):
                ids.append((await anext(subscription)).user.source_id)
        except TimeoutError:
            return ids


async def remaining_events(subscription: Any) -> list[UserEvent]:
    """End the subscription and return the events that it still yields."""
    subscription.end(Draining())
    events = []
    try:
        async for event in subscription:
            events.append(event)  # noqa: PERF401 - the events before the exception count too
    except Draining:
        pass
    return events


def changed(source_id: object) -> tuple[UserChange, User]:
    """Return the arguments of an event of the user with that id."""
    return UserChange.UPDATED, User(UserSource.ACCOUNT, str(source_id))


async def next_ids(subscription: Any, count: int) -> list[str]:
    """Wait for that many events; return the ids of their users."""
    async with asyncio.timeout(20):
        return [(await anext(subscription)).user.source_id for _ in range(count)]


async def append(log: ReplicatedEventLog, source_id: object) -> None:
    """Append an event, repeatedly until it is acknowledged, as a sender of webhooks does."""
    async with asyncio.timeout(20):
        while True:
            try:
                await log.append(*changed(source_id), name=str(source_id))
            except SourceUnavailable:
                await asyncio.sleep(0.02)
            else:
                return


class Reader:
    """Subscribes, leaves and resumes, and checks that each expected event arrives once and in order."""

    def __init__(self, log: EventLog, source: UserSource | None) -> None:
        self.log, self.source = log, source
        self.expected: list[User] = []
        self.token: str | None = None
        self.subscription: Any = None
        self.stack = AsyncExitStack()

    def expect(self, user: User) -> None:
        if self.token is not None and self.source in {None, user.source}:
            self.expected.append(user)

    async def enter(self) -> None:
        if self.subscription is not None:
            return
        filters = {} if self.source is None else {"sources": [self.source]}
        try:
            self.subscription = await self.stack.enter_async_context(self.log.subscribe(**filters, after=self.token))
        except NoLongerHeld:
            self.expected.clear()
            self.token = None
            await self.enter()
        self.token = self.token or self.subscription.start

    async def read(self) -> None:
        if self.subscription is None:
            return await self.enter()
        if not self.expected:
            return None
        try:
            event: UserEvent = await anext(self.subscription)
        except SlowReader:
            return await self.leave()
        assert event.user == self.expected.pop(0)
        self.token = event.id
        return None

    async def leave(self) -> None:
        self.subscription = None
        await self.stack.aclose()
