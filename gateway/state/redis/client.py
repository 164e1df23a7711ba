"""The Redis client: how it connects, and how its failures become ours."""

from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import RedisError

from gateway.errors import SourceUnavailable

__all__ = ["connect", "reply_of"]

_REPLY_TIMEOUT = 1.0  # seconds: a change that waits longer for its record is refused
_CONNECTIONS = 50  # each carries thousands of commands a second


def connect(url: str) -> Redis:
    """Create a client that returns bytes and reports a lost Redis at once.

    redis-py's default retries for seconds; here one retry is left, for a connection that was closed while idle.
    Where all connections are in use a command waits for one: the default pool raises, which would refuse changes.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=_REPLY_TIMEOUT,
        socket_timeout=_REPLY_TIMEOUT,
        socket_connect_timeout=_REPLY_TIMEOUT,
        retry=Retry(NoBackoff(), 1),
    )
    pool.connection_class = _reporting_loss(pool.connection_class)
    return Redis.from_pool(pool)


async def reply_of(command: Any) -> Any:
    """Await a command's reply. Its type is Any: redis-py's annotations are wider than what each command returns.

    Raises:
        SourceUnavailable: Redis cannot be reached, or refuses the command.
    """
    try:
        return await command
    except (RedisError, OSError) as error:
        raise SourceUnavailable("The gateway's shared state cannot be reached.", retry_after=1.0) from error


def _reporting_loss(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    """A connection that raises ConnectionError also where asyncio fails with another error (python/cpython#136234)."""

    class Reporting(kind):  # type: ignore[misc, valid-type]  # it is one of three
        async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
            try:
                await super().send_packed_command(*args, **kwargs)
            except (AttributeError, TypeError) as error:
                raise Lost("The connection was lost.") from error

    return Reporting
