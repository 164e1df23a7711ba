import asyncio
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.state.idempotency import Begun, IdempotencyStore, InProgress, PayloadConflict, Replay, scope_of


async def begun(store: IdempotencyStore, scope: str = "s", fingerprint: str = "f") -> Begun:
    result = await store.begin(scope, fingerprint)
    assert isinstance(result, Begun)
    return result


async def test_first_answer_again(records: Any) -> None:
    """Who comes with the same key and payload gets the first answer, on any replica."""
    first = await begun(records.store)
    assert not first.again
    assert await records.store.finish("s", first.owner, b"answer\x00\xff")
    assert await records.replica.begin("s", "f") == Replay(b"answer\x00\xff")


async def test_running(records: Any) -> None:
    """While the first call runs the second one is told when its lease ends."""
    await begun(records.store)
    waiting = await records.replica.begin("s", "f")
    assert isinstance(waiting, InProgress)
    assert 0 < waiting.retry_after <= records.store.lease


@pytest.mark.parametrize("state", ["running", "done", "abandoned", "crashed"])
async def test_other_payload(records: Any, state: str) -> None:
    """A key belongs to its first payload, whatever became of that."""
    first = await begun(records.store)
    if state == "done":
        await records.store.finish("s", first.owner, b"")
    if state == "abandoned":
        await records.store.abandon("s", first.owner)
    if state == "crashed":
        await records.lapse()
    assert await records.store.begin("s", "other") == PayloadConflict()
    if state == "done":
        assert await records.store.begin("s", "f") == Replay(b"")


async def test_other_scope(records: Any) -> None:
    """Another scope is another key."""
    await begun(records.store, "s")
    await begun(records.store, "t", "other")


async def test_abandoned(records: Any) -> None:
    """A transient failure is not stored: the next one carries the change out, and knows that there was one before."""
    first = await begun(records.store)
    await records.store.abandon("s", first.owner)
    second = await begun(records.store)
    assert second.again
    assert second.owner != first.owner


async def test_crashed(records: Any) -> None:
    """When a process is gone its lease ends; who takes over is the only one whose answer is stored."""
    first = await begun(records.store)
    await records.lapse()
    second = await begun(records.replica)
    assert second.again
    assert not await records.store.finish("s", first.owner, b"late")
    assert not await records.store.renew("s", first.owner)
    await records.store.abandon("s", first.owner)
    assert isinstance(await records.store.begin("s", "f"), InProgress)
    assert await records.replica.finish("s", second.owner, b"answer")
    assert await records.store.begin("s", "f") == Replay(b"answer")


async def test_slow(records: Any) -> None:
    """A call that outlived its lease and that nobody took over may still end well."""
    first = await begun(records.store)
    await records.lapse()
    assert await records.store.renew("s", first.owner)
    assert isinstance(await records.store.begin("s", "f"), InProgress)
    await records.lapse()
    assert await records.store.finish("s", first.owner, b"answer")
    assert await records.store.begin("s", "f") == Replay(b"answer")


async def test_once(records: Any) -> None:
    """A stored answer stays: finishing again changes nothing, nor do renewing and abandoning."""
    first = await begun(records.store)
    assert await records.store.finish("s", first.owner, b"answer")
    assert await records.store.finish("s", first.owner, b"answer")
    assert not await records.store.finish("s", first.owner, b"another")
    assert not await records.store.renew("s", first.owner)
    await records.store.abandon("s", first.owner)
    assert await records.store.begin("s", "f") == Replay(b"answer")


async def test_forgotten(records: Any) -> None:
    """After its time to live a key is new, for any payload."""
    first = await begun(records.store)
    await records.store.finish("s", first.owner, b"answer")
    await records.forget()
    second = await begun(records.store, "s", "other")
    assert not second.again
    assert not await records.store.finish("s", first.owner, b"late")


async def test_nothing_there(records: Any) -> None:
    """Ending what was never begun does nothing."""
    assert not await records.store.finish("s", "", b"answer")
    assert not await records.store.renew("s", "")
    await records.store.abandon("s", "")
    await begun(records.store)


async def test_at_once(records: Any) -> None:
    """Of many who begin at once on two replicas one does."""
    stores = [records.store, records.replica] * 25
    results = await asyncio.gather(*(store.begin("s", "f") for store in stores))
    assert sum(isinstance(one, Begun) for one in results) == 1
    assert sum(isinstance(one, InProgress) for one in results) == 49


@given(st.lists(st.lists(st.text(st.characters(codec=None), max_size=3), max_size=4), unique_by=tuple, min_size=2))
def test_scopes(parts: list[list[str]]) -> None:
    """Parts that differ anywhere, also in where one ends, are another scope; none shows in it."""
    for one, other in combinations(parts, 2):
        assert scope_of(one) != scope_of(other)
    assert {len(scope_of(one)) for one in parts} == {64}
