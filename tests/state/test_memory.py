import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RateLimited
from gateway.state.idempotency import Begun, IdempotencySettings, InProgress, Replay
from gateway.state.memory.idempotency import MemoryIdempotency


async def store_answer(store: MemoryIdempotency, scope: str, answer: bytes = b"") -> bool:
    result = await store.begin(scope, "f")
    assert isinstance(result, Begun)
    return await store.finish(scope, result.owner, answer)


async def test_oldest_goes() -> None:
    """Beyond its entries the answer that was asked for least recently goes."""
    store = MemoryIdempotency(IdempotencySettings(entries=2))
    await store_answer(store, "a")
    await store_answer(store, "b")
    await store.begin("a", "f")
    await store_answer(store, "c")
    assert isinstance(await store.begin("a", "f"), Replay)
    assert isinstance(await store.begin("c", "f"), Replay)
    assert len(store) == 2
    assert isinstance(await store.begin("b", "f"), Begun)


async def test_running_stays() -> None:
    """A change under way is never forgotten to make room: the next one is refused instead."""
    store = MemoryIdempotency(IdempotencySettings(entries=2))
    for scope in "ab":
        await store.begin(scope, "f")
    with pytest.raises(RateLimited) as refused:
        await store.begin("c", "f")
    assert refused.value.retry_after == 1
    for scope in "ab":
        assert isinstance(await store.begin(scope, "f"), InProgress)


async def test_too_large() -> None:
    """An answer that does not fit is not kept; the key stays known."""
    store = MemoryIdempotency(IdempotencySettings(total_bytes=2000))
    assert not await store_answer(store, "a", b"x" * 5000)
    again = await store.begin("a", "f")
    assert isinstance(again, Begun)
    assert again.again


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from(["finish", "abandon", "leave"]), st.integers(0, 3000)),
        max_size=80,
    ),
    st.integers(1, 8),
)
async def test_bounded(history: list[tuple[int, str, int]], entries: int) -> None:
    """In no history does it hold more records or bytes than it may."""
    limits = IdempotencySettings(entries=entries, total_bytes=10_000)
    store = MemoryIdempotency(limits, clock=lambda: 0.0)
    for scope, end, size in history:
        try:
            result = await store.begin(str(scope), "f")
        except RateLimited:
            continue
        if isinstance(result, Begun) and end == "finish":
            await store.finish(str(scope), result.owner, b"x" * size)
        elif isinstance(result, Begun) and end == "abandon":
            await store.abandon(str(scope), result.owner)
        assert len(store) <= entries
        assert store.bytes_held <= limits.total_bytes
        assert store.bytes_held == sum(one.size for one in store._records.values())
