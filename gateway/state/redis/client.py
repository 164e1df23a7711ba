"""The Redis client: its connections, the translation of its failures, and the report of an outage."""

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ClusterCrossSlotError, NoScriptError, RedisError, ResponseError
from redis.exceptions import ConnectionError as ConnectionLost

from gateway.errors import SourceUnavailable

__all__ = ["RedisEvent", "RedisObserver", "connect", "reply_of"]

_REPLY_TIMEOUT = 1.0  # seconds: a change that waits longer for its record is refused
_MAX_CONNECTIONS = 50  # each carries thousands of commands a second
_CONNECTION_TIMEOUT = 5.0  # seconds to wait for one of them: Redis responds, but the process has a burst of changes
_RECOVERY = 1.0  # seconds without a failure until an outage is reported as over: commands may fail and succeed by turns

# The codes of replies by which a server says that it is not, or not yet, the one to write to. After a failover behind
# one address an old connection may still lead to such a server; a new connection leads to its successor.
# Before Redis 7 the code is inside the message where a script failed.
_NOT_THE_PRIMARY = ("READONLY", "MASTERDOWN", "LOADING", "NOREPLICAS", "UNBLOCKED")


class RedisEvent(StrEnum):
    """What happened to the connection to Redis, for metrics."""

    FAILED = "failed"
    """A command failed."""

    LOST = "lost"
    """A command failed, and the ones before it did not: an outage begins."""

    RECOVERED = "recovered"
    """Commands succeed again: the outage is over."""


RedisObserver = Callable[[RedisEvent, str], None]
"""A function that is called with each RedisEvent and, of a failure, its cause. It must not raise."""


def connect(url: str, *, observe: RedisObserver | None = None) -> Redis:
    """Return a client that returns bytes and reports a lost connection at once.

    redis-py's default retries for seconds; here one retry is left, for a connection that was closed while idle or that
    leads to a server which is no longer the primary. Where all connections are in use a command waits for one: the
    default pool raises, which would refuse changes. Outages are reported to `observe`.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_MAX_CONNECTIONS,
        timeout=_CONNECTION_TIMEOUT,
        socket_timeout=_REPLY_TIMEOUT,
        socket_connect_timeout=_REPLY_TIMEOUT,
        retry=Retry(NoBackoff(), 1),
    )
    pool.connection_class = _checked_connection(pool.connection_class)
    client = Redis if observe is None else _reporting_client(_Outage(observe))
    return client.from_pool(pool)


async def reply_of(command: Any) -> Any:
    """Return a command's reply. Its type is Any: redis-py's annotations are wider than what each command returns.

    Raises:
        SourceUnavailable: Redis cannot be reached, or refuses the command.
    """
    try:
        return await command
    except (RedisError, OSError) as error:
        raise SourceUnavailable(
            "The gateway's shared state cannot be reached. Retry later.", retry_after=1.0
        ) from error


class _Outage:
    """Reports the beginning of an outage with its cause, and its end: once each, however many commands fail."""

    def __init__(self, observe: RedisObserver, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._observe = observe
        self._clock = clock
        self._failed_at: float | None = None  # the time of the latest failure, during an outage

    def failure(self, error: Exception) -> None:
        """Report that a command failed."""
        cause = f"{type(error).__name__}: {error}"
        self._observe(RedisEvent.FAILED, cause)
        if self._failed_at is None:
            self._observe(RedisEvent.LOST, cause)
        self._failed_at = self._clock()

    def success(self) -> None:
        """Report that a command succeeded."""
        if self._failed_at is not None and self._clock() - self._failed_at >= _RECOVERY:
            self._failed_at = None
            self._observe(RedisEvent.RECOVERED, "")


def _reporting_client(outage: _Outage) -> type[Redis]:
    """Return a class of clients that report which of their commands failed."""

    class Reporting(Redis):
        async def execute_command(self, *args: Any, **options: Any) -> Any:
            try:
                reply = await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # redis-py has no types here
            except (NoScriptError, ClusterCrossSlotError):  # the caller sends the script again in another way
                raise
            except (RedisError, OSError) as error:
                outage.failure(error)
                raise
            outage.success()
            return reply

    return Reporting


def _checked_connection(base: type[AbstractConnection]) -> type[AbstractConnection]:
    """Return a subclass that raises ConnectionError in two more cases, so that the command is sent on a new connection.

    These are: asyncio raises another error for a lost connection (python/cpython#136234), and the server is not the
    primary. In the second case all connections that were opened before are closed before their next use.
    """
    valid_from = 0  # connections that were opened earlier are closed
    opened = 0  # the number of connections so far

    class Checked(base):  # type: ignore[misc, valid-type]  # it is one of three
        number = 0

        async def _connect(self) -> None:
            nonlocal opened
            await super()._connect()
            opened += 1
            self.number = opened

        async def connect(self) -> None:
            if self.is_connected and self.number <= valid_from:
                await self.disconnect(nowait=True)
            await super().connect()

        async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
            try:
                await super().send_packed_command(*args, **kwargs)
            except (AttributeError, TypeError) as error:
                raise ConnectionLost("The connection was lost.") from error

        async def read_response(self, *args: Any, **kwargs: Any) -> Any:
            nonlocal valid_from
            try:
                return await super().read_response(*args, **kwargs)
            except ResponseError as error:
                reply = f"{error.status_code or ''} {error}"
                if not any(code in reply for code in _NOT_THE_PRIMARY):
                    raise
                if self.number > valid_from:
                    valid_from = opened
                raise ConnectionLost(f"The server is not the primary: {reply.strip()}") from error

    return Checked
