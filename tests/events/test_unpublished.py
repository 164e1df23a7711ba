"""Reports that are no events: whoever keeps users learns of them all the same, and subscriptions do not."""

from typing import Any

import pytest
from events.reading import caught_up, queued_ids, settled
from msgspec.structs import replace

from gateway.events.entries import decode_entry, encode_entry
from gateway.events.log import UnknownChanges
from gateway.users.ids import Kind, Ref
from gateway.users.kept.fingerprint import user_fingerprint
from gateway.users.kept.record_keys import RecordKey, RecordTag
from gateway.users.kept.records import KeptRecords
from gateway.users.model import Role, Timestamp, User, UserChange, UserSource
from gateway.users.reading import UserReader
from gateway.users.source import Sources

CREATED, UPDATED, DELETED = UserChange
ACCOUNT = UserSource.ACCOUNT
NOON, LATER = Timestamp("2021-11-22T12:00:00Z"), Timestamp("2021-11-22T12:00:01Z")
ADA = User(ACCOUNT, "acus_1", first_name="Ada", email="ada@example.com", updated_at=NOON)
EVE = replace(ADA, first_name="Eve")


class Keeper:
    """What a replica keeps, connected to its log as the gateway connects it."""

    def __init__(self, log: Any) -> None:
        self.records = KeptRecords()
        self.changes: list[Any] = []
        self._reader = UserReader(Sources(()), self.records)
        log.on_change(self._on_change)

    def _on_change(self, change: Any) -> None:
        self.changes.append(change)
        if not isinstance(change, UnknownChanges):
            self._reader.kept_users.user_changed(change.user, change.change)
        elif change.user is not None:
            self._reader.kept_users.user_reported(change.user, change.fingerprint)
        else:
            self._reader.kept_users.source_changed(change.source)

    def read(self, user: User) -> None:
        """Keep a user as it is read from its source now."""
        read = self.records.begin(ACCOUNT, Kind.USER, RecordTag.of(user.ref))
        assert self.records.store(RecordKey("", user.ref), read, user, frozenset())
        self.records.end(read)

    def kept(self, user: User) -> User | None:
        """Return the user as it is kept."""
        found = self.records.find(RecordKey("", user.ref))
        return None if found is None else found.value


@pytest.mark.parametrize(
    "last",
    [
        pytest.param(ADA, id="to and fro within one time of change"),
        pytest.param(replace(ADA, first_name="Old", updated_at=Timestamp("2021-11-22T11:59:59Z")), id="superseded"),
        pytest.param(replace(EVE, last_active_at=LATER), id="another field than those that an event is recognised by"),
    ],
)
async def test_a_report_that_is_no_event(logs: Any, last: User) -> None:
    """After a report that no subscription gets, no replica keeps another state than the reported one."""
    log = await logs.new()
    other = await logs.replica(log)
    keepers = [Keeper(log), Keeper(other)]
    async with other.subscribe() as subscription:
        for user in (ADA, EVE):
            assert await log.append(UPDATED, user)
        await caught_up(log)
        await caught_up(other)
        assert await queued_ids(subscription) == ["acus_1", "acus_1"]
        for keeper in keepers:
            keeper.read(EVE)
        assert not await log.append(UPDATED, last)
        await log.append(UPDATED, replace(ADA, source_id="end"))
        assert (await anext(subscription)).user.source_id == "end"
        await caught_up(log)
    assert [keeper.kept(ADA) for keeper in keepers] == [None, None]


async def test_a_repeated_deletion(logs: Any) -> None:
    """A deletion that is reported again drops the user, also as it was deleted: a source may have returned it since."""
    log = await logs.new()
    other = await logs.replica(log)
    keepers = [Keeper(log), Keeper(other)]
    assert await log.append(DELETED, ADA)
    for each in (log, other):
        await caught_up(each)
    for keeper in keepers:
        keeper.read(ADA)
    async with other.subscribe() as subscription:
        assert not await log.append(DELETED, ADA)
        await log.append(UPDATED, replace(ADA, source_id="end"))
        assert (await anext(subscription)).user.source_id == "end"
        await caught_up(log)
    assert [keeper.kept(ADA) for keeper in keepers] == [None, None]


