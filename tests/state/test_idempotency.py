"""Idempotency records: the same behaviour of the stores in memory and in Redis."""

import asyncio
import secrets
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.state.idempotency import (
    Begun,
    IdempotencySettings,
    IdempotencyStore,
    InProgress,
    PayloadConflict,
    Progress,
    Replay,
    record_id_of,
)


@dataclass(frozen=True, slots=True)
class Owner:
    """A begun execution, and the id of its owner."""

    owner: str
    begun: Begun


async def begun(store: IdempotencyStore, record_id: str = "s", fingerprint: str = "f", principal: str = "") -> Owner:
    owner = secrets.token_hex(16)
    result = await store.begin(record_id, fingerprint, owner, principal)
    assert isinstance(result, Begun)
    return Owner(owner, result)


async def test_replay(records: Any) -> None:
    """The same key and payload get the stored result, on any replica."""
    first = await begun(records.store)
    assert first.begun == Begun()
    assert await records.store.finish("s", first.owner, b"result\x00\xff")
    assert await records.replica.begin("s", "f", "another owner") == Replay(b"result\x00\xff")


async def test_running(records: Any) -> None:
    """While the change is running, a second caller gets the time until the lease ends."""
    await begun(records.store)
    second = await records.replica.begin("s", "f", "another owner")
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
    assert await records.store.begin("s", "other", "another owner") == PayloadConflict()
    if state == "done":
        assert await records.store.begin("s", "f", "another owner") == Replay(b"")


async def test_another_record(records: Any) -> None:
    """Two records do not affect each other."""
    await begun(records.store, "s")
    await begun(records.store, "t", "other")


async def test_abandoned(records: Any) -> None:
    """After a failure with an unknown outcome nothing is stored: the next caller begins, and gets since when."""
    first = await begun(records.store)
    await records.store.abandon("s", first.owner, Progress.UNKNOWN)
    second = await begun(records.store)
    assert second.begun.doubtful_for is not None
    assert 0 <= second.begun.doubtful_for < 10
    assert not second.begun.confirmed


async def test_not_executed(records: Any) -> None:
    """After a change that was certainly not executed, nothing is in doubt, and the key stays bound to its payload."""
    first = await begun(records.store)
    await records.store.abandon("s", first.owner, Progress.NOT_EXECUTED)
    assert await records.store.begin("s", "other", "another owner") == PayloadConflict()
    second = await begun(records.replica)
    assert second.begun == Begun()
    await records.end_leases()
    assert (await begun(records.store)).begun.doubtful_for is not None


async def test_not_sent(records: Any) -> None:
    """A change that was not sent leaves no record: any payload can begin."""
    first = await begun(records.store)
    await records.store.abandon("s", first.owner, Progress.NOT_SENT)
    assert (await begun(records.replica, "s", "other")).begun == Begun()


@pytest.mark.parametrize("progress", [Progress.NOT_SENT, Progress.NOT_EXECUTED, Progress.UNKNOWN])
async def test_a_doubt_stays(records: Any, progress: Progress) -> None:
    """However a repetition ends without a result, the first execution stays in doubt."""
    first = await begun(records.store)
    await records.store.abandon("s", first.owner, Progress.UNKNOWN)
    second = await begun(records.store)
    await records.store.abandon("s", second.owner, progress)
    assert (await begun(records.replica)).begun.doubtful_for is not None


async def test_confirmed(records: Any) -> None:
    """That a source confirmed a change is kept, also when a repetition fails."""
    first = await begun(records.store)
    await records.store.abandon("s", first.owner, Progress.CONFIRMED)
    second = await begun(records.replica)
    assert second.begun.confirmed
    await records.store.abandon("s", second.owner, Progress.UNKNOWN)
    assert (await begun(records.store)).begun.confirmed


async def test_crashed(records: Any) -> None:
    """When a process dies its lease ends; only the result of the next owner is stored."""
    first = await begun(records.store)
    await records.end_leases()
    second = await begun(records.replica)
    assert second.begun.doubtful_for is not None
    assert not await records.store.finish("s", first.owner, b"late")
    assert not await records.store.renew("s", first.owner)
    await records.store.abandon("s", first.owner)
    assert isinstance(await records.store.begin("s", "f", "another owner"), InProgress)
    assert await records.replica.finish("s", second.owner, b"result")
    assert await records.store.begin("s", "f", "another owner") == Replay(b"result")


