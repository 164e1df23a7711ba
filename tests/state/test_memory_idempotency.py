"""The bounds of the idempotency records in memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RateLimited
from gateway.state.idempotency import Begun, IdempotencySettings, InProgress, Progress, Replay
from gateway.state.memory.idempotency import MemoryIdempotency


async def execute(store: MemoryIdempotency, record_id: str, result: bytes = b"", principal: str = "") -> bool:
    """Begin a change and store its result; return whether that fitted."""
    assert isinstance(await store.begin(record_id, "f", record_id, principal), Begun)
    return await store.finish(record_id, record_id, result)


async def test_least_recently_used() -> None:
    """Beyond the maximum of records, the least recently requested result is dropped."""
    store = MemoryIdempotency(IdempotencySettings(max_records=2))
    await execute(store, "a")
    await execute(store, "b")
    await store.begin("a", "f", "o")
    await execute(store, "c")
    assert isinstance(await store.begin("a", "f", "o"), Replay)
    assert isinstance(await store.begin("c", "f", "o"), Replay)
    assert len(store) == 2
    assert isinstance(await store.begin("b", "f", "o"), Begun)


async def test_running_changes_are_kept() -> None:
    """A running change is never dropped to make room: the next one is refused instead."""
    store = MemoryIdempotency(IdempotencySettings(max_records=2))
    for record_id in "ab":
        await store.begin(record_id, "f", record_id)
    with pytest.raises(RateLimited) as refused:
        await store.begin("c", "f", "o")
    assert refused.value.retry_after == 1
    for record_id in "ab":
        assert isinstance(await store.begin(record_id, "f", record_id), InProgress)


async def test_too_large() -> None:
    """A result that does not fit is not stored; the record stays bound to its payload."""
    store = MemoryIdempotency(IdempotencySettings(max_bytes=2000))
    assert not await execute(store, "a", b"x" * 5000)
    second = await store.begin("a", "f", "o")
    assert isinstance(second, Begun)
    assert second.doubtful_for is not None


async def test_one_principal_cannot_push_out_another() -> None:
    """Where the store is full, records of the principal are dropped that has the most, by number or by size."""
    store = MemoryIdempotency(IdempotencySettings(max_records=100, max_bytes=200_000))
    await execute(store, "first", principal="bob")
    for n in range(300):
        await execute(store, f"many {n}", principal="mallory")
    for n in range(10):
        await execute(store, f"large {n}", b"x" * 50_000, principal="eve")
    for _ in range(2):
        assert isinstance(await store.begin("first", "f", "o", "bob"), Replay)
    assert len(store) <= 100


@given(
    st.lists(
        st.tuples(
            st.integers(0, 30), st.sampled_from(["finish", "leave", *Progress]), st.integers(0, 3000), st.integers(0, 3)
        ),
        max_size=80,
    ),
    st.integers(1, 8),
)
async def test_bounded(history: list[tuple[int, str, int, int]], max_records: int) -> None:
    """After any history the store is within its maximum of records and bytes."""
    limits = IdempotencySettings(max_records=max_records, max_bytes=10_000)
    store = MemoryIdempotency(limits, clock=lambda: 0.0)
    for record_id, end, size, principal in history:
        try:
            result = await store.begin(str(record_id), "f", "o", str(principal))
        except RateLimited:
            continue
        if isinstance(result, Begun) and end == "finish":
            await store.finish(str(record_id), "o", b"x" * size)
        elif isinstance(result, Begun) and end != "leave":
            await store.abandon(str(record_id), "o", Progress(end))
        assert len(store) <= max_records
        assert store.bytes_held <= limits.max_bytes
        assert store.bytes_held == sum(record.size for record in store._records.values())
