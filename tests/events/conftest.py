"""Users to whom something happens, and the event log in both of its forms under one handle."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
from events.reading import settled
from state.conftest import redis_url
from state.server import RedisServer

from gateway.events.log import EventLog, EventLogSettings, LogEvent
from gateway.events.memory import MemoryEventLog
from gateway.events.replicated import ReplicatedEventLog
from gateway.state.redis.client import connect
from gateway.state.redis.event_stream import RedisEventStream
from gateway.users.model import User, UserChange, UserSource

__all__ = ["redis_url"]


@pytest.fixture
def publish() -> Callable[..., Any]:
    """Publishes that users were changed, those of these names, in that order; waits until it was told."""

    async def publish(log: EventLog, *names: object, source: UserSource = UserSource.ACCOUNT) -> None:
        for name in names:
            log.publish(UserChange.UPDATED, User(source, str(name)))
        await settled(log)

    return publish


class Logs(Protocol):
    """Makes logs of one form."""

    happenings: list[tuple[LogEvent, str]]

    async def new(self, **settings: Any) -> EventLog:
        """An empty log."""

    async def replica(self, log: EventLog) -> EventLog:
        """The same log as another process sees it."""


class InMemory:
    def __init__(self) -> None:
        self.happenings: list[tuple[LogEvent, str]] = []

    async def new(self, **settings: Any) -> EventLog:
        return MemoryEventLog(EventLogSettings(**settings), observe=lambda *one: self.happenings.append(one))

    async def replica(self, log: EventLog) -> EventLog:
        return log


class InRedis:
    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self.happenings: list[tuple[LogEvent, str]] = []
        self._url = url
        self._stack = stack
        self._made: dict[EventLog, Callable[[], EventLog]] = {}

    async def new(self, **settings: Any) -> EventLog:
        own = EventLogSettings(**settings)
        prefix = f"log-{len(self._made)}:"

        def make() -> ReplicatedEventLog:
            client = connect(self._url)
            self._stack.push_async_callback(client.aclose)
            stream = RedisEventStream(client, held=own.held, window=own.window, prefix=prefix)
            log = ReplicatedEventLog(stream, own, observe=lambda *one: self.happenings.append(one))
            self._stack.push_async_callback(log.close)
            log.start()
            return log

        log = make()
        self._made[log] = make
        return log

    async def replica(self, log: EventLog) -> EventLog:
        return self._made[log]()


@pytest.fixture(params=["memory", "redis"])
async def logs(request: pytest.FixtureRequest) -> AsyncIterator[Logs]:
    """The log in both of its forms; no task of theirs is left."""
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            yield InMemory()
        else:
            url = request.getfixturevalue("redis_url")
            client = connect(url)
            await client.flushdb()
            await client.aclose()
            yield InRedis(url, stack)
    assert asyncio.all_tasks() - before <= {asyncio.current_task()}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that keeps on the disk what it acknowledged."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop(signal.SIGKILL)


@pytest.fixture
async def replica(server: RedisServer) -> AsyncIterator[Callable[..., ReplicatedEventLog]]:
    """Makes replicas' logs, all of one stream."""
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:

        def make(observe: Any = lambda *_: None, **settings: Any) -> ReplicatedEventLog:
            client = connect(server.url)
            stack.push_async_callback(client.aclose)
            own = EventLogSettings(**settings)
            log = ReplicatedEventLog(RedisEventStream(client, held=own.held, window=own.window), own, observe=observe)
            stack.push_async_callback(log.close)
            log.start()
            return log

        yield make
    assert asyncio.all_tasks() - before <= {asyncio.current_task()}
