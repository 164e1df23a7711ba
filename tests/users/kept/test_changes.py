"""What a change drops of the users that are kept."""

from dataclasses import dataclass

import pytest

from gateway.principal import ANYONE
from gateway.users.ids import Kind, Ref
from gateway.users.kept.lifetimes import KeepRule, Lifetimes
from gateway.users.kept.record_keys import RecordKey, RecordTag
from gateway.users.kept.records import KeptRecords
from gateway.users.model import User, UserChange, UserSource
from gateway.users.reading import KeepMode, UserReader
from gateway.users.source import Source, Sources

SOURCE = UserSource.SOFTWAREONE
USER = User(SOURCE, "USR-1", name="Ann", email="ann@x.example")
REF, ADDRESS = (Ref(Kind.USER, SOURCE, text) for text in (USER.source_id, "ann@x.example"))
NEEDS = frozenset[str]()


@dataclass
class OneUser(Source):
    """A source with one user."""

    name: UserSource = SOURCE

    async def fetch_user(self, ref: Ref, needs: frozenset[str]) -> User | None:
        return USER if ref in {REF, ADDRESS} and not needs else None


@pytest.fixture
async def reads() -> UserReader:
    """A reader that has read the user."""
    lifetimes = Lifetimes({SOURCE: KeepRule(keep=60.0, if_error=0.0)})
    reads = UserReader(Sources([OneUser()]), lifetimes=lifetimes, mode=KeepMode.ON)
    await reads.user(REF, NEEDS)
    assert reads.fresh_users.give(REF, NEEDS, ANYONE) == (USER,)
    return reads


async def test_an_equal_user_stays(reads: UserReader) -> None:
    """The report of a change that is kept already does not drop the user."""
    reads.kept_users.user_changed(USER, UserChange.UPDATED)
    assert reads.fresh_users.give(REF, NEEDS, ANYONE) == (USER,)


async def test_an_address_of_another_user(reads: UserReader) -> None:
    """A user who was read by an e-mail address is dropped when another user has the address."""
    await reads.user(ADDRESS, NEEDS)
    reads.kept_users.user_changed(User(SOURCE, "USR-2", email="Ann@x.example"), UserChange.CREATED)
    assert reads.fresh_users.give(ADDRESS, NEEDS, ANYONE) is None


async def test_an_unknown_outcome_by_address(reads: UserReader) -> None:
    """A change of a user by an e-mail address, of unknown outcome, drops the user that was read by its id."""
    change = reads.kept_users.begin_change(SOURCE, ADDRESS)
    reads.kept_users.end_change(change, ADDRESS, None)
    assert reads.fresh_users.give(REF, NEEDS, ANYONE) is None


async def test_a_change_of_nobody(reads: UserReader) -> None:
    """A change by an address that no user has drops nobody else: whoever may change users could empty what is kept."""
    nobody = Ref(Kind.USER, SOURCE, "nobody@x.example")
    change = reads.kept_users.begin_change(SOURCE, nobody)
    reads.kept_users.end_change(change, nobody, None, is_gone=True)
    assert reads.fresh_users.give(REF, NEEDS, ANYONE) == (USER,)


def test_a_refused_credential() -> None:
    """What was read with a credential before it was refused is not kept where the response arrives after that."""
    records = KeptRecords()
    key = RecordKey("forwarded:ann", REF)
    read = records.begin(SOURCE, Kind.USER, RecordTag.of(REF))
    records.drop_credential("forwarded:bob")
    assert records.store(key, read, USER, NEEDS)
    records.drop_credential("forwarded:ann")
    assert not records.store(key, read, USER, NEEDS)
    assert records.find(key) is None


def test_a_credential_that_is_refused_during_a_change() -> None:
    """The user after a change is not kept for a credential that was refused before the response to the change."""
    records, tag = KeptRecords(), RecordTag.of(REF)
    key = RecordKey("forwarded:ann", REF)
    change = records.begin(SOURCE, Kind.USER, tag)
    records.drop_credential(key.credential)
    assert not records.store_change(change, (tag,), key, USER, NEEDS)
    assert records.find(key) is None


def test_a_closed_keeper() -> None:
    """Nothing is kept of a read that ends after the gateway was closed."""
    records = KeptRecords()
    records.close()
    records.store(RecordKey("", REF), records.begin(SOURCE, Kind.USER), USER, NEEDS)
    assert records.find(RecordKey("", REF)) is None
