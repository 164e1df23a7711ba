"""A log that replicas share in Redis: one stream, its name and last number beside it, and what was told of late.

The numbers have no gaps, which Redis' own ids would have: so who reads knows when something is missing. Its name is
gone with its entries when Redis lost them. All keys are in one slot of a cluster.
"""

import secrets
from collections.abc import Sequence

from redis.asyncio import Redis

from gateway.state.redis.client import reply_of

__all__ = ["RedisEventStream"]

_MOMENT = 500  # milliseconds that a read waits: less than the client waits for an answer
_AT_ONCE = 256  # entries

# KEYS: the log's hash, its stream. ARGV: a name for a new log.
_PLACE = """
local known = redis.call('HMGET', KEYS[1], 'log', 'since', 'last')
local log, since, last = known[1], known[2], known[3]
if not log then
  log, since, last = ARGV[1], '0', '0'
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'log', log, 'since', since, 'last', last)
end
"""
# KEYS, further: the change, its user. ARGV: the entry, how many to hold, the window in ms, the user's content,
# that content with and without a time, whether it was heard. An echo says when it was: what comes with another time
# after it is another change.
_APPEND = (
    _PLACE
    + """
local entry, held, window, own, other, heard = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
redis.call('SET', KEYS[3], '', 'PX', window)
if heard == '1' and redis.call('GET', KEYS[4]) == other then
  redis.call('SET', KEYS[4], '1' .. string.sub(own, 2), 'PX', window)
  return 0
end
redis.call('SET', KEYS[4], own, 'PX', window)
local number = redis.call('HINCRBY', KEYS[1], 'last', 1)
redis.call('XADD', KEYS[2], 'MAXLEN', '~', held, number .. '-0', 'log', log, 'entry', entry)
return number
"""
)
_TELL = _PLACE + "return {log, since, last}"
_RENEW = """
if redis.call('HGET', KEYS[1], 'log') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'log', ARGV[2], 'since', redis.call('HGET', KEYS[1], 'last'))
end
"""


class RedisEventStream:
    """The log in a Redis; its client (`connect`) is closed by whoever made it.

    `held` entries are kept, or some more; what was told is known again for `window` seconds.
    """

    def __init__(
        self, client: Redis, *, held: int = 10_000, window: float = 3600.0, prefix: str = "usergateway:{events}:"
    ) -> None:
        self._client = client
        self._held = held
        self._window = max(1, round(window * 1000))
        self._prefix = prefix
        self._keys = [f"{prefix}log", f"{prefix}entries"]
        self._append = client.register_script(_APPEND)
        self._tell = client.register_script(_TELL)
        self._renew = client.register_script(_RENEW)

    async def place(self) -> tuple[str, int, int]:
        log, since, last = await reply_of(self._tell(self._keys, [_name()]))
        return log.decode(), int(since), int(last)

    async def append(self, entry: bytes, *, once: str, user: str, content: str, dated: bool, heard: bool) -> int:
        keys = [*self._keys, f"{self._prefix}once:{once}", f"{self._prefix}user:{user}"]
        own, other = f"{dated:d}{content}", f"{not dated:d}{content}"
        values: list[str | bytes | int] = [_name(), entry, self._held, self._window, own, other, int(heard)]
        return int(await reply_of(self._append(keys, values)))

    async def read(self, after: int) -> Sequence[tuple[str, int, bytes]]:
        answer = await reply_of(self._client.xread({self._keys[1]: f"{after}-0"}, count=_AT_ONCE, block=_MOMENT))
        return [_entry(number, fields) for _, entries in answer or () for number, fields in entries]

    async def entry(self, number: int) -> bytes | None:
        found = await reply_of(self._client.xrange(self._keys[1], f"{number}-0", f"{number}-0"))
        return found[0][1][b"entry"] if found else None

    async def renew(self, log: str) -> None:
        await reply_of(self._renew(self._keys, [log, _name()]))


def _entry(number: bytes, fields: dict[bytes, bytes]) -> tuple[str, int, bytes]:
    return fields[b"log"].decode(), int(number.partition(b"-")[0]), fields[b"entry"]


def _name() -> str:
    return secrets.token_hex(8)
