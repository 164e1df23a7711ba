"""What replicas that keep users put into Redis."""

import asyncio
from typing import Any

from redis.asyncio import Redis
from still_clock import StillClock

from gateway import Gateway
from gateway.models import UserSource
from gateway.state.redis.client import connect
from gateway.testing import Sandbox

QUERY = """{
    users { nodes { id name email role { name permissions } } }
    person(email: "%s") { users { id name } }
    roles { nodes { id name } }
    departments { nodes { id name } }
}"""


async def test_users_that_are_kept(redis_url: str) -> None:
    """Two replicas keep users in their memory alone: no reads, hits and absences leave anything of a user in Redis."""
    url = redis_url.replace("/0?", "/7?")
    with Sandbox(users=6, clock=StillClock()) as sandbox:  # in which nothing that is kept expires
        settings = sandbox.settings(keep_mode="on", redis_url=url)
        async with Gateway(settings, clock=sandbox.clock) as first, Gateway(settings, clock=sandbox.clock) as second:
            for gateway in (first, second):
                await _keeps(gateway, sandbox)
            sandbox.advance(1)  # users that are read in the instant of the connection to Redis are not prefetched
            personal = set()
            for gateway in (first, second, first, second):
                ada = await gateway.users.get_user("acus_adalovelace1", UserSource.ACCOUNT)
                assert await gateway.users.get_user("acus_nobody", UserSource.ACCOUNT) is None
                result = await gateway.execute(QUERY % ada.email)
                assert result.errors is None
                for node in result.data["users"]["nodes"]:
                    personal |= {node["name"], node["email"]}
            assert len([call for call in sandbox.calls if call.path.endswith("acus_adalovelace1")]) == 2
            stored = await _everything(connect(url))
    personal |= {ada.email, ada.name, ada.source_id, "acus_nobody"}
    assert stored  # else the replicas have nothing in common, and this test shows nothing
    assert [text for text in personal if text and text.encode() in stored] == []


async def _keeps(gateway: Gateway, sandbox: Sandbox) -> None:
    """Wait until a gateway keeps users, which it does not before it is connected to Redis."""
    async with asyncio.timeout(30):
        while True:
            before = len(sandbox.calls)
            await gateway.users.get_user("acus_gracehopper1", UserSource.ACCOUNT)
            if len(sandbox.calls) == before:
                return
            await asyncio.sleep(0.01)


async def _everything(client: Redis) -> bytes:
    """Return all keys of a database with what is stored under them."""
    read: dict[bytes, Any] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"stream": client.xrange,
    }
    found = b""
    async for key in client.scan_iter("*"):
        kind = await client.type(key)
        found += key + repr(await read[kind if isinstance(kind, bytes) else kind.encode()](key)).encode()
    await client.aclose()
    return found