async def test_an_echo(logs: Any) -> None:
    """The echo of a change drops no user that is kept as the change left it, with whatever it embeds."""
    log = await logs.new()
    other = await logs.replica(log)
    keepers = [Keeper(log), Keeper(other)]
    log.publish(UPDATED, replace(ADA, role=Role(ACCOUNT, "rl_1", "Admin")))
    await settled(log)
    await caught_up(other)
    async with other.subscribe() as subscription:
        for keeper in keepers:
            keeper.read(replace(ADA, role=Role(ACCOUNT, "rl_1", "Admin", permissions=("a:read",))))
        assert not await log.append(UPDATED, replace(ADA, role=Role(ACCOUNT, "rl_1", "Admin")))
        await log.append(UPDATED, replace(ADA, source_id="end"))
        assert (await anext(subscription)).user.source_id == "end"
        await caught_up(log)
    assert all(keeper.kept(ADA) is not None for keeper in keepers)


async def test_users_that_are_altered(logs: Any) -> None:
    """A user that differs without a change is dropped by all replicas, unless it is kept like that."""
    log = await logs.new()
    other = await logs.replica(log)
    keepers = [Keeper(log), Keeper(other)]
    bob = replace(ADA, source_id="acus_2", first_name="Bob")
    for each in (log, other):
        await caught_up(each)
    for keeper in keepers:
        keeper.read(ADA)
        keeper.read(bob)
    async with other.subscribe() as subscription:
        await log.append_altered([replace(ADA, last_active_at=LATER), bob])
        await log.append(UPDATED, replace(ADA, source_id="end"))
        assert (await anext(subscription)).user.source_id == "end"
        await caught_up(log)
    assert [(keeper.kept(ADA), keeper.kept(bob)) for keeper in keepers] == [(None, bob)] * 2


async def test_resuming_over_them(logs: Any) -> None:
    """A resume token from before such a report, or from before unknown changes of a source, leads past them."""
    log = await logs.new()
    async with log.subscribe() as subscription:
        start = subscription.start
        await log.append(UPDATED, ADA)
        await log.append(UPDATED, ADA)
        token = (await anext(subscription)).id
        await log.append_unknown(ACCOUNT)
        await log.append(UPDATED, EVE)
        last = (await anext(subscription)).id
    for after, names in ((start, ["Ada", "Eve"]), (token, ["Eve"]), (last, [])):
        async with log.subscribe(after=after) as resumed:
            await log.append(UPDATED, replace(ADA, source_id="end"), name="end", occurred_at=LATER)
            assert [(await anext(resumed)).user.first_name for _ in names] == names


async def test_a_deletion_that_is_reported_twice(logs: Any) -> None:
    """The deletion of a reseller user in one state is one event, whatever a report of it says about the user."""
    log = await logs.new()
    known = User(UserSource.RESELLER, "Id-1", "t1", first_name="Ada", updated_at=NOON)
    bare = User(UserSource.RESELLER, "id-1", "t1", updated_at=NOON)
    assert [await log.append(DELETED, user) for user in (known, bare)] == [True, False]
    other = replace(known, source_id="id-2")
    assert [await log.append(DELETED, user) for user in (replace(bare, source_id="id-2"), other)] == [True, False]
    changed = replace(known, updated_at=LATER)
    assert [await log.append(change, changed) for change in (UPDATED, DELETED)] == [True, True]


@pytest.mark.parametrize("source", [None, ACCOUNT])
async def test_unknown_changes_as_an_entry(source: UserSource | None) -> None:
    """Unknown changes can be read as they were written."""
    assert decode_entry(encode_entry(UnknownChanges(source))) == UnknownChanges(source)


@pytest.mark.parametrize(("tenant", "source_id"), [("", "acus_1"), ("t 1", "ü %\n x")])
def test_unknown_changes_of_a_user_as_an_entry(tenant: str, source_id: str) -> None:
    """Those of a user too, whatever its ids are; no field of the user is in the entry."""
    user = replace(ADA, source_id=source_id, tenant=tenant)
    changes = UnknownChanges(ACCOUNT, Ref(Kind.USER, ACCOUNT, source_id, tenant), user_fingerprint(user))
    entry = encode_entry(changes)
    assert decode_entry(entry) == changes
    assert b"Ada" not in entry
