"""The event log that replicas have in common: a Redis stream, its name and last number, and deduplication keys.

Entries are numbered without gaps, so that a reader notices a missing one; the ids that Redis generates have gaps. The
name of the log is lost with its entries where Redis loses its data. All keys are in one slot of a cluster.
"""

import secrets
from collections.abc import Sequence

from redis.asyncio import Redis

from gateway.state.redis.client import reply_of

__all__ = ["RedisEventStream"]

_READ_WAIT = 500  # milliseconds that a read waits for entries: less than the client's reply timeout
_BATCH = 256  # entries of one read

# KEYS: the hash of the log, its stream. ARGV: the name of a new log.
# The names of keys and stored fields are a format that replicas of two versions use in common.
_OPEN = """
local stored = redis.call('HMGET', KEYS[1], 'log', 'since', 'last')
local log, first, last = stored[1], stored[2], stored[3]
if not log then
  log, first, last = ARGV[1], '0', '0'
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'log', log, 'since', first, 'last', last)
end
"""
# KEYS[3] and [4]: the event, the user. ARGV[2] to [7]: the entry, the number of entries to hold, the window in ms, the
# user's content as this report has it and as a report with (or without) a time has it, whether the report is external.
# As in `RecentChanges.is_new`: an echo supplies the missing time, a later report with another time is another change.
_APPEND = (
    _OPEN
    + """
local entry, max_entries, window = ARGV[2], ARGV[3], ARGV[4]
local content, echoed_content, external = ARGV[5], ARGV[6], ARGV[7]
if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
redis.call('SET', KEYS[3], '', 'PX', window)
if external == '1' and redis.call('GET', KEYS[4]) == echoed_content then
  redis.call('SET', KEYS[4], '1' .. string.sub(content, 2), 'PX', window)
  return 0
end
redis.call('SET', KEYS[4], content, 'PX', window)
local number = redis.call('HINCRBY', KEYS[1], 'last', 1)
redis.call('XADD', KEYS[2], 'MAXLEN', '~', max_entries, number .. '-0', 'log', log, 'entry', entry)
return number
"""
)
_BOUNDS = _OPEN + "return {log, first, last}"
# KEYS: the hash of the log. ARGV: its current name, its new name.
_RENAME = """
if redis.call('HGET', KEYS[1], 'log') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'log', ARGV[2], 'since', redis.call('HGET', KEYS[1], 'last'))
end
"""


class RedisEventStream:
    """An `EventStream` in Redis. Whoever connected the client (`connect`) closes it.

    It keeps the latest `max_entries`, or some more, and recognises repeated reports within `window` seconds.
    """

    def __init__(
        self, client: Redis, *, max_entries: int = 10_000, window: float = 3600.0, prefix: str = "usergateway:{events}:"
    ) -> None:
        self._client = client
        self._max_entries = max_entries
        self._window = max(1, round(window * 1000))  # milliseconds
        self._prefix = prefix
        self._keys = [f"{prefix}log", f"{prefix}entries"]
        self._append = client.register_script(_APPEND)
        self._bounds = client.register_script(_BOUNDS)
        self._rename = client.register_script(_RENAME)

    async def bounds(self) -> tuple[str, int, int]:
        log, first, last = await reply_of(self._bounds(self._keys, [_new_name()]))
        return log.decode(), int(first), int(last)

    async def append(self, entry: bytes, *, event: str, user: str, content: str, dated: bool, external: bool) -> int:
        keys = [*self._keys, f"{self._prefix}once:{event}", f"{self._prefix}user:{user}"]
        reported, echoed = f"{dated:d}{content}", f"{not dated:d}{content}"
        arguments: list[str | bytes | int] = [
            _new_name(),
            entry,
            self._max_entries,
            self._window,
            reported,
            echoed,
            int(external),
        ]
        return int(await reply_of(self._append(keys, arguments)))

    async def read(self, after: int) -> Sequence[tuple[str, int, bytes]]:
        reply = await reply_of(self._client.xread({self._keys[1]: f"{after}-0"}, count=_BATCH, block=_READ_WAIT))
        return [_numbered_entry(entry_id, fields) for _, entries in reply or () for entry_id, fields in entries]

    async def get(self, number: int) -> bytes | None:
        reply = await reply_of(self._client.xrange(self._keys[1], f"{number}-0", f"{number}-0"))
        return reply[0][1][b"entry"] if reply else None

    async def rename(self, log: str) -> None:
        await reply_of(self._rename(self._keys, [log, _new_name()]))


def _numbered_entry(entry_id: bytes, fields: dict[bytes, bytes]) -> tuple[str, int, bytes]:
    return fields[b"log"].decode(), int(entry_id.partition(b"-")[0]), fields[b"entry"]


def _new_name() -> str:
    return secrets.token_hex(8)
