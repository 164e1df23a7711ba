"""How much of the room for kept records lists and their users take."""

from gateway.users.ids import Kind, Ref
from gateway.users.model import User, UserSource
from gateway.users.record_keys import ListTag, PageKey, RecordKey
from gateway.users.records import KeptRecords
from gateway.users.source import UserQuery, Window

ACCOUNT = UserSource.ACCOUNT
NEEDS = frozenset({"profile"})


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