async def test_slow(records: Any) -> None:
    """A call whose lease ended, and that no other owner took over, can still renew it and store its result."""
    first = await begun(records.store)
    await records.end_leases()
    assert await records.store.renew("s", first.owner)
    assert isinstance(await records.store.begin("s", "f", "another owner"), InProgress)
    await records.end_leases()
    assert await records.store.finish("s", first.owner, b"result")
    assert await records.store.begin("s", "f", "another owner") == Replay(b"result")


async def test_a_stored_result_is_final(records: Any) -> None:
    """A stored result is not changed by finishing again, renewing or abandoning."""
    first = await begun(records.store)
    assert await records.store.finish("s", first.owner, b"result")
    assert await records.store.finish("s", first.owner, b"result")
    assert not await records.store.finish("s", first.owner, b"another")
    assert not await records.store.renew("s", first.owner)
    await records.store.abandon("s", first.owner)
    assert await records.store.begin("s", "f", "another owner") == Replay(b"result")


async def test_expired(records: Any) -> None:
    """After its time to live a record is absent: any payload can begin."""
    first = await begun(records.store)
    await records.store.finish("s", first.owner, b"result")
    await records.expire()
    second = await begun(records.store, "s", "other")
    assert second.begun == Begun()
    assert not await records.store.finish("s", first.owner, b"late")


async def test_an_absent_record(records: Any) -> None:
    """Finishing, renewing and abandoning an absent record does nothing."""
    assert not await records.store.finish("s", "", b"result")
    assert not await records.store.renew("s", "")
    await records.store.abandon("s", "")
    await begun(records.store)


@pytest.mark.parametrize("records", [IdempotencySettings(max_per_principal=3)], indirect=True)
async def test_too_many_of_one_principal(records: Any) -> None:
    """Beyond the maximum of one principal its oldest records are dropped, and none of another principal."""
    store = records.store
    other = await begun(store, "other", principal="bob")
    await store.finish("other", other.owner, b"result")
    for n in range(10):
        each = await begun(store, str(n), principal="ada")
        await store.finish(str(n), each.owner, b"result")
    assert await store.begin("other", "f", "o", "bob") == Replay(b"result")
    for n in (7, 8, 9):
        assert await store.begin(str(n), "f", "o", "ada") == Replay(b"result")
    assert (await begun(store, "6", principal="ada")).begun == Begun()


@pytest.mark.parametrize("records", [IdempotencySettings(max_per_principal=3)], indirect=True)
async def test_which_are_dropped_first(records: Any) -> None:
    """Changes that were not executed are dropped before older ones that were, and a running change never is."""
    store = records.store
    await begun(store, "running", principal="ada")
    done = await begun(store, "done", principal="ada")
    await store.finish("done", done.owner, b"result")
    for n in range(10):
        each = await begun(store, str(n), principal="ada")
        await store.abandon(str(n), each.owner, Progress.NOT_EXECUTED)
    assert isinstance(await store.begin("running", "f", "o", "ada"), InProgress)
    assert await store.begin("done", "f", "o", "ada") == Replay(b"result")


async def test_concurrent_calls(records: Any) -> None:
    """Of many concurrent calls on two replicas, one begins."""
    stores = [records.store, records.replica] * 25
    results = await asyncio.gather(*(store.begin("s", "f", str(n)) for n, store in enumerate(stores)))
    assert sum(isinstance(result, Begun) for result in results) == 1
    assert sum(isinstance(result, InProgress) for result in results) == 49


@given(st.lists(st.lists(st.text(st.characters(codec=None), max_size=3), max_size=4), unique_by=tuple, min_size=2))
def test_record_ids(parts: list[list[str]]) -> None:
    """Parts that differ, also only in where one ends, have another record id; all ids have one length."""
    ids = [record_id_of(each) for each in parts]
    assert all(first != second for first, second in combinations(ids, 2))
    assert {len(record_id) for record_id in ids} == {64}
