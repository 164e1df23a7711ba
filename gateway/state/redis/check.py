"""Checks whether a Redis can hold the state of a gateway: at the start of a process, and for `gateway check`."""

import re
import secrets
import socket
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, InvalidResponse, NoPermissionError, RedisError, ResponseError

__all__ = ["RedisProblem", "find_problem"]

# Every command that a script of the stores calls, on keys that are removed at the end. The reply is what Redis reports
# about its memory, or an error where the user may not read that.
# KEYS: four keys that do not exist.
_PROBE = """
local text, hash, set, stream = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
redis.call('TIME')
redis.call('SET', text, '1', 'PX', 60000)
redis.call('GET', text)
redis.call('EXISTS', text)
redis.call('PEXPIRE', text, 60000)
redis.call('PTTL', text)
redis.call('HSETNX', hash, 'a', '1')
redis.call('HSET', hash, 'a', '1')
redis.call('HINCRBY', hash, 'a', 1)
redis.call('HGET', hash, 'a')
redis.call('HMGET', hash, 'a')
redis.call('ZADD', set, 1, 'a')
redis.call('ZCARD', set)
redis.call('ZRANGE', set, 0, 0)
redis.call('ZREM', set, 'a')
redis.call('XADD', stream, 'MAXLEN', '~', 10, '1-0', 'a', '1')
redis.call('DEL', text, hash, set, stream)
local memory = redis.pcall('INFO', 'memory')
return type(memory) == 'string' and memory or ''
"""
_POLICY = re.compile(r"^maxmemory_policy:(\S+)", re.MULTILINE)
_MISSING_PERMISSION = re.compile(r"NOPERM|ACL failure|no permissions", re.IGNORECASE)
_UNKNOWN_HOST = {socket.EAI_NONAME, socket.EAI_NODATA}


@dataclass(frozen=True, slots=True)
class RedisProblem:
    """Why Redis cannot be used; if `permanent`, until somebody corrects the URL or the configuration of Redis."""

    message: str
    permanent: bool


async def find_problem(client: Redis) -> RedisProblem | None:
    """Use every command that the stores use, on keys of their prefix, and read the policy for a full memory."""
    prefix = f"usergateway:probe:{{{secrets.token_hex(8)}}}:"  # one slot of a cluster
    keys = [prefix + name for name in ("text", "hash", "set", "stream")]
    try:
        memory = await client.register_script(_PROBE)(keys)
        await client.set(keys[0], "1", px=1)
        await client.getex(keys[0], px=1)
        await client.xrange(keys[3], count=1)
        await client.xread({keys[3]: "0"}, count=1)
    except AuthenticationError as error:
        return RedisProblem(f"Redis refuses the user name or the password ({error})", permanent=True)
    except InvalidResponse:
        return RedisProblem("what responds at this address is not Redis", permanent=True)
    except (RedisError, OSError) as error:
        return _problem(error)
    policy = _POLICY.search(memory.decode(errors="replace"))
    if policy is not None and policy[1] != "noeviction":
        message = (
            f"Redis evicts keys when its memory is full (maxmemory-policy {policy[1]}). It would forget which changes "
            "were executed, and execute them again: set maxmemory-policy noeviction"
        )
        return RedisProblem(message, permanent=True)
    return None


def _problem(error: Exception) -> RedisProblem:
    if isinstance(error, NoPermissionError) or (
        isinstance(error, ResponseError) and _MISSING_PERMISSION.search(f"{error}")
    ):
        message = f"the Redis user lacks a permission; it needs the keys usergateway:* and scripts ({error})"
        return RedisProblem(message, permanent=True)
    if isinstance(error, ResponseError) and "DB index" in f"{error}":
        return RedisProblem(f"Redis has no database of this number ({error})", permanent=True)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror) and cause.errno in _UNKNOWN_HOST:
            return RedisProblem(f"the host does not exist ({cause.strerror})", permanent=True)
        cause = cause.__cause__ or cause.__context__
    return RedisProblem(f"Redis cannot be used ({type(error).__name__}: {error})", permanent=False)
