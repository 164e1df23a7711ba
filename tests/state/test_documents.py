"""The texts of automatic persisted queries, in memory and in Redis."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ports import refusing_port

from gateway.state.memory.documents import MemoryDocuments
from gateway.state.redis.client import connect
from gateway.state.redis.documents import RedisDocuments

Store = MemoryDocuments | RedisDocuments


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """The store in memory, then in Redis."""
    if request.param == "memory":
        yield MemoryDocuments()
        return
    client = connect(request.getfixturevalue("redis_url"))
    await client.flushdb()
    yield RedisDocuments(client)
    await client.aclose()


async def test_stored(store: Store) -> None:
    """A text is found unchanged under its hash, and nothing under another hash."""
    assert await store.get("h") is None
    for text in ("{ a }", '{ a(b: "é\ud800") }'):
        await store.put("h", text)
        assert await store.get("h") == text
    assert await store.get("g") is None


async def test_least_recently_used() -> None:
    """Beyond the maximum of bytes, the least recently used text is dropped."""
    store = MemoryDocuments(3 * 300)
    for name in "abc":
        await store.put(name, name)
    await store.get("a")
    await store.put("d", "d")
    assert [name for name in "abcd" if await store.get(name)] == ["a", "c", "d"]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 900)), max_size=30))
async def test_bounded(puts: list[tuple[str, int]]) -> None:
    """After any puts, the store is within its bound, and each text is the latest of its name."""
    store = MemoryDocuments(2000)
    last: dict[str, str] = {}
    for name, size in puts:
        await store.put(name, "é" * size)
        if size * 2 + 256 <= 2000:
            last[name] = "é" * size
        assert store.bytes_held <= 2000
    held = {name: text for name in "abcdef" if (text := await store.get(name)) is not None}
    assert held.items() <= last.items()
    assert len(store) == len(held)
    assert store.bytes_held == sum(256 + 2 * len(text) for text in held.values())


async def test_time_to_live(redis_url: str) -> None:
    """In Redis a text has a time to live, which starts anew at each use."""
    client = connect(redis_url)
    await client.flushdb()
    store = RedisDocuments(client, ttl=100)
    await store.put("h", "{ a }")
    assert 0 < await client.pttl("usergateway:document:h") <= 100_000
    await client.pexpire("usergateway:document:h", 10_000)
    await store.get("h")
    assert await client.pttl("usergateway:document:h") > 10_000
    await client.aclose()


async def test_unreachable() -> None:
    """While Redis is unreachable, no text is found and no call fails."""
    with refusing_port() as port:
        client = connect(f"redis://127.0.0.1:{port}/0")
        store = RedisDocuments(client)
        await store.put("h", "{ a }")
        assert await store.get("h") is None
        await client.aclose()
