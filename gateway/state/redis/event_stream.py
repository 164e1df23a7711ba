"""The event log that replicas have in common: a Redis stream, its name and last number, and deduplication keys.

Entries are numbered without gaps, so that a reader notices a missing one; the ids that Redis generates have gaps. The
name of the log is lost with its entries where Redis loses its data. All keys are in one slot of a cluster.
"""

import secrets
from collections.abc import Sequence

from redis.asyncio import Redis

from gateway.kit.event_stream import Report
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
# KEYS[3] and the following, four for each report: the event, the user's content, the user's order, the report. ARGV[2]
# and [3]: the number of entries to hold, the window in ms. ARGV[4] and the following, eight for each report: the entry,
# its check, the user's content as this report has it and as a report with (or without) a time has it, the user's order,
# whether it is a deletion, whether the report is external, whether it may have been made before. The rules are those of
# `RecentChanges`, and for a report that may have been made before those of `EventLog.publish`.
_APPEND = (
    _OPEN
    + """
local max_entries, window = ARGV[2], ARGV[3]
local function append(key, argument)
  local event_key, content_key, order_key, report_key = KEYS[key], KEYS[key + 1], KEYS[key + 2], KEYS[key + 3]
  local entry, check = ARGV[argument], ARGV[argument + 1]
  local content, echoed_content = ARGV[argument + 2], ARGV[argument + 3]
  local order, deletion, external = ARGV[argument + 4], ARGV[argument + 5] == '1', ARGV[argument + 6] == '1'
  local repeated = ARGV[argument + 7] == '1'
  local function done(result)
    if not external then redis.call('SET', report_key, result, 'PX', window) end
    return result
  end
  if not external then
    local result = redis.call('GET', report_key)
    if result then return tonumber(result) end
  end
  local known = redis.call('GET', event_key)
  if known and (external or known == 'external') then
    if not external then redis.call('SET', event_key, 'gateway', 'PX', window) end
    return done(0)
  end
  if known and repeated and redis.call('GET', content_key) == content then return done(0) end
  redis.call('SET', event_key, external and 'external' or 'gateway', 'PX', window)
  local last_order = redis.call('GET', order_key) or ''
  if (external or repeated) and redis.call('GET', content_key) == echoed_content then
    redis.call('SET', event_key, 'gateway', 'PX', window)
    redis.call('SET', content_key, '1' .. string.sub(content, 2), 'PX', window)
    if order ~= '' and order > last_order then redis.call('SET', order_key, order, 'PX', window) end
    return done(0)
  end
  if order ~= '' and order < last_order then
    if not deletion then return done(-1) end
    order = string.sub(last_order, 1, -2) .. string.sub(order, -1)
  end
  if order ~= '' then redis.call('SET', order_key, order, 'PX', window) end
  redis.call('SET', content_key, content, 'PX', window)
  local number = redis.call('HINCRBY', KEYS[1], 'last', 1)
  redis.call('HSET', KEYS[1], 'check', number .. ':' .. check)
  redis.call(
    'XADD', KEYS[2], 'MAXLEN', '~', max_entries, number .. '-0', 'log', log, 'entry', entry, 'previous', check_of_last
  )
  check_of_last = check
  return done(number)
end
local results = {}
for index = 0, (#KEYS - 2) / 4 - 1 do
  results[index + 1] = append(3 + 4 * index, 4 + 8 * index)
end
return results
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

    async def append(self, reports: Sequence[Report]) -> list[int]:
        keys = [*self._keys]
        arguments: list[str | bytes | int] = [_new_name(), self._max_entries, self._window]
        for each in reports:
            names = (f"once:{each.event}", f"user:{each.user}", f"order:{each.user}", f"report:{each.report}")
            keys += [self._prefix + name for name in names]
            contents = (f"{each.dated:d}{each.content}", f"{not each.dated:d}{each.content}")
            arguments += [each.entry, each.check, *contents, each.order]
            arguments += [int(each.deletion), int(not each.report), int(each.repeated)]
        return [int(result) for result in await reply_of(self._append(keys, arguments))]

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
