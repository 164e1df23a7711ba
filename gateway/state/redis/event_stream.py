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
# HSETNX changes nothing where the log exists, but fails like every write where the server accepts none.
_OPEN = """
if redis.call('HSETNX', KEYS[1], 'log', ARGV[1]) == 1 then
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'since', '0', 'last', '0', 'check', '')
end
local stored = redis.call('HMGET', KEYS[1], 'log', 'since', 'last', 'check')
local log, first, last = stored[1], stored[2], stored[3]
local checked, check_of_last = string.match(stored[4] or '', '^(%d+):(.*)$')
if checked ~= last then check_of_last = '' end
"""
# KEYS[3] to [6]: the event, the user's content, the user's order, the report. ARGV[2] to [10]: the entry, its check,
# the number of entries to hold, the window in ms, the user's content as this report has it and as a report with (or
# without) a time has it, the user's order, whether it is a deletion, whether the report is external.
# The rules are those of `RecentChanges`.
_APPEND = (
    _OPEN
    + """
local entry, check, max_entries, window = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local content, echoed_content, order = ARGV[6], ARGV[7], ARGV[8]
local deletion, external = ARGV[9] == '1', ARGV[10] == '1'
local function done(result)
  if not external then redis.call('SET', KEYS[6], result, 'PX', window) end
  return result
end
if not external then
  local result = redis.call('GET', KEYS[6])
  if result then return tonumber(result) end
end
local known = redis.call('GET', KEYS[3])
if known and (external or known == 'external') then
  if not external then redis.call('SET', KEYS[3], 'gateway', 'PX', window) end
  return done(0)
end
redis.call('SET', KEYS[3], external and 'external' or 'gateway', 'PX', window)
local last_order = redis.call('GET', KEYS[5]) or ''
if external and redis.call('GET', KEYS[4]) == echoed_content then
  redis.call('SET', KEYS[3], 'gateway', 'PX', window)
  redis.call('SET', KEYS[4], '1' .. string.sub(content, 2), 'PX', window)
  if order ~= '' and order > last_order then redis.call('SET', KEYS[5], order, 'PX', window) end
  return 0
end
if order ~= '' and order < last_order then
  if not deletion then return done(-1) end
  order = string.sub(last_order, 1, -2) .. string.sub(order, -1)
end
if order ~= '' then redis.call('SET', KEYS[5], order, 'PX', window) end
redis.call('SET', KEYS[4], content, 'PX', window)
local number = redis.call('HINCRBY', KEYS[1], 'last', 1)
redis.call('HSET', KEYS[1], 'check', number .. ':' .. check)
redis.call(
  'XADD', KEYS[2], 'MAXLEN', '~', max_entries, number .. '-0', 'log', log, 'entry', entry, 'previous', check_of_last
)
return done(number)
"""
)
_BOUNDS = _OPEN + "return {log, first, last, check_of_last}"
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

    async def bounds(self) -> tuple[str, int, int, str]:
        log, first, last, check = await reply_of(self._bounds(self._keys, [_new_name()]))
        return log.decode(), int(first), int(last), check.decode()

    async def append(
        self,
        entry: bytes,
        check: str,
        *,
        event: str,
        user: str,
        content: str,
        dated: bool,
        order: str,
        deletion: bool,
        report: str,
    ) -> int:
        names = (f"once:{event}", f"user:{user}", f"order:{user}", f"report:{report}")
        arguments: list[str | bytes | int] = [
            _new_name(),
            entry,
            check,
            self._max_entries,
            self._window,
            f"{dated:d}{content}",
            f"{not dated:d}{content}",
            order,
            int(deletion),
            int(not report),
        ]
        return int(await reply_of(self._append([*self._keys, *(self._prefix + name for name in names)], arguments)))

    async def read(self, after: int) -> Sequence[tuple[str, int, bytes, str]]:
        reply = await reply_of(self._client.xread({self._keys[1]: f"{after}-0"}, count=_BATCH, block=_READ_WAIT))
        return [_numbered_entry(entry_id, fields) for _, entries in reply or () for entry_id, fields in entries]

    async def get(self, number: int) -> bytes | None:
        reply = await reply_of(self._client.xrange(self._keys[1], f"{number}-0", f"{number}-0"))
        return reply[0][1][b"entry"] if reply else None

    async def rename(self, log: str) -> None:
        await reply_of(self._rename(self._keys, [log, _new_name()]))


def _numbered_entry(entry_id: bytes, fields: dict[bytes, bytes]) -> tuple[str, int, bytes, str]:
    number = int(entry_id.partition(b"-")[0])
    return fields[b"log"].decode(), number, fields[b"entry"], fields.get(b"previous", b"").decode()


def _new_name() -> str:
    return secrets.token_hex(8)
