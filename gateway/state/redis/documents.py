"""The texts of automatic persisted queries, in Redis."""

from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

__all__ = ["RedisDocuments"]


class RedisDocuments:
    """Texts under their SHA-256, each for `ttl` seconds since its last use. Whoever connected the client closes it.

    While Redis cannot be reached, no text is found, and clients send the text again.
    """

    def __init__(self, client: Redis, *, ttl: float = 24 * 3600.0, prefix: str = "usergateway:document:") -> None:
        self._client = client
        self._ttl = max(1, round(ttl * 1000))  # milliseconds
        self._prefix = prefix

    async def get(self, sha256: str) -> str | None:
        try:
            text: Any = await self._client.getex(self._prefix + sha256, px=self._ttl)
        except (RedisError, OSError):  # the client reports it
            return None
        return None if text is None else str(text, errors="surrogatepass")

    async def put(self, sha256: str, text: str) -> None:
        with suppress(RedisError, OSError):
            await self._client.set(self._prefix + sha256, text.encode(errors="surrogatepass"), px=self._ttl)
