"""Fixtures: the event log in memory and in Redis, with the same interface for both, and replicas of one log."""

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
    """A function that publishes changes of users with these ids, in that order, and waits until they were read."""

    async def publish(log: EventLog, *ids: object, source: UserSource = UserSource.ACCOUNT) -> None:
        for source_id in ids:
            log.publish(UserChange.UPDATED, User(source, str(source_id)))
        await settled(log)

    return publish


class Logs(Protocol):
    """Creates event logs of one implementation."""

    log_events: list[tuple[LogEvent, str]]

    async def new(self, **settings: Any) -> EventLog:
        """Return an empty log."""

    async def replica(self, log: EventLog) -> EventLog:
        """Return the same log as another process has it."""


class MemoryLogs:
    def __init__(self) -> None:
        self.log_events: list[tuple[LogEvent, str]] = []

    async def new(self, **settings: Any) -> EventLog:
        return MemoryEventLog(EventLogSettings(**settings), observe=lambda *event: self.log_events.append(event))

    async def replica(self, log: EventLog) -> EventLog:
        return log


class RedisLogs:
    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self.log_events: list[tuple[LogEvent, str]] = []
        self._url = url
        self._stack = stack
        self._factories: dict[EventLog, Callable[[], EventLog]] = {}

    async def new(self, **settings: Any) -> EventLog:
        log_settings = EventLogSettings(**settings)
        prefix = f"log-{len(self._factories)}:"

        def make() -> ReplicatedEventLog:
            client = connect(self._url)
            self._stack.push_async_callback(client.aclose)
            stream = RedisEventStream(
                client, max_entries=log_settings.max_events, window=log_settings.window, prefix=prefix
            )
            log = ReplicatedEventLog(stream, log_settings, observe=lambda *event: self.log_events.append(event))
            self._stack.push_async_callback(log.aclose)
            log.start()
            return log

        log = make()
        self._factories[log] = make
        return log

    async def replica(self, log: EventLog) -> EventLog:
        return self._factories[log]()


_TIMEOUTS = [
    "gateway.events.catching_up._TIMEOUT",
    "gateway.events.replicated._STREAM_TIMEOUT",
    "gateway.state.redis.client._REPLY_TIMEOUT",
]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log waits for Redis longer than a second, since it responds late on a busy machine.

    Where Redis is away, a test sets a value in place of this fixture: then the timeouts are those of the gateway.
    """
    for name in _TIMEOUTS:
        monkeypatch.setattr(name, 60.0)


@pytest.fixture(params=["memory", "redis"])
async def logs(request: pytest.FixtureRequest, patient: None) -> AsyncIterator[Logs]:
    """The log in memory, then in Redis; afterwards no task of it is left."""
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            yield MemoryLogs()
        else:
            url = request.getfixturevalue("redis_url")
            client = connect(url)
            await client.flushdb()
            await client.aclose()
            yield RedisLogs(url, stack)
    assert asyncio.all_tasks() - before <= {asyncio.current_task()}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that keeps on disk what it acknowledged."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop(signal.SIGKILL)


@pytest.fixture
async def replica(server: RedisServer, patient: None) -> AsyncIterator[Callable[..., ReplicatedEventLog]]:
    """A function that creates the logs of replicas, all of one stream."""
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:

        def make(observe: Any = lambda *_: None, **settings: Any) -> ReplicatedEventLog:
            client = connect(server.url)
            stack.push_async_callback(client.aclose)
            log_settings = EventLogSettings(**settings)
            stream = RedisEventStream(client, max_entries=log_settings.max_events, window=log_settings.window)
            log = ReplicatedEventLog(stream, log_settings, observe=observe)
            stack.push_async_callback(log.aclose)
            log.start()
            return log

        yield make
    assert asyncio.all_tasks() - before <= {asyncio.current_task()}
