"""How much room what is kept takes: all of it, and pages of users."""

import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway.users.ids import Kind, Ref
from gateway.users.kept.record_keys import ListTag, PageKey, RecordKey, RecordTag
from gateway.users.kept.records import KeptRecords
from gateway.users.model import Role, Timestamp, User, UserSource
from gateway.users.source import UserQuery, Window

ACCOUNT = UserSource.ACCOUNT
NEEDS = frozenset({"profile"})


@contextmanager
def measured_memory() -> Iterator[list[int]]:
    """Yield a list that gets the bytes which the block has allocated and not released."""
    taken: list[int] = []
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        yield taken
        gc.collect()
        taken.append(tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()


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
    with measured_memory() as taken:
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
    assert len(records) == count
    assert records.size / 5 < taken[0] < records.size


@pytest.mark.parametrize("text", ["", "x" * 240, "\N{GREEK SMALL LETTER IOTA WITH DIALYTIKA AND TONOS}" * 240])
def test_the_estimate_of_absent_users(text: str) -> None:
    """What callers make up, such as ids of users whom no source has, is counted as what it takes too."""
    count = 500
    records = KeptRecords(max_bytes=1 << 30)
    with measured_memory() as taken:
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
    assert len(records) == 2 * count
    assert records.size / 5 < taken[0] < records.size


def users(prefix: str, count: int) -> tuple[User, ...]:
    return tuple(User(ACCOUNT, f"{prefix}{number}", name="Ada") for number in range(count))


def keep_page(records: KeptRecords, prefix: str, count: int) -> PageKey:
    """Keep a page of new users, and these users."""
    read = records.begin(ACCOUNT, Kind.USER, ListTag.of(ACCOUNT, ""))
    key, window = PageKey("", ACCOUNT, UserQuery(), prefix, count), Window(users(prefix, count))
    records.store(key, read, window, NEEDS)
    records.store_rows(read, "", window, lambda _: NEEDS)
    records.end(read)
    return key


def kept(records: KeptRecords, prefix: str, count: int) -> int:
    """Return how many of these users are kept."""
    return sum(records.find(RecordKey("", user.ref)) is not None for user in users(prefix, count))


def test_pages_take_a_quarter() -> None:
    """Pages take a quarter of the room at most: the least recently used go first, and too large a one is not kept."""
    records = KeptRecords(max_bytes=600_000)
    keys = [keep_page(records, f"{number}-", 10) for number in range(12)]
    found = [key for key in keys if records.find(key) is not None]
    assert 1 < len(found) < 12
    assert found == keys[-len(found) :]
    assert kept(records, "0-", 10) == 10
    assert records.find(keep_page(records, "large-", 1000)) is None


def test_absent_users_take_a_quarter() -> None:
    """Ids that no source has, of which a client can make up as many as it likes, do not displace the users."""
    records = KeptRecords(max_bytes=600_000)
    keep_page(records, "", 100)
    for number in range(1000):
        key = RecordKey("", Ref(Kind.USER, ACCOUNT, f"none{number}"))
        read = records.begin(ACCOUNT, Kind.USER)
        records.store(key, read, None, NEEDS)
        records.end(read)
    assert records.find(key) is not None
    assert kept(records, "", 100) == 100


def test_large_pages_leave_users_who_are_used() -> None:
    """A thousand users that were read at once take the room that is left; a hundred displace those not used longest."""
    records = KeptRecords(max_bytes=900_000)
    keep_page(records, "small-", 100)
    for number in range(10):
        keep_page(records, f"large{number}-", 1000)
        assert kept(records, "small-", 100) == 100
        assert records.size <= 900_000
    assert kept(records, "large0-", 1000) > 100
    assert kept(records, "small-", 100) == 100
    keep_page(records, "new-", 100)
    assert kept(records, "new-", 100) == 100
    assert kept(records, "small-", 100) == 100, "they were used since"
