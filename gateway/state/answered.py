"""Redis' answers, or our own word for that there is none."""

from typing import Any

from redis.exceptions import RedisError

from gateway.errors import SourceUnavailable

__all__ = ["answered"]


async def answered(asked: Any) -> Any:
    """What Redis answers; the library's types tell less of it than who asks knows.

    Raises:
        SourceUnavailable: it cannot be reached, or does not do it.
    """
    try:
        return await asked
    except (RedisError, OSError) as error:
        raise SourceUnavailable("The gateway's shared state cannot be reached.", retry_after=1.0) from error
