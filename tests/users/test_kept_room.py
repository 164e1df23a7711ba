"""What is kept has a bound in bytes."""

import pytest

from gateway.users.ids import Kind, Ref
from gateway.users.model import User, UserSource
from gateway.users.records import KeptRecords, RecordKey


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


@pytest.mark.parametrize("letters", [10, 1_000, 10_000])
def test_the_estimate(letters: int) -> None:
    """A record is estimated at more than its text takes."""
    records = KeptRecords()
    read = records.begin(UserSource.ACCOUNT, Kind.USER)
    user = User(source=UserSource.ACCOUNT, source_id="1", name="x" * letters)
    records.store(RecordKey("", user.ref), read, user, frozenset())
    assert records.size > letters
