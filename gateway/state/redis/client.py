"""The Redis client: its connections, and the translation of its failures."""

from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError

from gateway.errors import SourceUnavailable

__all__ = ["connect", "reply_of"]

_REPLY_TIMEOUT = 1.0  # seconds: a change that waits longer for its record is refused
_MAX_CONNECTIONS = 50  # each carries thousands of commands a second


def connect(url: str) -> Redis:
    """Return a client that returns bytes and reports a lost connection at once.

    redis-py's default retries for seconds; here one retry is left, for a connection that was closed while idle.
    Where all connections are in use a command waits for one: the default pool raises, which would refuse changes.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_MAX_CONNECTIONS,
        timeout=_REPLY_TIMEOUT,
        socket_timeout=_REPLY_TIMEOUT,
        socket_connect_timeout=_REPLY_TIMEOUT,
        retry=Retry(NoBackoff(), 1),
    )
    pool.connection_class = _with_lost_connections_reported(pool.connection_class)
    return Redis.from_pool(pool)


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


def _with_lost_connections_reported(base: type[AbstractConnection]) -> type[AbstractConnection]:
    """Return a subclass that raises ConnectionError also where asyncio raises another error (python/cpython#136234)."""

    class Reporting(base):  # type: ignore[misc, valid-type]  # it is one of three
        async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
            try:
                await super().send_packed_command(*args, **kwargs)
            except (AttributeError, TypeError) as error:
                raise ConnectionLost("The connection was lost.") from error

    return Reporting
