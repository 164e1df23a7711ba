"""What is kept has a bound in bytes."""

import gc
import tracemalloc

import pytest

from gateway.users.ids import Kind, Ref
from gateway.users.model import Role, Timestamp, User, UserSource
from gateway.users.record_keys import ListTag, PageKey, RecordKey, RecordTag
from gateway.users.records import KeptRecords
from gateway.users.source import UserQuery, Window


def test_the_least_recently_used_go_first() -> None:
    """Beyond the bound the records that nobody has read for the longest time are dropped, and counted."""
    records = KeptRecords(max_bytes=20_000)
    refs = [Ref(Kind.USER, UserSource.ACCOUNT, str(number)) for number in range(100)]
    for ref in refs:
        read = records.begin(UserSource.ACCOUNT, Kind.USER)
        user = User(source=UserSource.ACCOUNT, source_id=ref.source_id, name="x" * 100)
        assert records.store(RecordKey("", ref), read, user, frozenset())
        records.end(read)
        assert records.find(RecordKey("", refs[0])) is not None  # it is used all the time
    assert records.size <= records.max_bytes
    assert 0 < records.evicted == 100 - len(records)
    found = [ref for ref in refs if records.find(RecordKey("", ref)) is not None]
    assert found == [refs[0], *refs[-len(found) + 1 :]]


@pytest.mark.parametrize("width", [10, 100, 1_000])
def test_the_estimate(width: int) -> None:
    """What is kept takes no more memory than its estimate, and at least a fifth of it."""
    count = 500
    records = KeptRecords(max_bytes=1 << 30)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(count):
            user = User(
                source=UserSource.ACCOUNT,
                source_id=f"acus_{number:011}",
                name=f"{number:0{width}}",
                email=f"{number}@example.com",
                role=Role(UserSource.ACCOUNT, f"role_{number}", f"Role {number}", permissions=(f"users:{number}",)),
                created_at=Timestamp(f"2026-01-01T00:00:00.{number}Z"),
            )
            read = records.begin(UserSource.ACCOUNT, Kind.USER)
            records.store(RecordKey("", user.ref), read, user, frozenset({"profile"}))
            records.end(read)
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(records) == count
    assert records.size / 5 < taken < records.size


@pytest.mark.parametrize("text", ["", "x" * 240, "\N{GREEK SMALL LETTER IOTA WITH DIALYTIKA AND TONOS}" * 240])
def test_the_estimate_of_absent_users(text: str) -> None:
    """What callers make up, such as ids of users whom no source has, is counted as what it takes too."""
    count = 500
    records = KeptRecords(max_bytes=1 << 30)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(count):
            ref = Ref(Kind.USER, UserSource.RESELLER, f"{number:08}{text}", f"{number:08}{text}")
            key = RecordKey(f"forwarded:{number:064}#{text}", ref)
            read = records.begin(UserSource.RESELLER, Kind.USER, RecordTag.of(ref), ListTag.of(ref.source, ref.tenant))
            records.store(key, read, None, frozenset())
            records.end(read)
            query = UserQuery(search=f"{number}{text}")
            page = PageKey("", UserSource.RESELLER, query, f"{number:08}{text}", 50)
            read = records.begin(UserSource.RESELLER, Kind.USER, ListTag.of(UserSource.RESELLER, ""))
            records.store(page, read, Window(()), frozenset())
            records.end(read)
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(records) == 2 * count
    assert records.size / 5 < taken < records.size
