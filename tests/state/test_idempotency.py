"""Idempotency records: the same behaviour of the stores in memory and in Redis."""

import asyncio
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.state.idempotency import Begun, IdempotencyStore, InProgress, PayloadConflict, Replay, record_id_of


async def begun(store: IdempotencyStore, record_id: str = "s", fingerprint: str = "f") -> Begun:
    result = await store.begin(record_id, fingerprint)
    assert isinstance(result, Begun)
    return result


async def test_replay(records: Any) -> None:
    """The same key and payload get the stored result, on any replica."""
    first = await begun(records.store)
    assert not first.repeated
    assert await records.store.finish("s", first.owner, b"result\x00\xff")
    assert await records.replica.begin("s", "f") == Replay(b"result\x00\xff")


async def test_running(records: Any) -> None:
    """While the change is running, a second caller gets the time until the lease ends."""
    await begun(records.store)
    second = await records.replica.begin("s", "f")
    assert isinstance(second, InProgress)
    assert 0 < second.retry_after <= records.store.lease


@pytest.mark.parametrize("state", ["running", "done", "abandoned", "crashed"])
async def test_other_payload(records: Any, state: str) -> None:
    """A key stays bound to its first payload in every state."""
    first = await begun(records.store)
    if state == "done":
        await records.store.finish("s", first.owner, b"")
    if state == "abandoned":
        await records.store.abandon("s", first.owner)
    if state == "crashed":
        await records.end_leases()
    assert await records.store.begin("s", "other") == PayloadConflict()
    if state == "done":
        assert await records.store.begin("s", "f") == Replay(b"")


async def test_another_record(records: Any) -> None:
    """Two records do not affect each other."""
    await begun(records.store, "s")
    await begun(records.store, "t", "other")


async def test_abandoned(records: Any) -> None:
    """After a transient failure nothing is stored: the next caller begins, and gets that it is a repetition."""
    first = await begun(records.store)
    await records.store.abandon("s", first.owner)
    second = await begun(records.store)
    assert second.repeated
    assert second.owner != first.owner


async def test_crashed(records: Any) -> None:
    """When a process dies its lease ends; only the result of the next owner is stored."""
    first = await begun(records.store)
    await records.end_leases()
    second = await begun(records.replica)
    assert second.repeated
    assert not await records.store.finish("s", first.owner, b"late")
    assert not await records.store.renew("s", first.owner)
    await records.store.abandon("s", first.owner)
    assert isinstance(await records.store.begin("s", "f"), InProgress)
    assert await records.replica.finish("s", second.owner, b"result")
    assert await records.store.begin("s", "f") == Replay(b"result")


async def test_slow(records: Any) -> None:
    """A call whose lease ended, and that no other owner took over, can still renew it and store its result."""
    first = await begun(records.store)
    await records.end_leases()
    assert await records.store.renew("s", first.owner)
    assert isinstance(await records.store.begin("s", "f"), InProgress)
    await records.end_leases()
    assert await records.store.finish("s", first.owner, b"result")
    assert await records.store.begin("s", "f") == Replay(b"result")


async def test_a_stored_result_is_final(records: Any) -> None:
    """A stored result is not changed by finishing again, renewing or abandoning."""
    first = await begun(records.store)
    assert await records.store.finish("s", first.owner, b"result")
    assert await records.store.finish("s", first.owner, b"result")
    assert not await records.store.finish("s", first.owner, b"another")
    assert not await records.store.renew("s", first.owner)
    await records.store.abandon("s", first.owner)
    assert await records.store.begin("s", "f") == Replay(b"result")


async def test_expired(records: Any) -> None:
    """After its time to live a record is absent: any payload can begin."""
    first = await begun(records.store)
    await records.store.finish("s", first.owner, b"result")
    await records.expire()
    second = await begun(records.store, "s", "other")
    assert not second.repeated
    assert not await records.store.finish("s", first.owner, b"late")


async def test_an_absent_record(records: Any) -> None:
    """Finishing, renewing and abandoning an absent record does nothing."""
    assert not await records.store.finish("s", "", b"result")
    assert not await records.store.renew("s", "")
    await records.store.abandon("s", "")
    await begun(records.store)


async def test_concurrent_calls(records: Any) -> None:
    """Of many concurrent calls on two replicas, one begins."""
    stores = [records.store, records.replica] * 25
    results = await asyncio.gather(*(store.begin("s", "f") for store in stores))
    assert sum(isinstance(result, Begun) for result in results) == 1
    assert sum(isinstance(result, InProgress) for result in results) == 49


@given(st.lists(st.lists(st.text(st.characters(codec=None), max_size=3), max_size=4), unique_by=tuple, min_size=2))
def test_record_ids(parts: list[list[str]]) -> None:
    """Parts that differ, also only in where one ends, have another record id; all ids have one length."""
    ids = [record_id_of(each) for each in parts]
    assert all(first != second for first, second in combinations(ids, 2))
    assert {len(record_id) for record_id in ids} == {64}
